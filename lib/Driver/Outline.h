//===- Outline.h - The parts of a model and what they use -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_OUTLINE_H
#define MOEC_LIB_DRIVER_OUTLINE_H

#include "lib/Import/Import.h"

namespace moec::driver {

/// A step of a layer, or of the model.
struct Part {
  /// linear, norm, mixer, router, experts, join or other.
  std::string kind;
  std::string title, detail;
  /// Indices of earlier parts; -1 is what the layer, or the model, is given.
  std::vector<int> sources;
  /// Of a part of the model that stands for layers: the first and the last.
  int firstLayer = -1, lastLayer = -1;
};

struct Outline {
  /// From tokens to logits. Neighbouring layers of one structure are one part.
  std::vector<Part> model;
  /// The distinct structures, and which of them each layer has.
  std::vector<std::vector<Part>> structures;
  std::vector<int> structureOf;
};

/// Of an imported module.
Outline outline(mlir::ModuleOp module);

/// Of a checkpoint; empty when it cannot be imported.
Outline outlineCheckpoint(const std::string &directory,
                          const importer::ImportOptions &options);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_OUTLINE_H
