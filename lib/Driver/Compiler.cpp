//===- Compiler.cpp - From a checkpoint to an artifact --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Import and the phases up to dispatch run once; then the module forks for each
// target. Targets of one family agree on the layout of the weights, which is
// checked, since they are written once.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Compiler.h"
#include "lib/Artifact/Writer.h"
#include "lib/Driver/Contents.h"
#include "lib/Driver/Messages.h"
#include "lib/Driver/ModuleInput.h"
#include "lib/Target/Target.h"
#include "lib/Weights/NewFile.h"
#include "passes/Pipeline.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

#include <chrono>
#include <filesystem>

using namespace mlir;
using namespace moec;

namespace {
/// One compilation.
class Compilation {
public:
  Compilation(const CompileOptions &options, CompileListener &listener,
              CompileReport &report)
      : options(options), listener(listener), report(report),
        context(makeRegistry(), MLIRContext::Threading::DISABLED),
        messages(context, report, listener) {}

  void run() {
    if (!parseOptions())
      return;
    OwningOpRef<ModuleOp> module = load();
    if (!module)
      return;
    if (options.narrowActivations)
      warnOfNothingToNarrow(*module);
    if (!runPhases(*module, from, std::min(to, Phase::Dispatch), ""))
      return;
    if (to <= Phase::Dispatch && !options.compileTo.empty()) {
      writeModule(*module);
      return;
    }
    if (!options.compileTo.empty()) {
      OwningOpRef<ModuleOp> fork = forkFor(*module, specs.front());
      if (fork && runPhases(*fork, std::max(from, Phase::Experts), to, ""))
        writeModule(*fork);
      return;
    }
    writeArtifact(*module);
  }

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerAll(registry);
    return registry;
  }

  bool error(llvm::StringRef text) {
    messages.add(CompileReport::Message::Kind::Error, text);
    return false;
  }

  bool parseOptions() {
    auto phase = [&](const std::string &name, Phase absent,
                     llvm::StringRef flag) -> std::optional<Phase> {
      if (name.empty())
        return absent;
      auto found = phaseByName(name);
      if (!found)
        error(("[MOE0203] " + flag + ": no phase is called '" + name + "'")
                  .str());
      return found;
    };
    auto first = phase(options.compileFrom, Phase::Import, "--compile-from");
    auto last = phase(options.compileTo, Phase::Target, "--compile-to");
    if (!first || !last)
      return false;
    from = *first;
    to = *last;
    if (from > to)
      return error("[MOE0206] --compile-from " + options.compileFrom +
                   " begins after --compile-to " + options.compileTo +
                   " has ended");
    if (from != Phase::Import && !isModule())
      return error("[MOE0206] --compile-from " + options.compileFrom +
                   " begins with an .mlir file of the phase before, not with " +
                   options.input);
    if (options.narrowActivations &&
        (from > Phase::Experts || to < Phase::Experts))
      return error("[MOE0206] --activations bf16 is for compilations with the "
                   "phase 'experts'");
    for (const std::string &name : options.targets.empty()
                                       ? std::vector<std::string>{"cpu"}
                                       : options.targets) {
      auto spec = parseTarget(name);
      if (!spec)
        return error(llvm::toString(spec.takeError()));
      for (const TargetSpec &other : specs)
        if (other.name == spec->name)
          return error("[MOE0204] two targets give the same code, " +
                       spec->name);
      specs.push_back(*spec);
    }
    if (!options.compileTo.empty() && to > Phase::Dispatch && specs.size() > 1)
      return error("[MOE0206] --compile-to " + options.compileTo +
                   " writes one module, of one --target");
    return true;
  }

  /// Says when rounding activations would change nothing.
  void warnOfNothingToNarrow(ModuleOp module) {
    auto model = module->getAttrOfType<DictionaryAttr>("moe.model");
    auto dtype = model ? model.getAs<StringAttr>("dtype") : StringAttr();
    std::string why;
    if (llvm::none_of(specs, [](auto &spec) { return spec.bf16Dot; }))
      why = "target " + specs.front().name +
            " does not multiply pairs of bf16, as cpu:znver4 does";
    else if (!isModule() && dtype && dtype.getValue() != "bf16")
      why = "the weights are " + dtype.str() + ", not bf16";
    if (!why.empty())
      messages.add(CompileReport::Message::Kind::Warning,
                   "[MOE0210] --activations bf16 changes nothing: " + why);
  }

  OwningOpRef<ModuleOp> load() {
    Timer timer(*this, "import");
    if (isModule())
      return loadModule();
    importer::Diagnostics diagnostics;
    auto module = importer::importCheckpoint(context, options.input,
                                             options.import, diagnostics);
    for (const importer::Diagnostic &diagnostic : diagnostics.list())
      messages.add(diagnostic);
    return module;
  }

