//===- RecipeWeights.h - Weights of a checkpoint for evaluation -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes a weight by its recipe when the reference asks for it.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_RECIPEWEIGHTS_H
#define MOEC_LIB_REFERENCE_RECIPEWEIGHTS_H

#include "lib/Reference/WeightSource.h"
#include "lib/Weights/Recipes.h"

namespace moec::reference {

class RecipeWeights final : public WeightSource {
public:
  /// Keeps up to `keptBytes` of what it made; beyond that, a weight is made
  /// anew each time. The executor must outlive it.
  explicit RecipeWeights(const weights::RecipeExecutor &executor,
                         uint64_t keptBytes = uint64_t(1) << 30)
      : executor(executor), keptBytes(keptBytes) {}

  weights::Result<std::shared_ptr<const Weight>> load(const std::string &name,
                                                      int64_t expert) override;

private:
  const weights::RecipeExecutor &executor;
  uint64_t keptBytes;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<const Weight>> kept;
};

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_RECIPEWEIGHTS_H
