//===- Structs.h - Structs of C that know their size ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A struct that begins with `struct_size` may be of an older or a newer version
// of the interface. Both functions return a complaint, or nothing.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_STRUCTS_H
#define MOEC_LIB_RUNTIME_STRUCTS_H

#include <algorithm>
#include <cstring>
#include <string>

namespace moec::runtime {

/// Copies a struct of the caller's version into one of this version. Null
/// stands for all defaults.
template <typename T>
std::string copyOptions(const T *given, T &options, const char *version) {
  std::memset(&options, 0, sizeof(T));
  if (!given)
    return "";
  size_t size = given->struct_size;
  if (size < sizeof(size_t) || size > (size_t(1) << 16))
    return "struct_size is " + std::to_string(size) +
           ", set it to the sizeof of the struct";
  const char *bytes = reinterpret_cast<const char *>(given);
  for (size_t i = sizeof(T); i < size; ++i)
    if (bytes[i] != 0)
      return "an option is set that this version of the library, " +
             std::string(version) + ", does not know";
  std::memcpy(&options, given, std::min(size, sizeof(T)));
  return "";
}

/// Copies a result into a struct of the caller's version.
template <typename T> std::string copyResult(T result, T *given) {
  size_t size = given->struct_size;
  if (size < sizeof(size_t))
    return "struct_size is " + std::to_string(size) +
           ", set it to the sizeof of the struct";
  result.struct_size = size;
  std::memcpy(static_cast<void *>(given), &result, std::min(size, sizeof(T)));
  return "";
}

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_STRUCTS_H
