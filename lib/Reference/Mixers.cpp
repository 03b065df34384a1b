//===- Mixers.cpp - Layers that remember in a fixed size ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Mixers.h"
#include "lib/Reference/Layers.h"

#include <cmath>

using namespace moec;
using namespace moec::reference;
using weights::Result;
using weights::Status;

static Status invalid(std::string message) {
  return Status::failure(weights::ErrorCode::InvalidArgument,
                         std::move(message));
}

/// Calls `body` with each token, in order, and what its slot remembers, which
/// has `size` values.
template <typename Real, typename Body>
static Status forTokens(Recurrent<Real> &state, int64_t size, int64_t tokens,
                        const Sequences<Real> &sequences, Body body) {
  Result<Tensor<Real>> slots =
      tokenSlots(sequences.offsets, sequences.slots, tokens);
  if (!slots)
    return slots.status();
  if (sequences.positions.rows() != tokens)
    return invalid(std::to_string(sequences.positions.rows()) +
                   " positions for " + std::to_string(tokens) + " tokens");
  for (int64_t t = 0; t < tokens; ++t) {
    int64_t slot = slots->ints[t], position = sequences.positions.ints[t];
    if (slot < 0 || slot >= state.sequences)
      return invalid("slot " + std::to_string(slot) + " is not below " +
                     std::to_string(state.sequences));
    typename Recurrent<Real>::Held &held = state.slots[slot];
    if (position == 0)
      held = {0, std::vector<Real>(size, Real(0))};
    if (position != held.length)
      return invalid("position " + std::to_string(position) + " of slot " +
                     std::to_string(slot) + " follows " +
                     std::to_string(held.length) + " positions");
    body(t, held.values.data());
    ++held.length;
  }
  return {};
}

template <typename Real>
Result<Tensor<Real>>
reference::shortConv(Recurrent<Real> &state, const Tensor<Real> &x,
                     const Tensor<Real> &weight, const Tensor<Real> *bias,
                     const Sequences<Real> &sequences) {
  int64_t width = x.width(), past = weight.shape[2] - 1;
  Tensor<Real> y = realTensor<Real>(x.shape);
  auto body = [&](int64_t t, Real *window) {
    for (int64_t c = 0; c < width; ++c) {
      const Real *w = weight.reals.data() + c * (past + 1);
      Real sum = bias ? bias->reals[c] : Real(0);
      for (int64_t j = 0; j < past; ++j)
        sum += w[j] * window[j * width + c];
      y.row(t)[c] = sum + w[past] * x.row(t)[c];
    }
    std::copy(window + width, window + past * width, window);
    std::copy_n(x.row(t), width, window + (past - 1) * width);
  };
  Status status = forTokens(state, past * width, x.rows(), sequences, body);
  if (!status.ok())
    return status;
  return y;
}

/// One token of one head, whose matrix is s.
template <typename Real>
static void deltaStep(Real *s, int64_t key, int64_t value, const Real *q,
                      const Real *k, const Real *v, Real decay, Real beta,
                      Real *y) {
  for (int64_t i = 0; i < key * value; ++i)
    s[i] *= decay;
  for (int64_t j = 0; j < value; ++j) {
    Real known = 0;
    for (int64_t i = 0; i < key; ++i)
      known += k[i] * s[i * value + j];
    Real change = beta * (v[j] - known);
    for (int64_t i = 0; i < key; ++i) {
      s[i * value + j] += k[i] * change;
      y[j] += q[i] * s[i * value + j];
    }
  }
}

template <typename Real>
Result<Tensor<Real>>
reference::gatedDelta(Recurrent<Real> &state, const Tensor<Real> &q,
                      const Tensor<Real> &k, const Tensor<Real> &v,
                      const Tensor<Real> &decay, const Tensor<Real> &beta,
                      int64_t keyHeads, const Sequences<Real> &sequences) {
  int64_t heads = decay.width(), key = k.width() / keyHeads;
  int64_t value = v.width() / heads, shared = heads / keyHeads;
  Tensor<Real> y = realTensor<Real>(v.shape);
  auto body = [&](int64_t t, Real *s) {
    for (int64_t h = 0; h < heads; ++h)
      deltaStep(s + h * key * value, key, value, q.row(t) + h / shared * key,
                k.row(t) + h / shared * key, v.row(t) + h * value,
                std::exp(decay.row(t)[h]), beta.row(t)[h],
                y.row(t) + h * value);
  };
  Status status =
      forTokens(state, heads * key * value, v.rows(), sequences, body);
  if (!status.ok())
    return status;
  return y;
}

