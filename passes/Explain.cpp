//===- Explain.cpp - Remarks that say what passes did ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Explain.h"

#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace moec;

/// The category is the pass, so that filters on categories choose passes.
static remark::RemarkOpts options(Operation *op, StringRef pass,
                                  StringRef name) {
  auto opts = remark::RemarkOpts::name(name).category(pass);
  auto func = dyn_cast<FunctionOpInterface>(op);
  if (!func)
    func = op->getParentOfType<FunctionOpInterface>();
  return func ? opts.function(func.getName()) : opts;
}

void Explain::passed(Operation *op, const Twine &what) const {
  if (auto remark = remark::passed(op->getLoc(), options(op, pass, name)))
    remark << what.str();
}

void Explain::missed(Operation *op, const Twine &what, const Twine &why) const {
  if (auto remark = remark::missed(op->getLoc(), options(op, pass, name)))
    remark << what.str()
           << remark::detail::Remark::Arg("Reason", llvm::StringRef(why.str()));
}

void Explain::found(Operation *op, const Twine &what) const {
  if (auto remark = remark::analysis(op->getLoc(), options(op, pass, name)))
    remark << what.str();
}
