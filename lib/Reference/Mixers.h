//===- Mixers.h - Layers that remember in a fixed size ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The formulas of short convolutions and of the gated delta rule, token by
// token.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_MIXERS_H
#define MOEC_LIB_REFERENCE_MIXERS_H

#include "lib/Reference/Tensor.h"
#include "lib/Weights/Status.h"

#include <map>

namespace moec::reference {

/// What one layer remembers, by slot.
template <typename Real> struct Recurrent {
  struct Held {
    int64_t length = 0; ///< Positions that it has seen.
    std::vector<Real> values;
  };
  int64_t sequences;
  std::map<int64_t, Held> slots;
};

/// The tokens of sequence s are the rows offsets[s] to offsets[s + 1].
template <typename Real> struct Sequences {
  Tensor<Real> positions, offsets, slots;
};

/// Convolution of each column of x with its row of `weight` [columns, 1, L].
template <typename Real>
weights::Result<Tensor<Real>>
shortConv(Recurrent<Real> &state, const Tensor<Real> &x,
          const Tensor<Real> &weight, const Tensor<Real> *bias,
          const Sequences<Real> &sequences);

/// S = exp(decay) S; S = S + k (beta (v - k S)); y = q S, for each of the heads
/// that `decay` has columns for.
template <typename Real>
weights::Result<Tensor<Real>>
gatedDelta(Recurrent<Real> &state, const Tensor<Real> &q, const Tensor<Real> &k,
           const Tensor<Real> &v, const Tensor<Real> &decay,
           const Tensor<Real> &beta, int64_t keyHeads,
           const Sequences<Real> &sequences);

/// How many earlier tokens of its sequence have an id of at least `from`; a
/// slot remembers it for each of its `columns` - 1 positions.
template <typename Real>
weights::Result<Tensor<Real>> places(Recurrent<Real> &state, int64_t columns,
                                     const Tensor<Real> &ids, int64_t from,
                                     const Sequences<Real> &sequences);

/// How many of those that a slot remembers are out of reach for each token.
template <typename Real>
weights::Result<Tensor<Real>>
firstPlaces(const Recurrent<Real> &state, const Tensor<Real> &positions,
            const Tensor<Real> &slots, int64_t window, int64_t chunk);

/// Where the rows of each sequence begin.
template <typename Real>
weights::Result<Tensor<Real>> seqRows(const Tensor<Real> &tokenSlots,
                                      const Tensor<Real> &slots);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_MIXERS_H
