//===- SafetensorsWriter.cpp - Writes a safetensors file ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tensors are laid out by falling element size and otherwise as declared: that
// aligns every one of them, which some readers of the format need.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/SafetensorsWriter.h"

#include "lib/Weights/Elements.h"
#include "lib/Weights/SafetensorsHeader.h"

#include <algorithm>
#include <array>
#include <new>
#include <numeric>

namespace moec::weights {

namespace {

using Declaration = SafetensorsWriter::Declaration;

/// The declared tensors with their offsets, and for each its declaration.
struct Plan {
  std::vector<TensorInfo> tensors;
  std::vector<size_t> declared;
};

Result<Plan> planLayout(std::span<const Declaration> declarations) {
  Plan plan;
  plan.declared.resize(declarations.size());
  std::iota(plan.declared.begin(), plan.declared.end(), size_t(0));
  std::sort(plan.declared.begin(), plan.declared.end(),
            [&](size_t a, size_t b) {
              unsigned widthOfA = bitWidth(declarations[a].dtype);
              unsigned widthOfB = bitWidth(declarations[b].dtype);
              return widthOfA != widthOfB ? widthOfA > widthOfB : a < b;
            });
  uint64_t offset = 0;
  for (size_t index : plan.declared) {
    const Declaration &tensor = declarations[index];
    Result<uint64_t> size = sizeInBytes(tensor.dtype, tensor.shape);
    if (!size)
      return std::move(size).status().in(tensorText(tensor.name));
    uint64_t end = 0;
    if (__builtin_add_overflow(offset, *size, &end))
      return Status::failure(ErrorCode::SizeOverflow,
                             tensorText(tensor.name) +
                                 ": the file has a size beyond 64 bits");
    plan.tensors.push_back(
        {tensor.name, tensor.dtype, tensor.shape, offset, end});
    offset = end;
  }
  return plan;
}

} // namespace

Result<SafetensorsWriter> SafetensorsWriter::create(
    const std::string &path, std::span<const Declaration> declarations,
    const std::map<std::string, std::string> &metadata) try {
  Result<Plan> plan = planLayout(declarations);
  if (!plan)
    return std::move(plan).status().in(path);
  Result<std::string> header = renderHeader(plan->tensors, metadata);
  if (!header)
    return std::move(header).status().in(path);

  Result<NewFile> file = NewFile::create(path);
  if (!file)
    return std::move(file).status();
  SafetensorsWriter writer(path, std::move(*file));
  writer.cursors.resize(declarations.size());
  uint64_t fileSize = header->size();
  for (size_t i = 0; i < plan->tensors.size(); ++i) {
    const TensorInfo &tensor = plan->tensors[i];
    writer.cursors[plan->declared[i]] = {tensor.name, tensor.dtype,
                                         header->size() + tensor.begin,
                                         header->size() + tensor.end};
    fileSize = header->size() + tensor.end;
  }
  Status status = writer.file.reserve(fileSize);
  if (status.ok())
    status = writer.file.writeAt(0, std::as_bytes(std::span(*header)));
  if (!status.ok())
    return status;
  return writer;
} catch (const std::bad_alloc &) {
  return Status::failure(ErrorCode::OutOfMemory,
                         "not enough memory for the tables of a file");
}

Status SafetensorsWriter::append(size_t tensor,
                                 std::span<const std::byte> bytes) {
  if (!file.isOpen() || tensor >= cursors.size())
    return Status::failure(ErrorCode::InvalidArgument,
                           path + ": no declared tensor " +
                               std::to_string(tensor) +
                               ", or the file is finished");
  Cursor &cursor = cursors[tensor];
  if (bytes.size() > cursor.end - cursor.next)
    return Status::failure(
        ErrorCode::InvalidArgument,
        path + ": " + tensorText(cursor.name) + ": " +
            std::to_string(bytes.size()) + " more bytes do not fit into the " +
            std::to_string(cursor.end - cursor.next) + " that are left");
  Status status = file.writeAt(cursor.next, bytes);
  if (!status.ok())
    return status;
  cursor.next += bytes.size();
  return {};
}

Status SafetensorsWriter::append(size_t tensor, std::span<const float> values) {
  constexpr size_t batch = 4096;
  std::array<std::byte, batch * sizeof(float)> buffer;
  DType type = tensor < cursors.size() ? cursors[tensor].dtype : DType::F32;
  while (!values.empty()) {
    std::span<const float> some = values.first(std::min(batch, values.size()));
    std::span<std::byte> out =
        std::span(buffer).first(some.size() * bitWidth(type) / 8);
    Status status = writeFloats(type, some, out);
    if (status.ok())
      status = append(tensor, out);
    if (!status.ok())
      return status;
    values = values.subspan(some.size());
  }
  return {};
}

Status SafetensorsWriter::finish() {
  if (!file.isOpen())
    return Status::failure(ErrorCode::InvalidArgument,
                           path + ": the file is finished already");
  for (const Cursor &cursor : cursors)
    if (cursor.next != cursor.end)
      return Status::failure(
          ErrorCode::InvalidArgument,
          path + ": " + tensorText(cursor.name) + " lacks its last " +
              std::to_string(cursor.end - cursor.next) + " bytes");
  return file.finish();
}

} // namespace moec::weights
