//===- Rows.cpp - Values of recipes, by rows ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One class for each operation of recipes. Those of quantized tensors are in
// Quantized.cpp.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Rows.h"

#include "lib/Weights/Elements.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace moec::weights {

namespace {

/// Rows of a panel.
constexpr uint64_t panelRows = 16;
constexpr uint64_t wordBytes = 4;
/// What is held of an input at a time, beside what is asked for.
constexpr uint64_t partBytes = uint64_t(1) << 18;

uint64_t divideUp(uint64_t value, uint64_t by) { return (value + by - 1) / by; }

/// The sum of a size of all inputs.
uint64_t sumOf(const std::vector<RowsRef> &inputs, uint64_t Rows::*size) {
  uint64_t sum = 0;
  for (const RowsRef &input : inputs)
    sum += *input.*size;
  return sum;
}

/// What makes parts of rows as it makes whole ones.
struct PartRows : Rows {
  using Rows::Rows;

  Status read(int64_t expert, uint64_t first, uint64_t count,
              std::byte *out) const final {
    return readPart(expert, first, count, 0, rowBytes, out);
  }

  Status readPart(int64_t expert, uint64_t first, uint64_t count,
                  uint64_t firstByte, uint64_t bytes,
                  std::byte *out) const override = 0;
};

struct LoadedRows final : PartRows {
  std::vector<Tensor> members;
  bool stacked;

  LoadedRows(std::vector<Tensor> members, bool stacked, uint64_t numRows,
             uint64_t rowBytes)
      : PartRows(numRows, rowBytes), members(std::move(members)),
        stacked(stacked) {}

  Status readPart(int64_t expert, uint64_t first, uint64_t count,
                  uint64_t firstByte, uint64_t bytes,
                  std::byte *out) const override {
    const Tensor &tensor = members[stacked ? 0 : expert];
    uint64_t begin = (stacked ? expert * numRows : 0) + first;
    std::span<const std::byte> rows =
        tensor.bytes().subspan(begin * rowBytes, count * rowBytes);
    if (rows.empty())
      return {};
    if (bytes == rowBytes)
      std::memcpy(out, rows.data(), rows.size());
    else
      for (uint64_t row = 0; row < count; ++row)
        std::memcpy(out + row * bytes, rows.data() + row * rowBytes + firstByte,
                    bytes);
    tensor.file->release(rows);
    return {};
  }
};

struct CastRows final : PartRows {
  RowsRef input;
  DType from, to;

  CastRows(RowsRef input, DType from, DType to)
      : PartRows(input->numRows,
                 input->rowBytes * bitWidth(to) / bitWidth(from)),
        input(std::move(input)), from(from), to(to) {}

  // By way of float, which holds every value of all three types exactly: the
  // result is rounded once.
  Status readPart(int64_t expert, uint64_t first, uint64_t count,
                  uint64_t firstByte, uint64_t size,
                  std::byte *out) const override {
    auto inInput = [&](uint64_t bytes) {
      return bytes * bitWidth(from) / bitWidth(to);
    };
    std::vector<std::byte> bytes(count * inInput(size));
    Status status = input->readPart(expert, first, count, inInput(firstByte),
                                    inInput(size), bytes.data());
    std::vector<float> values(bytes.size() * 8 / bitWidth(from));
    if (status.ok())
      status = readFloats(from, bytes, values);
    if (status.ok())
      status = writeFloats(to, values, {out, count * size});
    return status;
  }
};

struct NarrowedRows final : PartRows {
  RowsRef input;

  explicit NarrowedRows(RowsRef wide)
      : PartRows(wide->numRows, wide->rowBytes / 2), input(std::move(wide)) {}

