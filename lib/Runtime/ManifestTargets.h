//===- ManifestTargets.h - The targets of a manifest ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The part of the manifest's parser that reads code, entries and taps.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_MANIFESTTARGETS_H
#define MOEC_LIB_RUNTIME_MANIFESTTARGETS_H

#include "lib/Runtime/Json.h"
#include "lib/Runtime/Manifest.h"

namespace moec::runtime {

/// No size of a manifest is larger, so that sums of a few do not overflow.
constexpr uint64_t largestSize = uint64_t(1) << 48;

/// file, bytes, checksum of a file.
FileEntry readFileEntry(JsonObject &object);
std::string readChecksum(JsonObject &object);

std::vector<Target> readTargets(JsonObject &manifest, const Limits &limits);

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_MANIFESTTARGETS_H
