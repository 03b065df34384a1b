//===- SafetensorsWriter.cpp - Writes a safetensors file ------------------===//
//
// Part of the moec project, under the Apache License v2.0 with LLVM Exceptions.
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
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <new>
#include <numeric>

#include <fcntl.h>
#include <unistd.h>

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

  SafetensorsWriter writer;
  writer.path = path;
  writer.cursors.resize(declarations.size());
  uint64_t fileSize = header->size();
  for (size_t i = 0; i < plan->tensors.size(); ++i) {
    const TensorInfo &tensor = plan->tensors[i];
    writer.cursors[plan->declared[i]] = {tensor.name, tensor.dtype,
                                         header->size() + tensor.begin,
                                         header->size() + tensor.end};
    fileSize = header->size() + tensor.end;
  }
  Status status = writer.openTemporary();
  if (status.ok())
    status = writer.reserve(fileSize);
  if (status.ok())
    status = writer.writeAt(0, std::as_bytes(std::span(*header)));
  if (!status.ok())
    return std::move(status).in(path);
  return writer;
} catch (const std::bad_alloc &) {
  return Status::failure(ErrorCode::OutOfMemory,
                         "not enough memory for the tables of a file");
}

SafetensorsWriter::SafetensorsWriter(SafetensorsWriter &&other) noexcept
    : path(std::move(other.path)),
      temporaryPath(std::exchange(other.temporaryPath, {})),
      descriptor(std::exchange(other.descriptor, -1)),
      cursors(std::move(other.cursors)) {}

SafetensorsWriter::~SafetensorsWriter() {
  if (descriptor >= 0)
    close(descriptor);
  if (!temporaryPath.empty())
    unlink(temporaryPath.c_str());
}

Status SafetensorsWriter::openTemporary() {
  static std::atomic<unsigned> counter = 0;
  std::filesystem::path place(path);
  // A process of the same number may have died here and left its file.
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = "." + place.filename().string() + ".tmp-" +
                       std::to_string(getpid()) + "-" +
                       std::to_string(counter++);
    std::string candidate = (place.parent_path() / name).string();
    descriptor =
        open(candidate.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0) {
      temporaryPath = std::move(candidate);
      return {};
    }
    if (errno != EEXIST)
      break;
  }
  return Status::fromErrno("create a temporary file beside it", errno);
}

Status SafetensorsWriter::reserve(uint64_t fileSize) {
  if (fallocate(descriptor, 0, 0, static_cast<off_t>(fileSize)) == 0)
    return {};
  // Some file systems cannot reserve; then writing tells.
  if (errno == EOPNOTSUPP || errno == ENOSYS)
    return {};
  int error = errno;
  return Status::fromErrno("reserve " + std::to_string(fileSize) + " bytes",
                           error);
}

Status SafetensorsWriter::writeAt(uint64_t offset,
                                  std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = pwrite(descriptor, bytes.data(), bytes.size(),
                             static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0) {
      int error = errno;
      return Status::fromErrno("write at byte " + std::to_string(offset),
                               error);
    }
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Status SafetensorsWriter::append(size_t tensor,
                                 std::span<const std::byte> bytes) {
  if (descriptor < 0 || tensor >= cursors.size())
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
  Status status = writeAt(cursor.next, bytes);
  if (!status.ok())
    return std::move(status).in(path);
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
  if (descriptor < 0)
    return Status::failure(ErrorCode::InvalidArgument,
                           path + ": the file is finished already");
  for (const Cursor &cursor : cursors)
    if (cursor.next != cursor.end)
      return Status::failure(
          ErrorCode::InvalidArgument,
          path + ": " + tensorText(cursor.name) + " lacks its last " +
              std::to_string(cursor.end - cursor.next) + " bytes");
  // Network file systems report a full disk no earlier than here.
  if (close(std::exchange(descriptor, -1)) != 0)
    return Status::fromErrno("close", errno).in(path);
  if (rename(temporaryPath.c_str(), path.c_str()) != 0)
    return Status::fromErrno("rename the temporary file", errno).in(path);
  temporaryPath.clear();
  return {};
}

} // namespace moec::weights
