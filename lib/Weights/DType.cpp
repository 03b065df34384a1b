//===- DType.cpp - Element types of safetensors ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one table of element types.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/DType.h"

#include <array>

namespace moec::weights {

namespace {

struct Row {
  std::string_view name;
  unsigned bits;
};

// In the order of the enumeration.
constexpr std::array<Row, 22> table = {{
    {"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6},
    {"U8", 8},      {"I8", 8},          {"F8_E5M2", 8},     {"F8_E4M3", 8},
    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},        {"BF16", 16},       {"I32", 32},
    {"U32", 32},    {"F32", 32},        {"C64", 64},        {"F64", 64},
    {"I64", 64},    {"U64", 64},
}};
static_assert(table.size() == static_cast<size_t>(DType::U64) + 1);

const Row &row(DType type) { return table[static_cast<size_t>(type)]; }

} // namespace

std::optional<DType> parseDType(std::string_view spelling) {
  for (size_t i = 0; i < table.size(); ++i)
    if (table[i].name == spelling)
      return static_cast<DType>(i);
  return std::nullopt;
}

std::string_view name(DType type) { return row(type).name; }

unsigned bitWidth(DType type) { return row(type).bits; }

} // namespace moec::weights
