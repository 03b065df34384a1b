//===- Function.cpp - A function of an artifact ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Generated code checks nothing: whatever it may read or write is checked here
// against the manifest first.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Function.h"

#include "lib/Runtime/Running.h"

#include <algorithm>

namespace moec::runtime {

namespace {

bool dependsOnSequences(const Affine &size) {
  return size.sequences || size.rows;
}

/// Why an entry is not a function of its arguments; empty if it is.
std::string whyNoFunction(const Model &model, const Entry &entry) {
  if (model.manifest().state.bytes)
    return "works on the state of sequences; run it in a session";
  bool isPlain = !dependsOnSequences(entry.arena);
  for (const auto *types : {&entry.inputs, &entry.outputs})
    for (const TensorType &type : *types)
      isPlain &= std::none_of(type.shape.begin(), type.shape.end(),
                              dependsOnSequences);
  return isPlain ? "" : "is the step of a language model; run it in a session";
}

std::string describeArray(const moec_array &array) {
  std::string text = std::string(nameOf(array.dtype)) + " [";
  for (int32_t i = 0; i < array.rank; ++i)
    text += (i ? ", " : "") + std::to_string(array.shape[i]);
  return text + "]";
}

/// Whether the shape is that of the type; finds T, or compares with it.
bool hasShape(const moec_array &array, const TensorType &type,
              std::optional<int64_t> &tokens) {
  if (array.rank != int32_t(type.shape.size()))
    return false;
  for (int32_t i = 0; i < array.rank; ++i) {
    const Affine &size = type.shape[i];
    if (size.tokens && !tokens)
      tokens = array.shape[i];
    if (array.shape[i] != (size.tokens ? *tokens : size.constant))
      return false;
  }
  return true;
}

Status outOfRange(const std::string &where, size_t index, int32_t value,
                  int64_t below) {
  return Status(MOEC_E_ARGUMENT, where + ": element " + std::to_string(index) +
                                     " is " + std::to_string(value) +
                                     ", it must be from 0 to " +
                                     std::to_string(below - 1));
}

Status checkElements(const moec_array &array, const TensorType &type,
                     const std::string &where) {
  if (!type.below)
    return Status();
  size_t count = 1;
  for (int32_t i = 0; i < array.rank; ++i)
    count *= size_t(array.shape[i]);
  const auto *elements = static_cast<const int32_t *>(array.data);
  for (size_t i = 0; i < count; ++i)
    if (elements[i] < 0 || elements[i] >= *type.below)
      return outOfRange(where, i, elements[i], *type.below);
  return Status();
}

} // namespace

Result<std::unique_ptr<Function>>
Function::create(std::shared_ptr<const Model> model, std::string_view name,
                 const SessionLimits &wanted, uint64_t available) {
  Result<SessionLimits> limits = resolveLimits(*model, wanted);
  if (!limits)
    return limits.status();
  const Entry *entry = model->target()->entry(name);
  if (!entry) {
    std::string known;
    for (const Entry &each : model->target()->entries)
      known += (known.empty() ? "" : ", ") + each.name;
    return Status(MOEC_E_ENTRY, "the artifact has no function " +
                                    inQuotes(name) + ", it has " + known);
  }
  std::string why = whyNoFunction(*model, *entry);
  if (!why.empty())
    return Status(MOEC_E_ENTRY, inQuotes(name) + " " + why);
  uint64_t bytes = entry->arena.at({.tokens = limits->stepTokens});
  if (bytes > available)
    return Status(MOEC_E_MEMORY,
                  "the function can need " + std::to_string(bytes) +
                      " bytes, the machine has " + std::to_string(available) +
                      " available; lower step_tokens");
  std::unique_ptr<Function> function(
      new Function(std::move(model), *entry, limits->stepTokens));
  Result<Mapping> arena = Mapping::reserve(bytes, "the arena");
  if (!arena)
    return arena.status();
  function->arena = std::move(*arena);
  auto pool = ThreadPool::create(limits->threads);
  if (!pool)
    return pool.status();
  function->threads = std::move(*pool);
  return function;
}

Status Function::checkArrays(const char *kind,
                             std::span<const moec_array> arrays,
                             const std::vector<TensorType> &types,
                             std::optional<int64_t> &tokens) const {
  if (arrays.size() != types.size())
    return Status(MOEC_E_ARGUMENT, inQuotes(called.name) + " has " +
                                       std::to_string(types.size()) + " " +
                                       kind + "s, given " +
                                       (arrays.size() ? "are " : "is ") +
                                       std::to_string(arrays.size()));
  for (size_t i = 0; i < arrays.size(); ++i) {
    const moec_array &array = arrays[i];
    std::string where = std::string(kind) + " " + inQuotes(types[i].name) +
                        " of " + inQuotes(called.name);
    if (array.rank < 0 || array.rank > MOEC_MAX_RANK ||
        (array.rank && !array.shape))
      return Status(MOEC_E_ARGUMENT,
                    where + ": has no shape of a rank from 0 to 8");
    if (array.dtype != types[i].dtype || !hasShape(array, types[i], tokens))
      return Status(MOEC_E_ARGUMENT,
                    where + " is " + describeArray(array) + ", expected " +
                        spell(types[i]) +
                        (tokens ? " with T = " + std::to_string(*tokens) : ""));
    if (tokens && *tokens < 1)
      return Status(MOEC_E_ARGUMENT, where + ": T is " +
                                         std::to_string(*tokens) +
                                         ", it must be at least 1");
    if (tokens && *tokens > mostTokens)
      return Status(MOEC_E_STEP,
                    where + ": T is " + std::to_string(*tokens) +
                        ", the limit is " + std::to_string(mostTokens) +
                        "; split the call, or compile with a larger "
                        "--max-step-tokens");
    uintptr_t address = reinterpret_cast<uintptr_t>(array.data);
    if (!array.data || address % sizeOf(array.dtype))
      return Status(MOEC_E_ARGUMENT,
                    where + ": data is null or not aligned to its elements");
    Status status = checkElements(array, types[i], where);
    if (!status.ok())
      return status;
  }
  return Status();
}

Status Function::call(std::span<const moec_array> inputs,
                      std::span<const moec_array> outputs) {
  Use use(inUse);
  if (!use)
    return busy("function");
  std::optional<int64_t> tokens;
  Status status = checkArrays("input", inputs, called.inputs, tokens);
  if (status.ok())
    status = checkArrays("output", outputs, called.outputs, tokens);
  if (!status.ok())
    return status;
  std::vector<moec_tensor> in, out;
  for (const moec_array &array : inputs)
    in.push_back({array.data, array.shape});
  for (const moec_array &array : outputs)
    out.push_back({array.data, array.shape});
  const moec_host host = {threads.get(), runParallel};
  const moec_env env = {&host, artifact->weights(), arena.data(), nullptr,
                        nullptr};
  DefaultFloatEnvironment environment;
  artifact->function(called)(&env, in.data(), out.data());
  last = StepSize{.tokens = tokens.value_or(1)};
  return Status();
}

Status Function::tap(std::string_view name, moec_view &view) const {
  return readTap(called, arena.data(), last, name, view);
}

} // namespace moec::runtime
