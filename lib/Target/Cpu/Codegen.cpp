//===- Codegen.cpp - From the LLVM dialect to object code -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Target.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <mutex>

using namespace moec;

static llvm::Error failure(const llvm::Twine &what) {
  return llvm::createStringError("[MOE7004] code generation failed: " + what);
}

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
makeMachine(const TargetSpec &spec) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
  });
  std::string error;
  llvm::Triple triple(spec.triple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return failure(error);
  llvm::TargetOptions options;
  // A product and a sum stay two operations, since results must not depend on
  // what the optimiser sees, but `vector.fma` (LLVM's fmuladd) is one: Strict
  // would take it apart, which costs an instruction and a register each.
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, spec.cpu, spec.features, options, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return failure("LLVM has no code generator for " + spec.triple);
  return machine;
}

/// The code of a module, without what only the compiler reads: recipes, and
/// the attributes that passes left on functions.
static mlir::OwningOpRef<mlir::ModuleOp> codeOf(mlir::ModuleOp module) {
  mlir::OwningOpRef<mlir::ModuleOp> code(
      mlir::ModuleOp::create(module.getLoc()));
  auto builder = mlir::OpBuilder::atBlockEnd(code->getBody());
  for (auto function : module.getOps<mlir::LLVM::LLVMFuncOp>()) {
    auto copy = mlir::cast<mlir::LLVM::LLVMFuncOp>(builder.clone(*function));
    copy.removeArgAttrsAttr();
    copy->setDiscardableAttrs(mlir::DictionaryAttr());
  }
  return code;
}

/// Hides everything but the entries, and says for whom instructions are chosen.
static void prepare(llvm::Module &module, const TargetSpec &spec,
                    llvm::TargetMachine &machine) {
  module.setTargetTriple(llvm::Triple(spec.triple));
  module.setDataLayout(machine.createDataLayout());
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    if (!function.getName().starts_with("moec_entry_"))
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
    function.addFnAttr("target-cpu", spec.cpu);
    function.addFnAttr("tune-cpu", spec.tune);
    if (!spec.features.empty())
      function.addFnAttr("target-features", spec.features);
    if (spec.vectorBits == 512)
      function.addFnAttr("prefer-vector-width", "512");
    // No libc: loops must not turn into calls of memcpy or memset.
    function.addFnAttr("no-builtins");
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

static void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::TargetLibraryInfoImpl library(module.getTargetTriple());
  library.disableAllFunctions();
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(library); });
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
}

static llvm::Expected<std::string> emitFile(llvm::Module &module,
                                            llvm::TargetMachine &machine,
                                            llvm::CodeGenFileType type) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream os(bytes);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, os, nullptr, type))
    return failure("this target emits no such file");
  passes.run(module);
  return std::string(bytes.str());
}

llvm::Expected<std::string> moec::emitObject(mlir::ModuleOp module,
                                             const TargetSpec &spec,
                                             CodegenListener *listener) {
  auto machine = makeMachine(spec);
  if (!machine)
    return machine.takeError();
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule =
      mlir::translateModuleToLLVMIR(*codeOf(module), context, "moec");
  if (!llvmModule)
    return failure("the module does not translate to LLVM IR");
  prepare(*llvmModule, spec, **machine);
  optimise(*llvmModule, **machine);
  if (listener && listener->wantsText()) {
    std::string text;
    llvm::raw_string_ostream os(text);
    llvmModule->print(os, nullptr);
    listener->llvmIr(text);
    // Emission changes a module, and the object is the next.
    std::unique_ptr<llvm::Module> copy = llvm::CloneModule(*llvmModule);
    auto assembly =
        emitFile(*copy, **machine, llvm::CodeGenFileType::AssemblyFile);
    if (!assembly)
      return assembly.takeError();
    listener->assembly(*assembly);
  }
  return emitFile(*llvmModule, **machine, llvm::CodeGenFileType::ObjectFile);
}
