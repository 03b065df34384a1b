//===- Layers.cpp - The operations of nn ----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Normalisation, rotary embedding, gathering and attention, as loops over
// tokens and heads.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Layers.h"

#include <algorithm>
#include <cmath>

using namespace moec;
using namespace moec::reference;
using weights::Result;
using weights::Status;

/// A failure unless 0 <= index < size.
static Status checkIndex(const char *what, int64_t index, int64_t size) {
  if (index >= 0 && index < size)
    return {};
  return Status::failure(weights::ErrorCode::InvalidArgument,
                         std::string(what) + " " + std::to_string(index) +
                             " is not below " + std::to_string(size));
}

/// A failure unless there is one element for each of `tokens`.
template <typename Real>
static Status checkTokens(const char *what, const Tensor<Real> &tensor,
                          int64_t tokens) {
  if (tensor.rows() == tokens)
    return {};
  return Status::failure(weights::ErrorCode::InvalidArgument,
                         std::to_string(tensor.rows()) + " " + what + " for " +
                             std::to_string(tokens) + " tokens");
}

template <typename Real>
Tensor<Real> reference::rmsNorm(const Tensor<Real> &x,
                                const Tensor<Real> *weight, int64_t size,
                                double eps, double offset) {
  Tensor<Real> y = x;
  for (int64_t first = 0; first < y.count(); first += size) {
    Real *chunk = y.reals.data() + first;
    Real sum = 0;
    for (int64_t i = 0; i < size; ++i)
      sum += chunk[i] * chunk[i];
    Real root = std::sqrt(sum / size + static_cast<Real>(eps));
    for (int64_t i = 0; i < size; ++i) {
      Real factor =
          weight ? weight->reals[i] + static_cast<Real>(offset) : Real(1);
      chunk[i] = chunk[i] / root * factor;
    }
  }
  return y;
}

template <typename Real>
Tensor<Real>
reference::layerNorm(const Tensor<Real> &x, const Tensor<Real> *weight,
                     const Tensor<Real> *bias, int64_t size, double eps) {
  Tensor<Real> y = x;
  for (int64_t first = 0; first < y.count(); first += size) {
    Real *chunk = y.reals.data() + first;
    Real mean = 0, squares = 0;
    for (int64_t i = 0; i < size; ++i)
      mean += chunk[i];
    mean /= size;
    for (int64_t i = 0; i < size; ++i)
      squares += (chunk[i] - mean) * (chunk[i] - mean);
    Real root = std::sqrt(squares / size + static_cast<Real>(eps));
    for (int64_t i = 0; i < size; ++i) {
      chunk[i] = (chunk[i] - mean) / root;
      if (weight)
        chunk[i] *= weight->reals[i];
      if (bias)
        chunk[i] += bias->reals[i];
    }
  }
  return y;
}

template <typename Real>
Result<Tensor<Real>>
reference::rope(const Tensor<Real> &x, const Tensor<Real> &table,
                const Tensor<Real> &positions, RopeShape shape) {
  Status status = checkTokens("positions", positions, x.rows());
  if (!status.ok())
    return status;
  int64_t half = table.shape[2];
  Tensor<Real> y = x;
  for (int64_t t = 0; t < x.rows(); ++t) {
    int64_t position = positions.ints[t];
    status = checkIndex("position", position, table.rows());
    if (!status.ok())
      return status;
    const Real *cosines = table.row(position), *sines = cosines + half;
    for (int64_t head = shape.offset; head < x.width(); head += shape.size)
      for (int64_t i = 0; i < half; ++i) {
        int64_t first = head + (shape.interleaved ? 2 * i : i);
        int64_t second = first + (shape.interleaved ? 1 : half);
        Real a = x.row(t)[first], b = x.row(t)[second];
        y.row(t)[first] = a * cosines[i] - b * sines[i];
        y.row(t)[second] = b * cosines[i] + a * sines[i];
      }
  }
  return y;
}

