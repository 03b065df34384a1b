//===- Layers.h - The operations of nn --------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The formulas of nn's operations on tensors. Those that read indices say
// which one is out of range.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_LAYERS_H
#define MOEC_LIB_REFERENCE_LAYERS_H

#include "lib/Reference/Matrix.h"
#include "lib/Reference/Tensor.h"
#include "lib/Weights/Status.h"

#include <algorithm>
#include <map>
#include <utility>

namespace moec::reference {

/// x / sqrt(mean(x^2) + eps) * (weight + offset) over chunks of `size`; without
/// a weight, the factor is left out.
template <typename Real>
Tensor<Real> rmsNorm(const Tensor<Real> &x, const Tensor<Real> *weight,
                     int64_t size, double eps, double offset);

/// (x - mean) / sqrt(variance + eps) * weight + bias over chunks of `size`;
/// without weight or bias, that step is left out.
template <typename Real>
Tensor<Real> layerNorm(const Tensor<Real> &x, const Tensor<Real> *weight,
                       const Tensor<Real> *bias, int64_t size, double eps);

/// Which pairs of a head are turned.
struct RopeShape {
  int64_t size;     ///< Elements of a head.
  int64_t offset;   ///< The first that is turned.
  bool interleaved; ///< Neighbours are pairs, not elements d/2 apart.
};

/// Turns heads; table is [positions, 2, d/2].
template <typename Real>
weights::Result<Tensor<Real>>
rope(const Tensor<Real> &x, const Tensor<Real> &table,
     const Tensor<Real> &positions, RopeShape shape);

/// A part of every head of some rows.
template <typename Real> struct HeadPart {
  const Tensor<Real> *rows;
  int64_t size;          ///< Elements of a head.
  int64_t offset, count; ///< What is taken of it.
};

/// Heads put together from the parts, in order; rows of one head lend it to
/// every head.
template <typename Real>
weights::Result<Tensor<Real>>
joinHeads(const std::vector<HeadPart<Real>> &parts, int64_t heads);

template <typename Real>
weights::Result<Tensor<Real>> gatherRows(const Matrix<Real> &table,
                                         const Tensor<Real> &indices);

/// The slots of `tokens` tokens.
template <typename Real>
weights::Result<Tensor<Real>> tokenSlots(const Tensor<Real> &seqOffsets,
                                         const Tensor<Real> &slots,
                                         int64_t tokens);

/// Keys and values of one layer, by slot and position.
template <typename Real> struct KeyValues {
  int64_t heads, key, value, sequences, positions;
  using Entry = std::pair<std::vector<Real>, std::vector<Real>>;
  std::map<std::pair<int64_t, int64_t>, Entry> entries;
};

/// Stores the rows of keys and values at the tokens' slots and positions.
template <typename Real>
weights::Status append(KeyValues<Real> &state, const Tensor<Real> &keys,
                       const Tensor<Real> &values,
                       const Tensor<Real> &positions,
                       const Tensor<Real> &slots);

struct AttentionShape {
  int64_t heads;
  double scale;
  int64_t window; ///< 0: none
  int64_t chunk;  ///< 0: none
  double softcap; ///< 0: none
};

/// The first position that a token at `position` sees.
inline int64_t firstVisible(int64_t position, int64_t window, int64_t chunk) {
  int64_t first = 0;
  if (window)
    first = std::max(first, position - window + 1);
  if (chunk)
    first = std::max(first, position - position % chunk);
  return first;
}

/// Causal attention of every token over the positions of its slot, from `first`
/// on where that is given; `sinks` may be null.
template <typename Real>
weights::Result<Tensor<Real>>
attention(const KeyValues<Real> &state, const Tensor<Real> &q,
          const Tensor<Real> &positions, const Tensor<Real> &slots,
          const Tensor<Real> *sinks, AttentionShape shape,
          const Tensor<Real> *first = nullptr);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_LAYERS_H
