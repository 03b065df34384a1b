//===- SafetensorsFuzzer.cpp - Attacks the header of safetensors ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An input is taken twice: as a file, and as two bytes with the size of the
// data followed by the JSON of a header, whose length is then right whatever
// the fuzzer does to the JSON. What is accepted must keep the format's promise
// that the tensors are the data, and survive being written and read again.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Elements.h"
#include "lib/Weights/SafetensorsHeader.h"

#include <algorithm>
#include <cstring>
#include <set>

using namespace moec::weights;

namespace {

void require(bool condition) {
  if (!condition)
    __builtin_trap();
}

void readTensor(const TensorInfo &tensor, std::span<const std::byte> data) {
  std::span<const std::byte> bytes =
      data.subspan(tensor.begin, tensor.numBytes());
  std::vector<float> values(tensor.numElements());
  Status status = readFloats(tensor.dtype, bytes, values);
  require(status.ok() == isFloatReadable(tensor.dtype));
}

void checkPromise(const Header &header, std::span<const std::byte> file) {
  std::span<const std::byte> data = file.subspan(header.dataOffset);
  std::set<std::string_view> names;
  uint64_t end = 0;
  for (const TensorInfo &tensor : header.tensors) {
    require(tensor.begin == end);
    require(tensor.end >= tensor.begin);
    end = tensor.end;
    Result<uint64_t> size = sizeInBytes(tensor.dtype, tensor.shape);
    require(size && *size == tensor.numBytes());
    require(names.insert(tensor.name).second);
    readTensor(tensor, data);
  }
  require(end == data.size());
}

bool isSame(const TensorInfo &a, const TensorInfo &b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape &&
         a.begin == b.begin && a.end == b.end;
}

void checkRoundTrip(const Header &header, std::span<const std::byte> file) {
  Result<std::string> rendered = renderHeader(header.tensors, header.metadata);
  require(static_cast<bool>(rendered));
  std::vector<std::byte> copy(rendered->size());
  std::memcpy(copy.data(), rendered->data(), rendered->size());
  std::span<const std::byte> data = file.subspan(header.dataOffset);
  copy.insert(copy.end(), data.begin(), data.end());
  Result<Header> again = parseHeader(copy);
  require(static_cast<bool>(again));
  require(again->metadata == header.metadata);
  require(std::equal(again->tensors.begin(), again->tensors.end(),
                     header.tensors.begin(), header.tensors.end(), isSame));
}

void attack(std::span<const std::byte> file) {
  Result<Header> header = parseHeader(file);
  if (!header) {
    require(!header.status().message().empty());
    require(header.status().message().size() < 2000);
    return;
  }
  checkPromise(*header, file);
  checkRoundTrip(*header, file);
}

std::vector<std::byte> framed(std::span<const std::byte> input) {
  uint16_t dataSize;
  std::memcpy(&dataSize, input.data(), sizeof(dataSize));
  std::span<const std::byte> json = input.subspan(sizeof(dataSize));
  uint64_t length = json.size();
  std::vector<std::byte> file(sizeof(length) + length + dataSize);
  std::memcpy(file.data(), &length, sizeof(length));
  std::copy(json.begin(), json.end(), file.begin() + sizeof(length));
  return file;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::span<const std::byte> input(reinterpret_cast<const std::byte *>(data),
                                   size);
  attack(input);
  if (size >= sizeof(uint16_t))
    attack(framed(input));
  return 0;
}