template <typename Real>
Result<Tensor<Real>> reference::places(Recurrent<Real> &state, int64_t columns,
                                       const Tensor<Real> &ids, int64_t from,
                                       const Sequences<Real> &sequences) {
  for (int64_t position : sequences.positions.ints)
    if (position < 0 || position >= columns - 1)
      return invalid("position " + std::to_string(position) + " is not below " +
                     std::to_string(columns - 1));
  Tensor<Real> y = intTensor<Real>({ids.rows()}, 0);
  auto body = [&](int64_t t, Real *counts) {
    Real *before = counts + sequences.positions.ints[t];
    y.ints[t] = static_cast<int32_t>(*before);
    before[1] = *before + (ids.ints[t] >= from);
  };
  Status status = forTokens(state, columns, ids.rows(), sequences, body);
  if (!status.ok())
    return status;
  return y;
}

template <typename Real>
Result<Tensor<Real>> reference::firstPlaces(const Recurrent<Real> &state,
                                            const Tensor<Real> &positions,
                                            const Tensor<Real> &slots,
                                            int64_t window, int64_t chunk) {
  Tensor<Real> y = intTensor<Real>({positions.rows()}, 0);
  for (int64_t t = 0; t < positions.rows(); ++t) {
    int64_t position = positions.ints[t];
    auto held = state.slots.find(slots.ints[t]);
    if (held == state.slots.end() || position < 0 ||
        position >= held->second.length)
      return invalid("position " + std::to_string(position) + " of slot " +
                     std::to_string(slots.ints[t]) +
                     ", of which no places are known");
    int64_t first = firstVisible(position, window, chunk);
    y.ints[t] = static_cast<int32_t>(held->second.values[first]);
  }
  return y;
}

template <typename Real>
Result<Tensor<Real>> reference::seqRows(const Tensor<Real> &tokenSlots,
                                        const Tensor<Real> &slots) {
  Tensor<Real> y = intTensor<Real>({slots.rows() + 1}, 0);
  int64_t row = 0;
  for (int64_t s = 0; s < slots.rows(); ++s) {
    while (row < tokenSlots.rows() && tokenSlots.ints[row] == slots.ints[s])
      ++row;
    y.ints[s + 1] = row;
  }
  if (row != tokenSlots.rows())
    return invalid("row " + std::to_string(row) + " is of slot " +
                   std::to_string(tokenSlots.ints[row]) +
                   ", which no later sequence has");
  return y;
}

#define INSTANTIATE(Real)                                                      \
  template Result<Tensor<Real>> reference::places<Real>(                       \
      Recurrent<Real> &, int64_t, const Tensor<Real> &, int64_t,               \
      const Sequences<Real> &);                                                \
  template Result<Tensor<Real>> reference::firstPlaces<Real>(                  \
      const Recurrent<Real> &, const Tensor<Real> &, const Tensor<Real> &,     \
      int64_t, int64_t);                                                       \
  template Result<Tensor<Real>> reference::seqRows<Real>(                      \
      const Tensor<Real> &, const Tensor<Real> &);                             \
  template Result<Tensor<Real>> reference::shortConv<Real>(                    \
      Recurrent<Real> &, const Tensor<Real> &, const Tensor<Real> &,           \
      const Tensor<Real> *, const Sequences<Real> &);                          \
  template Result<Tensor<Real>> reference::gatedDelta<Real>(                   \
      Recurrent<Real> &, const Tensor<Real> &, const Tensor<Real> &,           \
      const Tensor<Real> &, const Tensor<Real> &, const Tensor<Real> &,        \
      int64_t, const Sequences<Real> &);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
