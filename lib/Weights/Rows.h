//===- Rows.h - Values of recipes, by rows ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A value of a recipe as something of which rows (elements of the first
// dimension) can be asked for. Every operation of recipes makes a row of its
// result out of few rows of its inputs, so asking costs memory for some rows
// only, and nothing is ever made as a whole.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_ROWS_H
#define MOEC_LIB_WEIGHTS_ROWS_H

#include "lib/Weights/Checkpoint.h"

#include <memory>

namespace moec::weights {

struct Rows {
  uint64_t numRows;
  uint64_t rowBytes;

  Rows(uint64_t numRows, uint64_t rowBytes)
      : numRows(numRows), rowBytes(rowBytes) {}
  virtual ~Rows() = default;

  /// Makes rows `first` to `first + count` of the member `expert`; of a value
  /// that is no bank, `expert` is 0. Thread-safe.
  virtual Status read(int64_t expert, uint64_t first, uint64_t count,
                      std::byte *out) const = 0;

  /// Makes `bytes` bytes from `firstByte` on of each of these rows, one behind
  /// the other. By default out of whole rows, some at a time.
  virtual Status readPart(int64_t expert, uint64_t first, uint64_t count,
                          uint64_t firstByte, uint64_t bytes,
                          std::byte *out) const;
};

using RowsRef = std::shared_ptr<const Rows>;

/// Tensors of the checkpoint, one for each expert, or one tensor in which they
/// lie one behind the other. Their pages leave resident memory behind the
/// reader.
RowsRef loadedRows(std::vector<Tensor> members, bool stacked, uint64_t numRows,
                   uint64_t rowBytes);

/// Columns as rows; an element takes so many bytes.
RowsRef transposedRows(RowsRef input, uint64_t elementBytes);

/// Every element times the scale of its block of [rows, columns].
struct Quantized {
  RowsRef values, scales;
  DType type, scaleType;
  uint64_t rows, columns;
};
RowsRef dequantizedRows(Quantized quantized, DType to);

/// Elements converted to another floating-point type.
RowsRef castRows(RowsRef input, DType from, DType to);

/// 64-bit integers as 32-bit ones; what does not fit becomes the nearest.
RowsRef narrowedRows(RowsRef input);

/// The inputs below each other, or beside each other.
RowsRef concatRows(std::vector<RowsRef> inputs);
RowsRef besideRows(std::vector<RowsRef> inputs);

/// The rows `begin` to `begin + size` of every group of `group` rows.
RowsRef slicedRows(RowsRef input, uint64_t group, uint64_t begin,
                   uint64_t size);

/// Member e has the `rows` rows of the input from `e * rows` on.
RowsRef splitRows(RowsRef input, uint64_t rows);

/// A matrix in panels of 16 rows, each of which lies column by column; a column
/// is cut into words of 32 bits, which hold one f32 or two bf16. Rows and
/// columns that lack are zero.
RowsRef packedRows(RowsRef input, DType type);

/// Cosines and sines of positions times frequencies, all times `factor`.
RowsRef ropeRows(uint64_t positions, std::vector<double> frequencies,
                 double factor);

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_ROWS_H