  bool isModule() const { return isModuleFile(options.input); }

  /// What a module lacks is for its author to mend, until it fulfils the
  /// contract of the phase before the first.
  OwningOpRef<ModuleOp> loadModule() {
    messages.codeForErrors = "MOE0150";
    auto module = driver::readModule(context, options.input);
    if (module && !isWhole(*module))
      module = nullptr;
    if (module && options.compileTo.empty() &&
        driver::lacksParams(*module, options.input, options.params, messages))
      module = nullptr;
    messages.codeForErrors.clear();
    return module;
  }

  bool isWhole(ModuleOp module) {
    if (from == Phase::Import)
      return succeeded(driver::prepareModule(
          module, options.import.maxStepTokens, options.taps, report));
    if (!module->hasAttr("moe.model") ||
        module.getOps<moe::RecipesOp>().empty())
      return error("[MOE0157] " + options.input +
                   " is no module that the phase before '" +
                   options.compileFrom +
                   "' leaves: it lacks 'moe.model' or "
                   "'moe.recipes'");
    auto before = static_cast<Phase>(static_cast<int>(from) - 1);
    return driver::fulfils(module, before, "MOE0157", report);
  }

  /// Nothing, when the module was made for another target.
  OwningOpRef<ModuleOp> forkFor(ModuleOp module, const TargetSpec &spec) {
    moe::TargetAttr target = spec.describe(&context);
    Attribute given = module->getAttr("moe.target");
    if (from > Phase::Experts && given && given != target) {
      error("[MOE0206] " + options.input +
            " was made for another target than --target " + spec.name);
      return nullptr;
    }
    OwningOpRef<ModuleOp> fork(module.clone());
    (*fork)->setAttr("moe.target", target);
    return fork;
  }

  /// Runs the phases after `first` (and its contract) up to `last`.
  bool runPhases(ModuleOp module, Phase first, Phase last,
                 const std::string &target) {
    for (const PhaseInfo &info : phases()) {
      if (info.phase < first || info.phase > last)
        continue;
      Timer timer(*this, target.empty() ? info.name.str()
                                        : (info.name + " " + target).str());
      PassManager pm(&context);
      // From kernels on code is large, and passes are many: what they leave
      // together is verified, which is a seventh of a compilation less.
      bool verifiesEachPass = info.phase < Phase::Kernels;
      pm.enableVerifier(verifiesEachPass);
      if (options.timing)
        pm.enableTiming();
      if (!options.reproducer.empty())
        pm.enableCrashReproducerGeneration(options.reproducer);
      buildPhase(info.phase, pm,
                 {options.fallback, options.taps, options.narrowActivations});
      if (failed(pm.run(module)) ||
          (!verifiesEachPass && failed(verify(module)))) {
        if (!report.hasErrors())
          error("[MOE7000] phase '" + info.name.str() +
                "' failed without a message");
        return false;
      }
      if (!dump(module, info, target))
        return false;
    }
    return !report.hasErrors();
  }

  bool dump(ModuleOp module, const PhaseInfo &info, const std::string &target) {
    if (options.dumpPhasesTo.empty())
      return true;
    return writeDump(llvm::formatv("{0:d2}.{1}{2}.mlir",
                                   static_cast<int>(info.phase) + 1, info.name,
                                   target.empty() ? "" : "." + target),
                     textOf(module));
  }

  /// A dump that was asked for and cannot be written is an error.
  bool writeDump(const std::string &name, llvm::StringRef text) {
    llvm::SmallString<128> path(options.dumpPhasesTo);
    if (std::error_code code = llvm::sys::fs::create_directories(path))
      return error(driver::textOf(weights::Status::fromErrno(
          "create " + options.dumpPhasesTo, code.value())));
    llvm::sys::path::append(path, name);
    return writeFile(path.str().str(), text);
  }

  bool writeFile(const std::string &path, llvm::StringRef text) {
    weights::Status status = weights::writeFile(path, text);
    return status.ok() || error(driver::textOf(status));
  }

  static std::string textOf(ModuleOp module) {
    std::string text;
    llvm::raw_string_ostream os(text);
    module.print(os);
    return text;
  }

  bool writeModule(ModuleOp module) {
    std::string text = textOf(module);
    if (!options.output.empty() && options.output != "-")
      return writeFile(options.output, text);
    llvm::outs() << text;
    llvm::outs().flush();
    std::error_code code = llvm::outs().error();
    llvm::outs().clear_error(); // An error that is left ends the process.
    return !code ||
           error("[MOE0404] cannot write to stdout: " + code.message());
  }

