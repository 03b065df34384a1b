//===- Recipes.h - Weights from tensors of a checkpoint ---------*- C++ -*-===//
//
// Part of the moec project, under the Apache License v2.0 with LLVM Exceptions.
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
#include "lib/Weights/Checkpoint.h"

#include "mlir/IR/Builders.h"

#include <map>

namespace moec::importer {

/// A weight that a recipe defines.
struct WeightRef {
  std::string name;
  mlir::Type type; ///< A tensor, or a bank of experts.
};

struct WeightRequest {
  std::string tensor; ///< With {expert} for a bank.
  llvm::SmallVector<int64_t> shape;
  mlir::Type element;
  std::string role;
  int64_t experts = 0; ///< Members of the bank; 0: a plain weight.
  /// Of these rows only `size`, from `first` on; 0: all.
  int64_t first = 0, size = 0;
};

class Recipes {
public:
  Recipes(moe::RecipesOp op, const weights::Checkpoint &checkpoint,
          Diagnostics &diagnostics);

  /// The weight that the request describes. A tensor that is missing or of the
  /// wrong shape is reported, and the weight is described all the same, so
  /// that further ones are found; after many of them nothing is returned.
  std::optional<WeightRef> define(const WeightRequest &request);

  /// Cosines and sines for so many positions; equal tables are one weight.
  WeightRef ropeTable(const RopeFrequencies &frequencies, int64_t positions);

  /// Reports tensors that nothing asked for, except those that match one of
  /// the patterns (`*` stands for anything).
  void checkUnused(const std::vector<std::string> &ignored);

  const std::map<std::string, RoleSummary> &totals() const { return roles; }

private:
  std::optional<mlir::Type> checkTensor(const std::string &name,
                                        const WeightRequest &request);
  std::optional<mlir::Type> checkTensors(const WeightRequest &request);
  mlir::Value load(const WeightRequest &request, mlir::Type element);
  std::optional<WeightRef> find(const std::string &name, mlir::Type type) const;
  void account(const WeightRef &weight, const std::string &role);

  mlir::OpBuilder builder;
  mlir::Location loc;
  const weights::Checkpoint &checkpoint;
  Diagnostics &diagnostics;
  std::vector<bool> used; ///< By index of the checkpoint's tensors.
  std::map<std::string, mlir::Type> defined;
  std::vector<std::pair<RopeFrequencies, WeightRef>> tables;
  std::map<std::string, RoleSummary> roles;
  unsigned tensorErrors = 0;
};

/// Elements of a tensor or of all members of a bank.
int64_t numElements(mlir::Type type);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_RECIPES_H