  Status readPart(int64_t expert, uint64_t first, uint64_t count,
                  uint64_t firstByte, uint64_t size,
                  std::byte *out) const override {
    std::vector<int64_t> values(count * size / sizeof(int32_t));
    Status status =
        input->readPart(expert, first, count, 2 * firstByte, 2 * size,
                        reinterpret_cast<std::byte *>(values.data()));
    using Limits = std::numeric_limits<int32_t>;
    for (size_t i = 0; i < values.size(); ++i) {
      auto value = static_cast<int32_t>(
          std::clamp<int64_t>(values[i], Limits::min(), Limits::max()));
      std::memcpy(out + i * sizeof(value), &value, sizeof(value));
    }
    return status;
  }
};

struct ConcatRows final : Rows {
  std::vector<RowsRef> inputs;

  explicit ConcatRows(std::vector<RowsRef> parts)
      : Rows(sumOf(parts, &Rows::numRows), parts.front()->rowBytes),
        inputs(std::move(parts)) {}

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

struct BesideRows final : Rows {
  std::vector<RowsRef> inputs;

  explicit BesideRows(std::vector<RowsRef> parts)
      : Rows(parts.front()->numRows, sumOf(parts, &Rows::rowBytes)),
        inputs(std::move(parts)) {}

  Status read(int64_t expert, uint64_t first, uint64_t count,
              std::byte *out) const override {
    std::vector<std::byte> rows;
    uint64_t begin = 0;
    for (const RowsRef &input : inputs) {
      rows.resize(count * input->rowBytes);
      Status status = input->read(expert, first, count, rows.data());
      if (!status.ok())
        return status;
      for (uint64_t row = 0; row < count; ++row)
        std::memcpy(out + row * rowBytes + begin,
                    rows.data() + row * input->rowBytes, input->rowBytes);
      begin += input->rowBytes;
    }
    return {};
  }
};

struct SlicedRows final : PartRows {
  RowsRef input;
  uint64_t group, offset, size;

  SlicedRows(RowsRef from, uint64_t group, uint64_t begin, uint64_t size)
      : PartRows(from->numRows / group * size, from->rowBytes),
        input(std::move(from)), group(group), offset(begin), size(size) {}

  Status readPart(int64_t expert, uint64_t first, uint64_t count,
                  uint64_t firstByte, uint64_t bytes,
                  std::byte *out) const override {
    if (count == 0)
      return {};
    if (first / size != (first + count - 1) / size && group <= 4 * size)
      return readSpan(expert, first, count, firstByte, bytes, out);
    for (uint64_t row = first; row < first + count;) {
      uint64_t begin = row % size;
      uint64_t run = std::min(size - begin, first + count - row);
      Status status = input->readPart(expert, inInput(row), run, firstByte,
                                      bytes, out + (row - first) * bytes);
      if (!status.ok())
        return status;
      row += run;
    }
    return {};
  }

  uint64_t inInput(uint64_t row) const {
    return row / size * group + offset + row % size;
  }

  /// Many short runs: asks for them with what lies between.
  Status readSpan(int64_t expert, uint64_t first, uint64_t count,
                  uint64_t firstByte, uint64_t bytes, std::byte *out) const {
    uint64_t begin = inInput(first), end = inInput(first + count - 1) + 1;
    std::vector<std::byte> span((end - begin) * bytes);
    Status status = input->readPart(expert, begin, end - begin, firstByte,
                                    bytes, span.data());
    for (uint64_t row = 0; status.ok() && row < count; ++row)
      std::memcpy(out + row * bytes,
                  span.data() + (inInput(first + row) - begin) * bytes, bytes);
    return status;
  }
};

struct SplitRows final : PartRows {
  RowsRef input;

  SplitRows(RowsRef from, uint64_t rows)
      : PartRows(rows, from->rowBytes), input(std::move(from)) {}

  Status readPart(int64_t expert, uint64_t first, uint64_t count,
                  uint64_t firstByte, uint64_t bytes,
                  std::byte *out) const override {
    return input->readPart(0, static_cast<uint64_t>(expert) * numRows + first,
                           count, firstByte, bytes, out);
  }
};

struct TransposedRows final : Rows {
  RowsRef input;
  uint64_t elementBytes;

