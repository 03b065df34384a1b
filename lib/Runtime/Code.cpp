//===- Code.cpp - Generated code, loaded ----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The object is loaded through /proc/self/fd/N, where N is the descriptor of
// the file that was checked and stays open as long as the code is loaded. A
// path would not do: dlopen() takes two files of one path for the same library,
// so that a model compiled again to the same place, with the old one still
// open, would run the old code with the new weights.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Code.h"

#include <dlfcn.h>

namespace moec::runtime {

static std::string join(const std::vector<std::string> &names) {
  std::string result;
  for (const std::string &name : names)
    result += (result.empty() ? "" : ", ") + name;
  return result;
}

static Result<const Target *> noTarget(const Manifest &manifest,
                                       const CpuFeatures &cpu,
                                       std::string_view wanted) {
  std::string message = "this CPU cannot run any target of the artifact: ";
  bool isKnown = wanted.empty();
  std::vector<std::string> names, complaints;
  for (const Target &target : manifest.targets) {
    names.push_back(target.name);
    if (!wanted.empty() && target.name != wanted)
      continue;
    isKnown = true;
    std::vector<std::string> missing = cpu.missing(target.features);
    complaints.push_back(
        target.name + (missing.empty()
                           ? " is not allowed the tile registers that it needs"
                           : " needs " + join(missing)));
  }
  if (!isKnown)
    return Status(MOEC_E_ENTRY, "the artifact has no target " +
                                    inQuotes(wanted) + ", it has " +
                                    join(names));
  for (const std::string &complaint : complaints)
    message += (&complaint == &complaints.front() ? "" : "; ") + complaint;
  return Status(MOEC_E_CPU, message + ", which this machine lacks; compile "
                                      "with --target cpu or cpu:native");
}

Result<const Target *> chooseTarget(const Manifest &manifest,
                                    const CpuFeatures &cpu,
                                    std::string_view wanted) {
  const Target *best = nullptr;
  for (const Target &target : manifest.targets) {
    if (!wanted.empty() && target.name != wanted)
      continue;
    if (best && target.rank <= best->rank)
      continue;
    if (cpu.missing(target.features).empty() &&
        requestTileRegisters(target.features))
      best = &target;
  }
  if (!best)
    return noTarget(manifest, cpu, wanted);
  return best;
}

static std::string spell(const Affine &dimension) {
  if (dimension.tokens)
    return "T";
  if (dimension.sequences)
    return dimension.constant ? "S+1" : "S";
  return dimension.rows ? "R" : std::to_string(dimension.constant);
}

std::string spell(const TensorType &type) {
  std::string text = std::string(nameOf(type.dtype)) + " [";
  for (size_t i = 0; i < type.shape.size(); ++i)
    text += (i ? ", " : "") + spell(type.shape[i]);
  return text + "]";
}

static std::string spell(const std::vector<TensorType> &types) {
  std::vector<std::string> texts;
  for (const TensorType &type : types)
    texts.push_back(type.name + " " + spell(type));
  return join(texts);
}

Status checkStepSignature(const Entry &step, int32_t vocabulary) {
  auto check = [](const char *what, const std::string &found,
                  const std::string &expected) {
    if (found == expected)
      return Status();
    return Status(MOEC_E_ENTRY, std::string("the ") + what +
                                    " of the entry \"step\" are " + found +
                                    "; this runtime gives " + expected);
  };
  Status inputs = check("inputs", spell(step.inputs),
                        "ids i32 [T], positions i32 [T], seq_offsets i32 "
                        "[S+1], slots i32 [S], rows i32 [R]");
  if (!inputs.ok())
    return inputs;
  return check("outputs", spell(step.outputs),
               "logits f32 [R, " + std::to_string(vocabulary) + "]");
}

void Code::Unload::operator()(void *library) const { ::dlclose(library); }

Result<Code> Code::load(const Directory &directory, const FileEntry &file) {
  Result<Descriptor> checked = openChecked(directory, file);
  if (!checked)
    return checked.status();
  Code code;
  code.name = directory.describe(file.name);
  code.file = std::move(*checked);
  std::string path = "/proc/self/fd/" + std::to_string(code.file.get());
  code.library.reset(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!code.library) {
    const char *reason = ::dlerror();
    return Status(MOEC_E_CODE, "cannot load " + code.name + ": " +
                                   (reason ? reason : "unknown reason"));
  }
  return code;
}

Result<moec_entry_fn> Code::entry(const std::string &symbol) const {
  void *address = ::dlsym(library.get(), symbol.c_str());
  if (!address)
    return Status(MOEC_E_CODE, name + " has no symbol " + symbol);
  return reinterpret_cast<moec_entry_fn>(address);
}

} // namespace moec::runtime
