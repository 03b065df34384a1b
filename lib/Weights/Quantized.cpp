//===- Quantized.cpp - What quantized tensors stand for -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An element times the scale of its block, in float: both are exact there, so
// the result is rounded by the product and by its own type, and by nothing
// else.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Elements.h"
#include "lib/Weights/Rows.h"

namespace moec::weights {

namespace {

uint64_t elementsOf(uint64_t bytes, DType type) {
  return bytes * 8 / bitWidth(type);
}

struct DequantizedRows final : Rows {
  Quantized from;
  DType to;

  DequantizedRows(Quantized quantized, DType to)
      : Rows(quantized.values->numRows,
             elementsOf(quantized.values->rowBytes, quantized.type) *
                 bitWidth(to) / 8),
        from(std::move(quantized)), to(to) {}

  Status read(int64_t expert, uint64_t first, uint64_t count,
              std::byte *out) const override {
    if (count == 0)
      return {};
    uint64_t block = first / from.rows;
    uint64_t blocks = (first + count - 1) / from.rows + 1 - block;
    std::vector<float> values, scales;
    Status status =
        readAs(*from.values, from.type, expert, first, count, values);
    if (status.ok())
      status =
          readAs(*from.scales, from.scaleType, expert, block, blocks, scales);
    if (!status.ok())
      return status;
    uint64_t width = values.size() / count, perRow = scales.size() / blocks;
    for (uint64_t row = 0; row < count; ++row) {
      const float *ofRow =
          scales.data() + ((first + row) / from.rows - block) * perRow;
      for (uint64_t column = 0; column < width; ++column)
        values[row * width + column] *= ofRow[column / from.columns];
    }
    return writeFloats(to, values, {out, count * rowBytes});
  }

  static Status readAs(const Rows &rows, DType type, int64_t expert,
                       uint64_t first, uint64_t count,
                       std::vector<float> &out) {
    std::vector<std::byte> bytes(count * rows.rowBytes);
    Status status = rows.read(expert, first, count, bytes.data());
    out.resize(elementsOf(bytes.size(), type));
    return status.ok() ? readFloats(type, bytes, out) : status;
  }
};

} // namespace

RowsRef dequantizedRows(Quantized quantized, DType to) {
  return std::make_shared<DequantizedRows>(std::move(quantized), to);
}

} // namespace moec::weights
