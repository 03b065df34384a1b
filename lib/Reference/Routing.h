//===- Routing.h - The choice of experts ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What #moe.routing means, stage by stage.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_ROUTING_H
#define MOEC_LIB_REFERENCE_ROUTING_H

#include "dialects/Moe/Moe.h"
#include "lib/Reference/Tensor.h"

#include <array>

namespace moec::reference {

/// What a choice reads besides its logits; null or empty where absent.
template <typename Real> struct Operands {
  const Tensor<Real> *bias = nullptr;        ///< [E]
  const Tensor<Real> *eligible = nullptr;    ///< [T, E]
  const Tensor<Real> *classId = nullptr;     ///< [T]
  const Tensor<Real> *tokenK = nullptr;      ///< [T]
  const Tensor<Real> *table = nullptr;       ///< [V, k]
  const Tensor<Real> *tokenId = nullptr;     ///< [T]
  const Tensor<Real> *expertScale = nullptr; ///< [E]
  const Tensor<Real> *sequence = nullptr;    ///< [T]
  llvm::ArrayRef<bool> classMask;            ///< Rows of E.
  llvm::ArrayRef<int32_t> alias;             ///< [E]

  /// Sets each tensor to what `make` makes of the member of that name.
  template <typename From, typename Make>
  void setTensors(const From &from, Make make) {
    bias = make(from.bias);
    eligible = make(from.eligible);
    classId = make(from.classId);
    tokenK = make(from.tokenK);
    table = make(from.table);
    tokenId = make(from.tokenId);
    expertScale = make(from.expertScale);
    sequence = make(from.sequence);
  }
  /// The tensors that have a row for each token.
  std::array<const Tensor<Real> **, 5> byToken() {
    return {&eligible, &classId, &tokenK, &tokenId, &sequence};
  }
};

template <typename Real> struct Chosen {
  Tensor<Real> ids;     ///< [T, k], -1 where nothing was chosen
  Tensor<Real> weights; ///< [T, k], 0 there
  Tensor<Real> shared;  ///< [T, shared_experts]
};

/// The experts of every token: `logits` [T, E + shared_experts].
template <typename Real>
Chosen<Real> route(moe::RoutingAttr routing, const Tensor<Real> &logits,
                   const Operands<Real> &operands = {});

/// How often each of `experts` was chosen in each of `blocks` blocks of `rows`
/// tokens or a multiple of these; -1 for blocks without tokens.
template <typename Real>
Tensor<Real> countChoices(const Tensor<Real> &ids, int64_t blocks, int64_t rows,
                          int64_t experts);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_ROUTING_H
