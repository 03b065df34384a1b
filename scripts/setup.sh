#!/usr/bin/env bash
# Installs what building and testing moec needs and this machine lacks: Debian
# packages, then a Python environment in .venv with the packages of
# requirements.txt. Does nothing, and asks nobody, when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  # The compiler is built with and from LLVM 22.
  clang-22 lld-22 libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools liblld-22-dev
  clang-format-22 clang-tidy-22 libclang-rt-22-dev libfuzzer-22-dev
  cmake ninja-build pkg-config ccache git
  # Libraries; zlib and zstd because LLVM's CMake configuration asks for them.
  nlohmann-json3-dev libcli11-dev libgtest-dev libxxhash-dev libpcre2-dev libutf8proc-dev
  zlib1g-dev libzstd-dev
  # The tests. psutil lets lit stop a test that hangs; certificates are for pip.
  python3 python3-venv python3-numpy python3-pytest python3-pytest-xdist python3-psutil ca-certificates
)

fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# Prints those of the given packages that are not installed.
missing() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      printf '%s\n' "$package"
  done
}

# Prints those of the given packages that no configured source offers.
unavailable() {
  local package
  for package in "$@"; do
    [[ $(LC_ALL=C apt-cache policy "$package") =~ Candidate:\ [^\(] ]] ||
      printf '%s\n' "$package"
  done
}

install_packages() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    fail 'needs Debian 12 with apt. Elsewhere, install the counterparts of these and skip this step:' \
      "  ${packages[*]}"
  local wanted lacking as_root=()
  mapfile -t wanted < <(missing "${packages[@]}")
  [ ${#wanted[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      fail 'packages are missing, and neither root nor sudo is at hand. As root, run:' \
        "  apt-get update && apt-get install --no-install-recommends ${wanted[*]}"
    as_root=(sudo)
  fi

  printf 'setup: installing %s\n' "${wanted[*]}" >&2
  # One attempt may meet a mirror that is busy, or another apt that holds the lock.
  local options=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -q)
  "${as_root[@]}" apt-get "${options[@]}" update >&2 ||
    fail 'apt-get update failed, see above.'
  mapfile -t lacking < <(unavailable "${wanted[@]}")
  [ ${#lacking[@]} -eq 0 ] ||
    fail "apt knows no candidate for: ${lacking[*]}" \
      'Debian 12 has LLVM 22 in its security archive. Add these lines to a file in' \
      '/etc/apt/sources.list.d/, say moec.list, and run make setup again:' \
      '  deb http://deb.debian.org/debian bookworm main' \
      '  deb http://deb.debian.org/debian-security bookworm-security main'
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get "${options[@]}" install -y --no-install-recommends "${wanted[@]}" >&2 ||
    fail 'apt-get install failed, see above.'
}

# The stamp is a copy of the requirements, written last: an environment that an
# interrupted run left behind does not count.
install_python_packages() {
  local stamp=.venv/requirements.txt
  cmp -s scripts/requirements.txt "$stamp" && .venv/bin/python -c '' 2>/dev/null && return
  printf 'setup: making the Python environment .venv\n' >&2
  rm -rf .venv
  # Always Debian's Python: its NumPy and pytest are used through the environment.
  /usr/bin/python3 -m venv --system-site-packages .venv
  if .venv/bin/python -m pip install --quiet --no-deps --require-hashes --retries 3 \
    -r scripts/requirements.txt >&2; then
    cp scripts/requirements.txt "$stamp"
  else
    printf 'setup: %s\n' \
      'pip could not install scripts/requirements.txt, see above.' \
      'The compiler does not need them; tests that do will fail.' >&2
  fi
}

install_packages
install_python_packages
