//===- Rows.cpp - Values of recipes, by rows ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One class for each operation of recipes.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Rows.h"

#include "lib/Weights/Elements.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace moec::weights {

namespace {

/// Rows of a panel.
constexpr uint64_t panelRows = 16;
constexpr uint64_t wordBytes = 4;

uint64_t divideUp(uint64_t value, uint64_t by) { return (value + by - 1) / by; }

struct LoadedRows final : Rows {
  std::vector<Tensor> members;

  LoadedRows(std::vector<Tensor> members, uint64_t numRows, uint64_t rowBytes)
      : Rows(numRows, rowBytes), members(std::move(members)) {}

  Status read(int64_t expert, uint64_t first, uint64_t count,
              std::byte *out) const override {
    const Tensor &tensor = members[expert];
    std::span<const std::byte> part =
        tensor.bytes().subspan(first * rowBytes, count * rowBytes);
    if (!part.empty())
      std::memcpy(out, part.data(), part.size());
    tensor.file->release(part);
    return {};
  }
};

struct CastRows final : Rows {
  RowsRef input;
  DType from, to;

  CastRows(RowsRef input, DType from, DType to)
      : Rows(input->numRows, input->rowBytes * bitWidth(to) / bitWidth(from)),
        input(std::move(input)), from(from), to(to) {}

  // By way of float, which holds every value of all three types exactly: the
  // result is rounded once.
  Status read(int64_t expert, uint64_t first, uint64_t count,
              std::byte *out) const override {
    std::vector<std::byte> bytes(count * input->rowBytes);
    Status status = input->read(expert, first, count, bytes.data());
    std::vector<float> values(bytes.size() * 8 / bitWidth(from));
    if (status.ok())
      status = readFloats(from, bytes, values);
    if (status.ok())
      status = writeFloats(to, values, {out, count * rowBytes});
    return status;
  }
};

struct ConcatRows final : Rows {
  std::vector<RowsRef> inputs;

  static uint64_t sum(const std::vector<RowsRef> &inputs) {
    uint64_t rows = 0;
    for (const RowsRef &input : inputs)
      rows += input->numRows;
    return rows;
  }

  explicit ConcatRows(std::vector<RowsRef> parts)
      : Rows(sum(parts), parts.front()->rowBytes), inputs(std::move(parts)) {}

  Status read(int64_t expert, uint64_t first, uint64_t count,
              std::byte *out) const override {
    uint64_t begin = 0;
    for (const RowsRef &input : inputs) {
      uint64_t end = begin + input->numRows;
      uint64_t from = std::max(first, begin);
      uint64_t to = std::min(first + count, end);
      if (from < to) {
        Status status = input->read(expert, from - begin, to - from,
                                    out + (from - first) * rowBytes);
        if (!status.ok())
          return status;
      }
      begin = end;
    }
    return {};
  }
};

struct SlicedRows final : Rows {
  RowsRef input;
  uint64_t group, begin, size;

  SlicedRows(RowsRef from, uint64_t group, uint64_t begin, uint64_t size)
      : Rows(from->numRows / group * size, from->rowBytes),
        input(std::move(from)), group(group), begin(begin), size(size) {}

  Status read(int64_t expert, uint64_t first, uint64_t count,
              std::byte *out) const override {
    for (uint64_t row = first, end = first + count; row < end;) {
      uint64_t inside = row % size, now = std::min(size - inside, end - row);
      uint64_t from = row / size * group + begin + inside;
      Status status = input->read(expert, from, now, out);
      if (!status.ok())
        return status;
      out += now * rowBytes;
      row += now;
    }
    return {};
  }
};

struct PackedRows final : Rows {
  RowsRef input;

  PackedRows(RowsRef input, uint64_t words)
      : Rows(divideUp(input->numRows, panelRows),
             words * panelRows * wordBytes),
        input(std::move(input)) {}

  Status read(int64_t expert, uint64_t first, uint64_t count,
              std::byte *out) const override {
    // Rows behind the last one stay zero, and so does the half of a word that
    // an odd number of bf16 columns leaves open.
    uint64_t words = rowBytes / (panelRows * wordBytes);
    uint64_t stride = words * wordBytes;
    std::vector<std::byte> rows(panelRows * stride);
    std::vector<std::byte> plain(panelRows * input->rowBytes);
    for (uint64_t panel = first; panel < first + count; ++panel) {
      uint64_t begin = panel * panelRows;
      uint64_t present = std::min(panelRows, input->numRows - begin);
      Status status = input->read(expert, begin, present, plain.data());
      if (!status.ok())
        return status;
      for (uint64_t row = 0; row < panelRows; ++row)
        if (row < present)
          std::memcpy(rows.data() + row * stride,
                      plain.data() + row * input->rowBytes, input->rowBytes);
        else
          std::memset(rows.data() + row * stride, 0, stride);
      turn(rows.data(), words, out + (panel - first) * rowBytes);
    }
    return {};
  }

  /// [16, words] to [words, 16].
  static void turn(const std::byte *rows, uint64_t words, std::byte *out) {
    for (uint64_t word = 0; word < words; ++word)
      for (uint64_t row = 0; row < panelRows; ++row, out += wordBytes)
        std::memcpy(out, rows + (row * words + word) * wordBytes, wordBytes);
  }
};

struct RopeRows final : Rows {
  std::vector<double> frequencies;
  float factor;

  RopeRows(uint64_t positions, std::vector<double> frequencies, double factor)
      : Rows(positions, 2 * frequencies.size() * sizeof(float)),
        frequencies(std::move(frequencies)),
        factor(static_cast<float>(factor)) {}

  // The original implementations compute the angle in f32. Its cosine is that
  // of this very angle, so it is taken in double and rounded once.
  Status read(int64_t, uint64_t first, uint64_t count,
              std::byte *out) const override {
    std::vector<float> row(2 * frequencies.size());
    for (uint64_t position = first; position < first + count; ++position) {
      for (size_t i = 0; i < frequencies.size(); ++i) {
        float angle =
            static_cast<float>(frequencies[i]) * static_cast<float>(position);
        auto cosine = static_cast<float>(std::cos(double(angle)));
        auto sine = static_cast<float>(std::sin(double(angle)));
        row[i] = cosine * factor;
        row[frequencies.size() + i] = sine * factor;
      }
      std::memcpy(out + (position - first) * rowBytes, row.data(), rowBytes);
    }
    return {};
  }
};

} // namespace

RowsRef loadedRows(std::vector<Tensor> members, uint64_t numRows,
                   uint64_t rowBytes) {
  return std::make_shared<LoadedRows>(std::move(members), numRows, rowBytes);
}

RowsRef castRows(RowsRef input, DType from, DType to) {
  return std::make_shared<CastRows>(std::move(input), from, to);
}

RowsRef concatRows(std::vector<RowsRef> inputs) {
  return std::make_shared<ConcatRows>(std::move(inputs));
}

RowsRef slicedRows(RowsRef input, uint64_t group, uint64_t begin,
                   uint64_t size) {
  return std::make_shared<SlicedRows>(std::move(input), group, begin, size);
}

RowsRef packedRows(RowsRef input, DType type) {
  uint64_t perWord = type == DType::F32 ? 1 : 2;
  uint64_t columns = input->rowBytes * 8 / bitWidth(type);
  return std::make_shared<PackedRows>(std::move(input),
                                      divideUp(columns, perWord));
}

RowsRef ropeRows(uint64_t positions, std::vector<double> frequencies,
                 double factor) {
  return std::make_shared<RopeRows>(positions, std::move(frequencies), factor);
}

} // namespace moec::weights
