//===- CApiFunction.cpp - Functions of artifacts in C ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/CApi.h"

#include "lib/Runtime/Memory.h"

using namespace moec::runtime;

const char *moec_model_function_name(const moec_model *model, int32_t index) {
  const Target *target = model ? model->value->target() : nullptr;
  if (!target || index < 0 || size_t(index) >= target->entries.size())
    return nullptr;
  return target->entries[size_t(index)].name.c_str();
}

moec_error *moec_function_create(const moec_model *model, const char *name,
                                 const moec_session_options *options,
                                 moec_function **function) {
  return guarded([&]() -> Status {
    if (!model || !name || !function)
      return isNull(!model ? "model" : name ? "function" : "name");
    moec_session_options given;
    Status status = readStruct(options, given);
    if (!status.ok())
      return status;
    Result<std::unique_ptr<Function>> created = Function::create(
        model->value, name, limitsOf(given), availableMemory());
    if (created)
      *function = new moec_function{std::move(*created)};
    return created.status();
  });
}

void moec_function_destroy(moec_function *function) { delete function; }

void moec_function_counts(const moec_function *function, int32_t *inputs,
                          int32_t *outputs) {
  if (inputs)
    *inputs = function ? int32_t(function->value->entry().inputs.size()) : 0;
  if (outputs)
    *outputs = function ? int32_t(function->value->entry().outputs.size()) : 0;
}

static Status writeArgument(const std::vector<TensorType> &types, int32_t index,
                            moec_argument *argument) {
  if (index < 0 || size_t(index) >= types.size())
    return Status(MOEC_E_ARGUMENT, "there is no argument " +
                                       std::to_string(index) + " of " +
                                       std::to_string(types.size()));
  const TensorType &type = types[size_t(index)];
  moec_argument result = {};
  result.name = type.name.c_str();
  result.dtype = type.dtype;
  result.rank = int32_t(type.shape.size());
  for (size_t i = 0; i < type.shape.size(); ++i)
    result.shape[i] = type.shape[i].tokens ? -1 : type.shape[i].constant;
  result.below = type.below.value_or(0);
  return writeStruct(result, argument);
}

moec_error *moec_function_input(const moec_function *function, int32_t index,
                                moec_argument *argument) {
  return guarded([&]() -> Status {
    if (!function || !argument)
      return isNull(function ? "argument" : "function");
    return writeArgument(function->value->entry().inputs, index, argument);
  });
}

moec_error *moec_function_output(const moec_function *function, int32_t index,
                                 moec_argument *argument) {
  return guarded([&]() -> Status {
    if (!function || !argument)
      return isNull(function ? "argument" : "function");
    return writeArgument(function->value->entry().outputs, index, argument);
  });
}

moec_error *moec_function_call(moec_function *function,
                               const moec_array *inputs, size_t input_count,
                               const moec_array *outputs, size_t output_count) {
  return guarded([&]() -> Status {
    if (!function || (!inputs && input_count) || (!outputs && output_count))
      return isNull(!function ? "function" : inputs ? "outputs" : "inputs");
    return function->value->call({inputs, input_count},
                                 {outputs, output_count});
  });
}

const char *moec_function_tap_name(const moec_function *function,
                                   int32_t index) {
  if (!function || index < 0 ||
      size_t(index) >= function->value->entry().taps.size())
    return nullptr;
  return function->value->entry().taps[size_t(index)].type.name.c_str();
}

moec_error *moec_function_tap(const moec_function *function, const char *name,
                              moec_view *view) {
  return guarded([&]() -> Status {
    if (!function || !name || !view)
      return isNull(!function ? "function" : name ? "view" : "name");
    moec_view result = {};
    Status status = function->value->tap(name, result);
    return status.ok() ? writeStruct(result, view) : status;
  });
}