template <typename Real>
Result<Tensor<Real>>
reference::joinHeads(const std::vector<HeadPart<Real>> &parts, int64_t heads) {
  int64_t tokens = parts.front().rows->rows(), width = 0;
  for (const HeadPart<Real> &part : parts) {
    Status status = checkTokens("rows", *part.rows, tokens);
    if (!status.ok())
      return status;
    width += part.count;
  }
  Tensor<Real> y = realTensor<Real>({tokens, heads * width});
  for (int64_t t = 0; t < tokens; ++t) {
    Real *out = y.row(t);
    for (int64_t h = 0; h < heads; ++h)
      for (const HeadPart<Real> &part : parts) {
        bool isLent = part.rows->width() == part.size;
        const Real *head = part.rows->row(t) + (isLent ? 0 : h * part.size);
        out = part.size == 1 ? std::fill_n(out, part.count, *head)
                             : std::copy_n(head + part.offset, part.count, out);
      }
  }
  return y;
}

template <typename Real>
Result<Tensor<Real>> reference::gatherRows(const Matrix<Real> &table,
                                           const Tensor<Real> &indices) {
  Tensor<Real> y = realTensor<Real>({indices.rows(), table.k});
  for (int64_t i = 0; i < indices.rows(); ++i) {
    Status status = checkIndex("index", indices.ints[i], table.n);
    if (!status.ok())
      return status;
    table.readRow(indices.ints[i], y.row(i));
  }
  return y;
}

