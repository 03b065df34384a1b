//===- Epilogue.h - What follows a product, in vector code ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_EPILOGUE_H
#define MOEC_PASSES_CPU_EPILOGUE_H

#include "dialects/Moe/Moe.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace moec {

/// Emits the epilogue of a product for some neighbouring columns of a row.
class Epilogue {
public:
  Epilogue(mlir::OpBuilder &builder, mlir::Location loc,
           const moe::ProductParts &parts)
      : builder(builder), loc(loc), parts(parts) {}

  /// What it makes of `sums`, f32 vectors of as many lanes as `lanes` says, one
  /// for each bank. Of the extras, `width` elements from `column` on are read;
  /// the lanes behind them are zero. `group` may be null without group extras.
  mlir::Value emit(mlir::ValueRange sums, mlir::Value group, mlir::Value row,
                   mlir::Value column, int64_t lanes, int64_t width);

private:
  using Value = mlir::Value;

  Value index(int64_t value);
  Value loadExtra(Value extra, Value row, Value column, int64_t width);
  Value loadOne(Value extra, mlir::ValueRange indices);
  Value loadColumns(Value extra, mlir::ValueRange indices, int64_t width);
  Value vectorise(mlir::Operation *op, mlir::IRMapping &mapping);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  moe::ProductParts parts;
  int64_t lanes = 0;
};

} // namespace moec

#endif // MOEC_PASSES_CPU_EPILOGUE_H
