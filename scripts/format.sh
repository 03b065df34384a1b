#!/usr/bin/env bash
# Formats the C and C++ files that git tracks; with --check, names those that
# are not formatted and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run -Werror)
git -c safe.directory='*' ls-files -z '*.cpp' '*.h' '*.c' |
  xargs -0 -r clang-format-22 "${mode[@]}"
