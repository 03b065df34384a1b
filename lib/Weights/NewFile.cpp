//===- NewFile.cpp - A file that appears as a whole -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A link stays a link: what it leads to is replaced.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/NewFile.h"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moec::weights {

static std::string resolved(const std::string &path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error))
    return path;
  std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target.string();
}

Result<NewFile> NewFile::create(const std::string &path) {
  NewFile made(path, resolved(path));
  struct stat info;
  bool isDevice = stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) &&
                  !S_ISDIR(info.st_mode);
  if (isDevice) {
    made.file = Descriptor(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!made.file.isOpen())
      return Status::fromErrno("open " + path, errno);
    return made;
  }
  removeLeftovers(made.place);
  auto temporary = makeTemporary(made.place, [](const std::string &name) {
    return open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  });
  if (!temporary)
    return std::move(temporary).status();
  made.temporary = std::move(temporary->first);
  made.file = std::move(temporary->second);
  return made;
}

NewFile::NewFile(NewFile &&other) noexcept
    : path(std::move(other.path)), place(std::move(other.place)),
      temporary(std::exchange(other.temporary, {})),
      file(std::move(other.file)) {}

NewFile::~NewFile() {
  if (!temporary.empty())
    unlink(temporary.c_str());
}

Status NewFile::reserve(uint64_t bytes) {
  // Some file systems cannot reserve; then writing tells.
  if (temporary.empty() ||
      fallocate(file.get(), 0, 0, static_cast<off_t>(bytes)) == 0 ||
      errno == EOPNOTSUPP || errno == ENOSYS)
    return {};
  return Status::fromErrno(
      "reserve " + std::to_string(bytes) + " bytes for " + path, errno);
}

Status NewFile::writeAt(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = pwrite(file.get(), bytes.data(), bytes.size(),
                             static_cast<off_t>(offset));
    if (written < 0 && errno == ESPIPE)
      written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return Status::fromErrno(
          "write " + path + " at byte " + std::to_string(offset), errno);
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Status NewFile::finish() {
  Descriptor locked(dup(file.get())); // Until it has its name.
  // Network file systems report a full disk no earlier than here.
  if (file.close() != 0)
    return Status::fromErrno("close " + path, errno);
  if (!temporary.empty() && rename(temporary.c_str(), place.c_str()) != 0)
    return Status::fromErrno("rename the new file to " + path, errno);
  temporary.clear();
  return {};
}

Status writeFile(const std::string &path, std::string_view text) {
  Result<NewFile> file = NewFile::create(path);
  if (!file)
    return std::move(file).status();
  Status status = file->writeAt(0, std::as_bytes(std::span(text)));
  return status.ok() ? file->finish() : status;
}

} // namespace moec::weights
