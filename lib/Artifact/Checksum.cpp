//===- Checksum.cpp - Checksums of artifacts ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// xxHash in its canonical spelling, which does not depend on the machine.
//
//===----------------------------------------------------------------------===//

#include "lib/Artifact/Checksum.h"

#include "lib/Weights/MappedFile.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace moec::artifact {

struct Checksum::State {
  XXH3_state_t hash;
};

Checksum::Checksum() : state(std::make_unique<State>()) {
  XXH3_128bits_reset(&state->hash);
}

Checksum::~Checksum() = default;

void Checksum::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(&state->hash, bytes.data(), bytes.size());
}

std::string Checksum::digits() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state->hash));
  std::string digits;
  for (unsigned char byte : canonical.digest) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  return digits;
}

std::string checksumOf(std::string_view bytes) {
  Checksum checksum;
  checksum.add(std::as_bytes(std::span(bytes)));
  return checksum.digits();
}

weights::Result<std::string> checksumOfFile(const std::string &path,
                                            uint64_t bytes) {
  auto file = weights::MappedFile::open(path);
  if (!file)
    return std::move(file).status();
  Checksum checksum;
  std::span<const std::byte> rest =
      file->bytes().first(std::min<uint64_t>(bytes, file->bytes().size()));
  // Bounded pieces, so that a large file does not fill the memory.
  constexpr size_t piece = size_t(1) << 24;
  while (!rest.empty()) {
    std::span<const std::byte> some = rest.first(std::min(piece, rest.size()));
    checksum.add(some);
    file->release(some);
    rest = rest.subspan(some.size());
  }
  return checksum.digits();
}

} // namespace moec::artifact
