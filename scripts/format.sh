#!/usr/bin/env bash
# Formats the C and C++ files that git tracks; with --check, names the lines
# that are not formatted and fails if there are any.
set -euo pipefail
cd "$(dirname "$0")/.."

format() {
  git -c safe.directory='*' ls-files -z '*.cpp' '*.h' '*.c' |
    xargs -0 -r clang-format-22 "$@"
}

if [ "${1:-}" = --check ]; then
  report=$(format --dry-run -Werror 2>&1) && exit
  echo 'Not formatted; run make format:'
  grep -E '^[^ ].*(error|No such)' <<< "$report" | cut -d: -f1,2 | sort -u
  exit 1
fi
format -i
