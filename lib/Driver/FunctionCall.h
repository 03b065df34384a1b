//===- FunctionCall.h - Calling a function of an artifact -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_FUNCTIONCALL_H
#define MOEC_LIB_DRIVER_FUNCTIONCALL_H

#include "lib/Driver/Handles.h"
#include "moec/Function.h"

#include <memory>

namespace moec::driver {

/// A tensor in memory of its own, aligned for any element.
struct Array {
  std::string name;
  moec_dtype dtype;
  std::vector<int64_t> shape;
  std::vector<uint64_t> words;
  size_t bytes = 0;

  void allocate();
  moec_array view();
};

class FunctionCall {
public:
  /// `name` may be empty where there is only one function.
  FunctionCall(const Model &model, const std::string &name, int32_t threads);

  /// Reads the inputs from a safetensors file.
  void readInputs(const std::string &path);
  /// Inputs for so many tokens, the same in every run.
  void drawInputs(int64_t count);
  void run();
  void writeOutputs(const std::string &path);

  const std::string &name() const { return function; }
  const std::vector<Array> &inputs() const { return given; }
  const std::vector<Array> &outputs() const { return made; }
  /// The values of taps in the last run, by name.
  std::vector<std::pair<std::string, moec_view>> taps() const;

private:
  moec_argument input(int32_t index) const;
  moec_argument output(int32_t index) const;
  void makeOutputs();
  /// For `tokens` where a size varies.
  Array arrayFor(const moec_argument &argument) const;

  struct Destroy {
    void operator()(moec_function *f) const { moec_function_destroy(f); }
  };

  std::string function;
  std::unique_ptr<moec_function, Destroy> handle;
  int32_t inputCount = 0, outputCount = 0;
  std::vector<Array> given, made;
  int64_t tokens = 1;
};

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_FUNCTIONCALL_H
