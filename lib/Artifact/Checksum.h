//===- Checksum.h - Checksums of artifacts ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// XXH3-128 in 32 hexadecimal digits. It finds damage; it is no signature.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_ARTIFACT_CHECKSUM_H
#define MOEC_LIB_ARTIFACT_CHECKSUM_H

#include "lib/Weights/Status.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace moec::artifact {

/// A checksum that grows with the bytes it is given.
class Checksum {
public:
  Checksum();
  ~Checksum();

  void add(std::span<const std::byte> bytes);
  /// Of all bytes so far.
  std::string digits() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

std::string checksumOf(std::string_view bytes);

/// Of a file's first `bytes` bytes, or of all.
weights::Result<std::string> checksumOfFile(const std::string &path,
                                            uint64_t bytes = UINT64_MAX);

} // namespace moec::artifact

#endif // MOEC_LIB_ARTIFACT_CHECKSUM_H