template <typename Real>
Result<Tensor<Real>> reference::tokenSlots(const Tensor<Real> &seqOffsets,
                                           const Tensor<Real> &slots,
                                           int64_t tokens) {
  const std::vector<int64_t> &offsets = seqOffsets.ints;
  bool isSplit = offsets.size() == slots.ints.size() + 1 &&
                 offsets.front() == 0 && offsets.back() == tokens &&
                 std::is_sorted(offsets.begin(), offsets.end());
  if (!isSplit)
    return Status::failure(weights::ErrorCode::InvalidArgument,
                           "seq_offsets does not split " +
                               std::to_string(tokens) + " tokens into " +
                               std::to_string(slots.rows()) + " sequences");
  Tensor<Real> y = intTensor<Real>({tokens});
  for (int64_t s = 0; s < slots.rows(); ++s)
    std::fill(y.ints.begin() + offsets[s], y.ints.begin() + offsets[s + 1],
              slots.ints[s]);
  return y;
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

/// The checks that storing and reading have in common.
template <typename Real>
static Status checkPlaces(const KeyValues<Real> &state, int64_t tokens,
                          const Tensor<Real> &positions,
                          const Tensor<Real> &slots) {
  Status status = checkTokens("positions", positions, tokens);
  if (status.ok())
    status = checkTokens("slots", slots, tokens);
  for (int64_t t = 0; status.ok() && t < tokens; ++t) {
    status = checkIndex("position", positions.ints[t], state.positions);
    if (status.ok())
      status = checkIndex("slot", slots.ints[t], state.sequences);
  }
  return status;
}

template <typename Real>
Status reference::append(KeyValues<Real> &state, const Tensor<Real> &keys,
                         const Tensor<Real> &values,
                         const Tensor<Real> &positions,
                         const Tensor<Real> &slots) {
  Status status = checkPlaces(state, keys.rows(), positions, slots);
  if (!status.ok())
    return status;
  for (int64_t t = 0; t < keys.rows(); ++t)
    state.entries[{slots.ints[t], positions.ints[t]}] = {
        {keys.row(t), keys.row(t) + keys.width()},
        {values.row(t), values.row(t) + values.width()}};
  return {};
}

/// One query against the entries of its sequence: softmax of the scaled
/// products with the keys, times the values. `head` is the state's; `sink` may
/// be null.
template <typename Real>
static void
attend(const KeyValues<Real> &state,
       const std::vector<const typename KeyValues<Real>::Entry *> &entries,
       int64_t head, const Real *q, const Real *sink,
       const AttentionShape &shape, Real *out) {
  Real scale = static_cast<Real>(shape.scale);
  Real softcap = static_cast<Real>(shape.softcap);
  std::vector<Real> scores;
  for (const auto *entry : entries) {
    const Real *key = entry->first.data() + head * state.key;
    Real sum = 0;
    for (int64_t i = 0; i < state.key; ++i)
      sum += q[i] * key[i];
    Real score = scale * sum;
    scores.push_back(softcap != 0 ? softcap * std::tanh(score / softcap)
                                  : score);
  }
  Real largest = *std::max_element(scores.begin(), scores.end()), total = 0;
  if (sink) {
    largest = std::max(largest, *sink);
    total = std::exp(*sink - largest);
  }
  for (Real &score : scores)
    total += score = std::exp(score - largest);
  for (size_t j = 0; j < entries.size(); ++j) {
    const Real *value = entries[j]->second.data() + head * state.value;
    for (int64_t i = 0; i < state.value; ++i)
      out[i] += scores[j] / total * value[i];
  }
}

/// The entries that the token at `position` sees, in ascending order.
template <typename Real>
static Result<std::vector<const typename KeyValues<Real>::Entry *>>
visibleEntries(const KeyValues<Real> &state, int64_t slot, int64_t position,
               int64_t first, const AttentionShape &shape) {
  std::vector<const typename KeyValues<Real>::Entry *> visible;
  if (first < 0 || first > position)
    return Status::failure(weights::ErrorCode::InvalidArgument,
                           "position " + std::to_string(position) +
                               " cannot see from " + std::to_string(first) +
                               " on");
  first = std::max(first, firstVisible(position, shape.window, shape.chunk));
  for (int64_t j = first; j <= position; ++j) {
    auto found = state.entries.find({slot, j});
    if (found == state.entries.end())
      return Status::failure(
          weights::ErrorCode::InvalidArgument,
          "position " + std::to_string(j) + " of slot " + std::to_string(slot) +
              " is read by position " + std::to_string(position) +
              ", but nothing was stored there");
    visible.push_back(&found->second);
  }
  return visible;
}

template <typename Real>
Result<Tensor<Real>>
reference::attention(const KeyValues<Real> &state, const Tensor<Real> &q,
                     const Tensor<Real> &positions, const Tensor<Real> &slots,
                     const Tensor<Real> *sinks, AttentionShape shape,
                     const Tensor<Real> *first) {
  Status status = checkPlaces(state, q.rows(), positions, slots);
  if (status.ok() && first)
    status = checkTokens("first", *first, q.rows());
  if (!status.ok())
    return status;
  int64_t shared = shape.heads / state.heads;
  Tensor<Real> out = realTensor<Real>({q.rows(), shape.heads * state.value});
  for (int64_t t = 0; t < q.rows(); ++t) {
    auto entries = visibleEntries(state, slots.ints[t], positions.ints[t],
                                  first ? first->ints[t] : 0, shape);
    if (!entries)
      return entries.status();
    for (int64_t h = 0; h < shape.heads; ++h)
      attend(state, *entries, h / shared, q.row(t) + h * state.key,
             sinks ? &sinks->reals[h] : nullptr, shape,
             out.row(t) + h * state.value);
  }
  return out;
}

#define INSTANTIATE(Real)                                                      \
  template Tensor<Real> reference::rmsNorm<Real>(                              \
      const Tensor<Real> &, const Tensor<Real> *, int64_t, double, double);    \
  template Tensor<Real> reference::layerNorm<Real>(                            \
      const Tensor<Real> &, const Tensor<Real> *, const Tensor<Real> *,        \
      int64_t, double);                                                        \
  template Result<Tensor<Real>> reference::joinHeads<Real>(                    \
      const std::vector<HeadPart<Real>> &, int64_t);                           \
  template Result<Tensor<Real>> reference::rope<Real>(                         \
      const Tensor<Real> &, const Tensor<Real> &, const Tensor<Real> &,        \
      RopeShape);                                                              \
  template Result<Tensor<Real>> reference::gatherRows<Real>(                   \
      const Matrix<Real> &, const Tensor<Real> &);                             \
  template Result<Tensor<Real>> reference::tokenSlots<Real>(                   \
      const Tensor<Real> &, const Tensor<Real> &, int64_t);                    \
  template Status reference::append<Real>(                                     \
      KeyValues<Real> &, const Tensor<Real> &, const Tensor<Real> &,           \
      const Tensor<Real> &, const Tensor<Real> &);                             \
  template Result<Tensor<Real>> reference::attention<Real>(                    \
      const KeyValues<Real> &, const Tensor<Real> &, const Tensor<Real> &,     \
      const Tensor<Real> &, const Tensor<Real> *, AttentionShape,              \
      const Tensor<Real> *);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
