//===- ReferenceRun.h - A checkpoint by definition --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_REFERENCERUN_H
#define MOEC_LIB_DRIVER_REFERENCERUN_H

#include "lib/Driver/Compiler.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>

namespace moec::driver {

/// A value of a model for some tokens, of which each is a row. One of the two
/// vectors holds it.
struct Rows {
  int64_t rows = 0;
  std::vector<float> reals;
  std::vector<int32_t> ints;

  int64_t width() const {
    int64_t count = reals.size() + ints.size();
    return rows ? count / rows : 0;
  }
};

/// How near another choice of experts was.
struct Margin {
  /// Between keys that would have to change places, in terms of the logits that
  /// they are made of (KeptChoice); infinity where none would do.
  double gap;
  double largestLogit;
};

/// The values of taps by name, and "logits".
struct Recorded {
  /// Names in the order in which the model computes them.
  std::vector<std::string> order;
  std::map<std::string, Rows> values;
  /// By the tap of the experts that were chosen: the margin to the choice of
  /// these experts by a token. Only of a reference.
  std::map<std::string,
           std::function<Margin(int64_t token, const std::vector<int32_t> &)>>
      margins;
};

/// What a checkpoint has in common with its artifact, whatever the options.
struct ModelShape {
  int64_t vocabulary, layers, hidden;
};

/// Imports a checkpoint and evaluates it by definition, in f32, for one
/// sequence. Nothing, and errors in the report, when that fails or it has
/// another shape.
std::optional<Recorded> runReference(const std::string &checkpoint,
                                     const importer::ImportOptions &options,
                                     const ModelShape &shape,
                                     std::span<const int32_t> ids,
                                     CompileReport &report);

/// A tensor that a function is given. One of the two vectors holds it.
struct GivenTensor {
  std::vector<int64_t> shape;
  std::vector<float> reals;
  std::vector<int32_t> ints;
};

/// A module that a user wrote, for evaluation by definition.
class ModuleReference {
public:
  /// The tensors of `params` are those that the module loads; empty: none.
  /// Null, and errors in the report, when the module cannot be compiled either.
  static std::unique_ptr<ModuleReference> open(const std::string &module,
                                               const std::string &params,
                                               CompileReport &report);
  ~ModuleReference();

  /// Whether it has bf16, as weights or between its ops.
  bool isNarrow() const;
  /// The results of a function by name, after its taps.
  std::optional<Recorded> run(const std::string &function,
                              const std::vector<GivenTensor> &inputs,
                              CompileReport &report);

private:
  struct Implementation;
  explicit ModuleReference(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation;
};

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_REFERENCERUN_H
