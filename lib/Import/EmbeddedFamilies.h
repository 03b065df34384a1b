//===- EmbeddedFamilies.h - The files in families/ --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every .json in lib/Import/families, put into the binary by the build.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_EMBEDDEDFAMILIES_H
#define MOEC_LIB_IMPORT_EMBEDDEDFAMILIES_H

#include <span>
#include <string_view>

namespace moec::importer {

struct EmbeddedFile {
  std::string_view name;
  std::string_view text;
};

/// Sorted by name.
std::span<const EmbeddedFile> embeddedFamilies();

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_EMBEDDEDFAMILIES_H
