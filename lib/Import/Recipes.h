//===- Recipes.h - Weights from tensors of a checkpoint ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks that the checkpoint has the tensors that a model asks for, writes the
// recipes that make weights of them, and keeps account of both.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_RECIPES_H
#define MOEC_LIB_IMPORT_RECIPES_H

#include "dialects/Moe/Moe.h"
#include "lib/Import/Import.h"
#include "lib/Import/Rope.h"
#include "lib/Import/StoredTensor.h"
#include "lib/Weights/Checkpoint.h"

#include "mlir/IR/Builders.h"

#include <map>
#include <set>

namespace moec::importer {

/// A weight that a recipe defines.
struct WeightRef {
  std::string name;
  mlir::Type type; ///< A tensor, or a bank of experts.
};

struct WeightRequest {
  StoredTensor tensor; ///< With {expert}, or stacked, for a bank.
  llvm::SmallVector<int64_t> shape;
  mlir::Type element;
  std::string role;
  int64_t experts = 0;     ///< Members of the bank; 0: a plain weight.
  int64_t firstExpert = 0; ///< The number of the first.

  /// The rows that the tensor holds of a member.
  int64_t storedRows() const { return tensor.rows.value_or(shape.front()); }
  int64_t group() const { return tensor.group.value_or(storedRows()); }
  int64_t groupSize() const {
    return tensor.size.value_or(tensor.group ? *tensor.group : shape.front());
  }
  /// Why what the tensor is said to hold does not make the shape; empty if it
  /// does.
  std::string whyNotShape() const;
};

/// Of the rows of a matrix, those of each head in a bank with a member for
/// every head.
struct HeadRows {
  int64_t heads, first, count;
  bool transposed; ///< Each member is.
};

class Recipes {
public:
  Recipes(moe::RecipesOp op, const weights::Checkpoint &checkpoint,
          Diagnostics &diagnostics);

  /// The elements of a block of a quantized tensor that share a scale.
  void setScaleBlock(llvm::ArrayRef<int64_t> block) {
    scaleBlock.assign(block.begin(), block.end());
  }

  /// The weight that the request describes. A tensor that is missing or of the
  /// wrong shape is reported, and the weight is described all the same, so
  /// that further ones are found; after many of them nothing is returned.
  std::optional<WeightRef> define(const WeightRequest &request);
  /// The same, where a bank of parts of that weight is wanted instead.
  std::optional<WeightRef> define(const WeightRequest &request,
                                  const HeadRows &part);

  /// Cosines and sines for so many positions; equal tables are one weight.
  WeightRef ropeTable(const RopeFrequencies &frequencies, int64_t positions);

  /// The weight of several matrices, one below the other.
  std::optional<WeightRef> join(llvm::ArrayRef<WeightRequest> requests);

  /// Which of `columns` things each row of a tensor names: those whose element
  /// is not 0. It is what the model is, and not a weight of it.
  std::optional<std::vector<bool>> readMask(const std::string &name,
                                            int64_t columns);

  /// Reports tensors that nothing asked for, except those that match one of
  /// the patterns (`*` stands for anything), and says how much of the parts
  /// that are left out there is.
  void checkUnused(const std::vector<std::string> &ignored,
                   const std::vector<std::string> &leftOut);

  const std::map<std::string, RoleSummary> &totals() const { return roles; }

private:
  /// So many bad tensors are listed; after them the name pattern is clear.
  static constexpr unsigned maxTensorErrors = 16;

  /// What tensors of the checkpoint hold: elements, and where these are
  /// quantized, scales and the blocks that share one.
  struct Source {
    mlir::Type element, scale;
    std::string scales;
    llvm::SmallVector<int64_t> block;
  };
  /// The name of the weight that a request describes.
  static std::string nameOf(const WeightRequest &request);
  const weights::Tensor *findTensor(const std::string &name,
                                    llvm::ArrayRef<int64_t> shape);
  std::optional<Source> checkTensor(const std::string &name, int64_t expert,
                                    const WeightRequest &request);
  bool checkScales(const std::string &name, int64_t expert,
                   const WeightRequest &request, Source &source);
  std::optional<Source> checkTensors(const WeightRequest &request);
  mlir::Value load(const WeightRequest &request, const std::string &name,
                   llvm::ArrayRef<int64_t> shape, mlir::Type element);
  mlir::Value make(const WeightRequest &request, const Source &source);
  mlir::Value makePart(mlir::Value matrix, const HeadRows &part,
                       mlir::Type result);
  std::optional<WeightRef> define(const WeightRequest &request,
                                  const HeadRows *part, WeightRef weight);
  std::optional<WeightRef> find(const std::string &name, mlir::Type type) const;
  void account(const WeightRef &weight, const std::string &role);

  mlir::OpBuilder builder;
  mlir::Location loc;
  const weights::Checkpoint &checkpoint;
  Diagnostics &diagnostics;
  std::vector<bool> used; ///< By index of the checkpoint's tensors.
  std::map<std::string, mlir::Type> defined;
  std::set<std::string> refused; ///< Weights whose tensors were reported.
  std::vector<std::pair<RopeFrequencies, WeightRef>> tables;
  std::map<std::string, RoleSummary> roles;
  llvm::SmallVector<int64_t> scaleBlock;
  unsigned tensorErrors = 0;
};

/// Elements of a tensor or of all members of a bank.
int64_t numElements(mlir::Type type);

/// "[2, 3]".
template <typename Range> std::string shapeText(const Range &shape) {
  std::string text = "[";
  for (auto size : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_RECIPES_H
