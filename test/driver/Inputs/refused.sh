#!/bin/sh
# Whether a module is still refused for its element type: 1, as moe-reduce
# wants it of what is interesting.
moe-opt "$1" -moe-check-support 2>&1 | grep -q MOE0329 && exit 1
exit 0
