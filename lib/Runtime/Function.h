//===- Function.h - A function of an artifact -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An entry that works on its arguments only, with the arena and the threads
// that it needs.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_FUNCTION_H
#define MOEC_LIB_RUNTIME_FUNCTION_H

#include "lib/Runtime/Session.h"
#include "moec/Function.h"

#include <span>

namespace moec::runtime {

class Function {
public:
  static Result<std::unique_ptr<Function>>
  create(std::shared_ptr<const Model> model, std::string_view name,
         const SessionLimits &wanted, uint64_t available);

  const Entry &entry() const { return called; }

  /// See moec_function_call.
  Status call(std::span<const moec_array> inputs,
              std::span<const moec_array> outputs);

  /// See moec_function_tap.
  Status tap(std::string_view name, moec_view &view) const;

private:
  Function(std::shared_ptr<const Model> model, const Entry &entry,
           int64_t mostTokens)
      : artifact(std::move(model)), called(entry), mostTokens(mostTokens) {}

  Status checkArrays(const char *kind, std::span<const moec_array> arrays,
                     const std::vector<TensorType> &types,
                     std::optional<int64_t> &tokens) const;

  std::shared_ptr<const Model> artifact;
  const Entry &called; ///< Of the artifact.
  int64_t mostTokens;
  std::unique_ptr<ThreadPool> threads;
  Mapping arena;
  std::optional<StepSize> last; ///< Of the last call.
  std::atomic<bool> inUse = false;
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_FUNCTION_H
