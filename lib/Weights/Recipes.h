//===- Recipes.h - Makes the weights that recipes describe ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Executes the recipes of a module on a checkpoint, streaming: any part of any
// weight can be asked for, and all of them come in pieces whose size does not
// depend on the weights'.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_RECIPES_H
#define MOEC_LIB_WEIGHTS_RECIPES_H

#include "dialects/Moe/Moe.h"
#include "lib/Weights/Checkpoint.h"
#include "lib/Weights/Rows.h"

#include <functional>
#include <map>

namespace moec::weights {

/// Whether a tensor of the checkpoint has this shape. A vector may lie there in
/// several dimensions, row by row.
bool hasShape(const Tensor &tensor, std::span<const int64_t> shape);

/// What one moe.define describes.
struct DefinedWeight {
  std::string name;
  std::string role;
  int64_t experts; ///< Members of a bank; 1 for a tensor.
  bool isBank;
  DType dtype;
  std::vector<int64_t> shape; ///< Of one member.
  uint64_t memberBytes;

  /// Where it lies among the weights of an artifact, if that is decided: its
  /// first byte, and the bytes from one member to the next.
  std::optional<uint64_t> offset;
  std::optional<uint64_t> stride;

  RowsRef rows;

  /// The rows that read() counts in: elements of the first dimension.
  uint64_t numRows() const { return rows->numRows; }
  uint64_t rowBytes() const { return rows->rowBytes; }
  /// "weight 'name'", for messages.
  std::string text() const { return "weight '" + name + "'"; }
};

class RecipeExecutor {
public:
  /// Finds and checks everything that the recipes load. The checkpoint must
  /// outlive the executor; the recipes need not.
  static Result<RecipeExecutor> create(moe::RecipesOp recipes,
                                       const Checkpoint &checkpoint);

  /// In the order of their definitions.
  std::span<const DefinedWeight> weights() const { return defined; }
  /// The weight of this name, or null.
  const DefinedWeight *find(std::string_view name) const;

  /// Makes `count` rows of a member. May be called from several threads.
  static Status read(const DefinedWeight &weight, int64_t expert,
                     uint64_t firstRow, uint64_t count,
                     std::span<std::byte> out);

  /// Called with the next bytes of a member, which begin `offset` bytes into
  /// it.
  using Sink =
      std::function<Status(const DefinedWeight &weight, int64_t expert,
                           uint64_t offset, std::span<const std::byte> bytes)>;

  /// Makes the weights `order` one after another, member by member, on
  /// `threads` threads (0: as many as there are cores); calls the sink from
  /// this one. Memory: a few pieces of 1 MiB, or of one row if that is longer,
  /// for each thread. The pieces are the same for any number of threads.
  static Status produce(std::span<const DefinedWeight *const> order,
                        unsigned threads, const Sink &sink);

private:
  std::vector<DefinedWeight> defined;
  std::map<std::string, size_t, std::less<>> byName;
};

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_RECIPES_H
