//===- RecipeWeights.cpp - Weights of a checkpoint for evaluation ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What was asked for first is kept: every step asks for the same weights in the
// same order, so which ones are kept does not matter.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/RecipeWeights.h"

using namespace moec;
using namespace moec::reference;
using weights::ErrorCode;
using weights::Status;

weights::Result<std::shared_ptr<const Weight>>
RecipeWeights::load(const std::string &name, int64_t expert) {
  auto found = kept.find({name, expert});
  if (found != kept.end())
    return found->second;
  const weights::DefinedWeight *defined = executor.find(name);
  if (!defined)
    return Status::failure(ErrorCode::NotFound,
                           "no recipe defines the weight '" + name + "'");
  auto weight = std::make_shared<Weight>();
  weight->type = defined->dtype;
  weight->shape = defined->shape;
  weight->bytes.resize(defined->memberBytes);
  Status status = weights::RecipeExecutor::read(
      *defined, expert, 0, defined->numRows(), weight->bytes);
  if (!status.ok())
    return status;
  std::shared_ptr<const Weight> result = std::move(weight);
  if (result->bytes.size() <= keptBytes) {
    keptBytes -= result->bytes.size();
    kept[{name, expert}] = result;
  }
  return result;
}
