#!/bin/sh
# Compiles the bundled model, lets it continue a prompt, and says how long all
# that took. Usage: demo.sh [BUILD]
set -eu

cd "$(dirname "$0")/.."
build=${1:-build}
moec=$build/bin/moec
artifact=$build/demo/tiny-qwen3-moe.moec
prompt=${PROMPT:-"47 + 38 ="}

mkdir -p "$build/demo"

echo "== Compiling examples/tiny-qwen3-moe"
begin=$(date +%s.%N)
"$moec" compile examples/tiny-qwen3-moe -o "$artifact" --progress none
end=$(date +%s.%N)
echo "compile time: $(awk "BEGIN { printf \"%.2f s\", $end - $begin }")"

echo
echo "== Continuing \"$prompt\""
"$moec" run "$artifact" --prompt "$prompt" --max-new-tokens 64 --stats
