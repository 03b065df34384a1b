"""Compares what compiling a small and a large model cost: two lines of benchmarks/compile_cost.py on stdin."""

import json
import sys

small, large = map(json.loads, sys.stdin)
MIB = 1 << 20
assert large["weights"] - small["weights"] > 80 * MIB, (small, large)
# Code generation alone takes some tens of MiB; none of it may come with the weights.
assert 5 * MIB < small["anonymous"] < 128 * MIB, small
assert large["anonymous"] - small["anonymous"] < 16 * MIB, (small, large)
# Time varies with what else the machine does; the code that is made does not. A layer costs a call.
assert large["code_bytes"] < 1.1 * small["code_bytes"], (small, large)
