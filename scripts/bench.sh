#!/usr/bin/env bash
# Measures a random model in the shape of OLMoE-1B-7B, its experts, and one layer
# against this machine's own limits, and gates against the product in them.
# bench.sh BUILD [options of report.py]
set -euo pipefail
build=$1
shift
root=$(dirname "$0")/..
/usr/bin/python3 "$root/benchmarks/report.py" "$build" "$@"
"$root/.venv/bin/python" "$root/benchmarks/gate.py" "$build"
