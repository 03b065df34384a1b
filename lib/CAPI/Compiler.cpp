//===- Compiler.cpp - The C interface of the compiler ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "moec/Compiler.h"
#include "lib/Driver/Isolated.h"
#include "lib/Runtime/Structs.h"

#include <new>
#include <string_view>

using namespace moec;
using Kind = CompileReport::Message::Kind;

static moec_severity severityOf(Kind kind) {
  switch (kind) {
  case Kind::Error:
    return MOEC_SEVERITY_ERROR;
  case Kind::Warning:
    return MOEC_SEVERITY_WARNING;
  case Kind::Remark:
    return MOEC_SEVERITY_REMARK;
  case Kind::Note:
    break;
  }
  return MOEC_SEVERITY_NOTE;
}

namespace {
class Call {
public:
  moec_compile_status run(const moec_compile_options *options,
                          moec_compile_result *result);

private:
  moec_compile_status usage(const std::string &text) const {
    if (given.on_message)
      given.on_message(given.user, MOEC_SEVERITY_ERROR, "MOE0208",
                       text.c_str());
    return MOEC_COMPILE_USAGE;
  }
  std::string read(CompileOptions &options) const;

  moec_compile_options given{};
};
} // namespace

/// Returns a complaint, or nothing.
std::string Call::read(CompileOptions &options) const {
  if (!given.checkpoint || !given.output || !*given.output)
    return "checkpoint must name a directory or a module, and output an "
           "artifact";
  options.input = given.checkpoint;
  options.output = given.output;
  if (given.params)
    options.params = given.params;
  if (!options.params.empty() && !isModuleFile(options.input))
    return "params go with a module, and checkpoint is " + options.input;
  if (given.dtype)
    options.import.dtype = given.dtype;
  if (given.activations) {
    std::string_view activations = given.activations;
    if (activations != "f32" && activations != "bf16")
      return "activations must be f32 or bf16, and is " +
             std::string(activations);
    options.narrowActivations = activations == "bf16";
  }
  if (given.target_count && !given.targets)
    return "targets is null";
  for (size_t i = 0; i < given.target_count; ++i) {
    if (!given.targets[i])
      return "targets[" + std::to_string(i) + "] is null";
    options.targets.push_back(given.targets[i]);
  }
  if (given.max_context)
    options.import.maxContext = given.max_context;
  if (given.max_sequences)
    options.import.maxSequences = given.max_sequences;
  if (given.max_step_tokens)
    options.import.maxStepTokens = given.max_step_tokens;
  if (given.arch_spec)
    options.import.archSpec = given.arch_spec;
  return "";
}

moec_compile_status Call::run(const moec_compile_options *options,
                              moec_compile_result *result) {
  std::string complaint =
      runtime::copyOptions(options, given, moec_compiler_version());
  if (!complaint.empty())
    return usage(complaint);
  CompileOptions compile;
  if (complaint = read(compile); !complaint.empty())
    return usage(complaint);
  moec_compile_result sizes{};
  if (result && result->struct_size < sizeof(size_t))
    return usage("struct_size of the result is not set");
  bool stopped = false;
  CompileReport report = driver::compileIsolated(
      compile,
      [&](const std::string &phase, const std::string &, uint64_t done,
          uint64_t total) {
        return !given.on_progress ||
               given.on_progress(given.user, phase.c_str(), done, total) == 0;
      },
      stopped);
  for (const CompileReport::Message &message : report.messages)
    if (given.on_message)
      given.on_message(given.user, severityOf(message.kind),
                       message.code.c_str(), message.text.c_str());
  if (stopped)
    return MOEC_COMPILE_STOPPED;
  if (report.hasErrors())
    return static_cast<moec_compile_status>(report.exitCode());
  sizes.weights_bytes = report.weightsBytes;
  sizes.state_bytes = report.stateBytes;
  sizes.arena_bytes = report.arenaBytes;
  sizes.code_bytes = report.codeBytes;
  if (result)
    runtime::copyResult(sizes, result);
  return MOEC_COMPILE_OK;
}

const char *moec_compiler_version() { return MOEC_VERSION_TEXT; }

moec_compile_status moec_compile(const moec_compile_options *options,
                                 moec_compile_result *result) {
  // No exception may cross into C.
  try {
    return Call().run(options, result);
  } catch (const std::bad_alloc &) {
    return MOEC_COMPILE_RESOURCES;
  } catch (...) {
    return MOEC_COMPILE_INTERNAL;
  }
}