  /// Keeps the text that code generation makes on the way.
  struct Dumper : CodegenListener {
    Compilation &compilation;
    std::string target;
    explicit Dumper(Compilation &c, std::string t)
        : compilation(c), target(std::move(t)) {}
    bool wantsText() const override {
      return !compilation.options.dumpPhasesTo.empty();
    }
    void llvmIr(llvm::StringRef text) override {
      compilation.writeDump(name("ll"), text);
    }
    void assembly(llvm::StringRef text) override {
      compilation.writeDump(name("s"), text);
    }
    std::string name(const char *kind) const {
      return llvm::formatv("{0:d2}.{1}.{2}", phases().size() + 1, target, kind);
    }
  };

  void writeArtifact(ModuleOp module) {
    artifact::Contents contents = driver::commonContents(module, options);
    OwningOpRef<ModuleOp> placed;
    for (const TargetSpec &spec : specs) {
      std::string suffix = specs.size() > 1 ? spec.name : "";
      OwningOpRef<ModuleOp> fork = forkFor(module, spec);
      if (!fork || !runPhases(*fork, std::max(from, Phase::Experts),
                              Phase::Buffers, suffix))
        return;
      artifact::Target target = driver::describeTarget(*fork, spec);
      if (target.entries.empty())
        return void(error("[MOE0157] " + options.input +
                          " has no function that could be called: it is no "
                          "module that the phase before '" +
                          options.compileFrom + "' leaves"));
      if (!placed)
        placed = fork->clone();
      else if (!driver::sameWeights(*placed, *fork))
        return void(error("[MOE0310] the targets " + specs.front().name +
                          " and " + spec.name +
                          " want weights laid out differently"));
      if (!runPhases(*fork, std::max(from, Phase::Kernels), Phase::Target,
                     suffix) ||
          !generate(*fork, spec, target))
        return;
      contents.targets.push_back(std::move(target));
    }
    driver::addMemory(*placed, contents);
    finish(*placed, contents);
  }

  bool generate(ModuleOp module, const TargetSpec &spec,
                artifact::Target &target) {
    Timer timer(*this, "code " + spec.name);
    Dumper dumper(*this, spec.name);
    auto object = emitObject(module, spec, &dumper);
    if (!object)
      return error(llvm::toString(object.takeError()));
    if (report.hasErrors()) // Of what was to be kept on the way.
      return false;
    auto shared = linkSharedObject(*object, spec);
    if (!shared)
      return error(llvm::toString(shared.takeError()));
    target.code = std::move(*shared);
    report.codeBytes += target.code.size();
    return true;
  }

  void finish(ModuleOp module, const artifact::Contents &contents) {
    Timer timer(*this, "weights");
    weights::Result<weights::Checkpoint> checkpoint =
        !isModule()              ? weights::Checkpoint::open(options.input)
        : options.params.empty() ? weights::Checkpoint::none()
                                 : weights::Checkpoint::open(options.params);
    if (!checkpoint)
      return void(error(driver::textOf(checkpoint.status())));
    auto recipes = *module.getOps<moe::RecipesOp>().begin();
    auto executor = weights::RecipeExecutor::create(recipes, *checkpoint);
    if (!executor)
      return void(error(driver::textOf(executor.status())));
    artifact::WriteOptions write;
    write.progress = [&](std::string_view weight, uint64_t done,
                         uint64_t total) {
      listener.progress("weights", std::string(weight), done, total);
    };
    report.weightsBytes = contents.weightsBytes;
    report.stateBytes = contents.state.bytes;
    report.arenaBytes = driver::largestArena(contents);
    weights::Status status =
        artifact::write(options.output, contents, *executor, write);
    if (!status.ok())
      error(driver::textOf(status));
  }

  /// Tells that a phase begins, and how long it took.
  struct Timer {
    Compilation &compilation;
    std::string name;
    std::chrono::steady_clock::time_point begin =
        std::chrono::steady_clock::now();
    Timer(Compilation &c, std::string n) : compilation(c), name(std::move(n)) {
      compilation.listener.progress(name, "", 0, 0);
    }
    ~Timer() {
      std::chrono::duration<double> spent =
          std::chrono::steady_clock::now() - begin;
      compilation.report.phases.emplace_back(name, spent.count());
    }
  };

  const CompileOptions &options;
  CompileListener &listener;
  CompileReport &report;
  MLIRContext context;
  driver::Messages messages;
  std::vector<TargetSpec> specs;
  Phase from = Phase::Import, to = Phase::Target;
};
} // namespace

CompileReport moec::compile(const CompileOptions &options,
                            CompileListener *listener) {
  CompileReport report;
  CompileListener silent;
  Compilation(options, listener ? *listener : silent, report).run();
  return report;
}