  TransposedRows(RowsRef from, uint64_t elementBytes)
      : Rows(from->rowBytes / elementBytes, from->numRows * elementBytes),
        input(std::move(from)), elementBytes(elementBytes) {}

  Status read(int64_t expert, uint64_t first, uint64_t count,
              std::byte *out) const override {
    // The columns of some rows at a time.
    uint64_t width = count * elementBytes;
    uint64_t most = std::max<uint64_t>(1, partBytes / width);
    std::vector<std::byte> part;
    for (uint64_t row = 0; row < input->numRows; row += most) {
      uint64_t some = std::min(most, input->numRows - row);
      part.resize(some * width);
      Status status = input->readPart(expert, row, some, first * elementBytes,
                                      width, part.data());
      if (!status.ok())
        return status;
      for (uint64_t column = 0; column < count; ++column)
        for (uint64_t i = 0; i < some; ++i)
          std::memcpy(out + column * rowBytes + (row + i) * elementBytes,
                      part.data() + i * width + column * elementBytes,
                      elementBytes);
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
    // All rows at once: an input may share work among them.
    uint64_t begin = first * panelRows;
    uint64_t end = std::min((first + count) * panelRows, input->numRows);
    std::vector<std::byte> all((end - begin) * input->rowBytes);
    Status status = input->read(expert, begin, end - begin, all.data());
    if (!status.ok())
      return status;
    for (uint64_t panel = first; panel < first + count; ++panel) {
      uint64_t present =
          std::min(panelRows, input->numRows - panel * panelRows);
      const std::byte *plain =
          all.data() + (panel - first) * panelRows * input->rowBytes;
      for (uint64_t row = 0; row < panelRows; ++row)
        if (row < present)
          std::memcpy(rows.data() + row * stride, plain + row * input->rowBytes,
                      input->rowBytes);
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

Status Rows::readPart(int64_t expert, uint64_t first, uint64_t count,
                      uint64_t firstByte, uint64_t bytes,
                      std::byte *out) const {
  uint64_t most = std::max<uint64_t>(1, partBytes / rowBytes);
  std::vector<std::byte> rows;
  for (uint64_t row = 0; row < count; row += most) {
    uint64_t some = std::min(most, count - row);
    rows.resize(some * rowBytes);
    Status status = read(expert, first + row, some, rows.data());
    if (!status.ok())
      return status;
    for (uint64_t i = 0; i < some; ++i)
      std::memcpy(out + (row + i) * bytes,
                  rows.data() + i * rowBytes + firstByte, bytes);
  }
  return {};
}

RowsRef loadedRows(std::vector<Tensor> members, bool stacked, uint64_t numRows,
                   uint64_t rowBytes) {
  return std::make_shared<LoadedRows>(std::move(members), stacked, numRows,
                                      rowBytes);
}

RowsRef besideRows(std::vector<RowsRef> inputs) {
  return std::make_shared<BesideRows>(std::move(inputs));
}

RowsRef transposedRows(RowsRef input, uint64_t elementBytes) {
  return std::make_shared<TransposedRows>(std::move(input), elementBytes);
}

RowsRef castRows(RowsRef input, DType from, DType to) {
  return std::make_shared<CastRows>(std::move(input), from, to);
}

RowsRef narrowedRows(RowsRef input) {
  return std::make_shared<NarrowedRows>(std::move(input));
}

RowsRef concatRows(std::vector<RowsRef> inputs) {
  return std::make_shared<ConcatRows>(std::move(inputs));
}

RowsRef slicedRows(RowsRef input, uint64_t group, uint64_t begin,
                   uint64_t size) {
  return std::make_shared<SlicedRows>(std::move(input), group, begin, size);
}

RowsRef splitRows(RowsRef input, uint64_t rows) {
  return std::make_shared<SplitRows>(std::move(input), rows);
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
