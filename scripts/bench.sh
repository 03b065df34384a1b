#!/usr/bin/env bash
# Measures prefill and decode of a random model in the shape of OLMoE-1B-7B
# against this machine's own limits. bench.sh BUILD [options of report.py]
set -euo pipefail
build=$1
shift
exec /usr/bin/python3 "$(dirname "$0")/../benchmarks/report.py" "$build" "$@"
