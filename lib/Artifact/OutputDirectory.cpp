//===- OutputDirectory.cpp - A directory that appears as a whole ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Directories cannot replace each other by a plain rename, but they can
// exchange their names, so that there is an artifact at every moment. Where the
// file system cannot do that, the old one is moved aside first, and back again
// if the new one cannot take its place.
//
//===----------------------------------------------------------------------===//

#include "lib/Artifact/OutputDirectory.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace moec::artifact {

using weights::ErrorCode;
using weights::Result;
using weights::Status;
namespace fs = std::filesystem;

//===----------------------------------------------------------------------===//
// The directory
//===----------------------------------------------------------------------===//

static void removeAll(const std::string &path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

/// Whether there is something at a path, a dangling link included.
static bool exists(const std::string &path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

static bool isArtifact(const std::string &path) {
  return fs::is_directory(fs::symlink_status(path)) &&
         exists(path + "/manifest.json") &&
         exists(path + "/manifest.json.xxh3");
}

/// What is at the path may be replaced only if it is an artifact.
static Status checkReplaceable(const std::string &path) {
  if (!exists(path) || isArtifact(path))
    return {};
  return Status::failure(ErrorCode::Occupied,
                         path + ": exists and is no artifact; it is not "
                                "overwritten, choose another name or remove "
                                "it");
}

static std::string withoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  return path;
}

Result<OutputDirectory> OutputDirectory::create(const std::string &path,
                                                uint64_t neededBytes) {
  OutputDirectory directory(withoutTrailingSlashes(path), neededBytes);
  if (fs::path(directory.path).filename().empty() || directory.path == "." ||
      directory.path == "..")
    return Status::failure(ErrorCode::Occupied,
                           "'" + path + "' is no name for an artifact");
  weights::removeLeftovers(directory.path, isArtifact);
  Status status = checkReplaceable(directory.path);
  if (status.ok())
    status = directory.checkSpace();
  if (status.ok())
    status = directory.makeTemporary();
  if (!status.ok())
    return status;
  return directory;
}

OutputDirectory::OutputDirectory(OutputDirectory &&other) noexcept
    : path(std::move(other.path)), neededBytes(other.neededBytes),
      temporary(std::exchange(other.temporary, {})),
      lock(std::move(other.lock)) {}

OutputDirectory::~OutputDirectory() {
  if (!temporary.empty())
    removeAll(temporary);
}

Status OutputDirectory::makeTemporary() {
  auto made = weights::makeTemporary(path, [](const std::string &name) {
    if (mkdir(name.c_str(), 0777) != 0)
      return -1;
    int directory = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
      rmdir(name.c_str());
    return directory;
  });
  if (!made)
    return explained(std::move(made).status());
  temporary = std::move(made->first);
  lock = std::move(made->second);
  return {};
}

/// Bytes that are free where the directory goes, if the system says so.
static std::optional<uint64_t> freeBytes(const std::string &path) {
  std::string parent = fs::path(path).parent_path().string();
  struct statvfs info;
  if (statvfs(parent.empty() ? "." : parent.c_str(), &info) != 0)
    return std::nullopt;
  return uint64_t(info.f_bavail) * info.f_frsize;
}

Status OutputDirectory::checkSpace() const {
  std::optional<uint64_t> available = freeBytes(path);
  if (!available || *available >= neededBytes)
    return {};
  return explained(
      Status::failure(ErrorCode::NoSpace, "no room for the artifact " + path));
}

Status OutputDirectory::explained(Status status) const {
  if (status.code() != ErrorCode::NoSpace)
    return status;
  std::optional<uint64_t> available = freeBytes(path);
  std::string message =
      status.message() + ": needs " + std::to_string(neededBytes) + " bytes";
  if (available)
    message += ", " + std::to_string(*available) + " are available";
  return Status::failure(ErrorCode::NoSpace,
                         message + " (a file size limit or a quota may allow "
                                   "fewer)");
}

Status OutputDirectory::makeDirectory(const std::string &name) {
  if (mkdir((temporary + "/" + name).c_str(), 0777) == 0)
    return {};
  int error = errno;
  return explained(
      Status::fromErrno("create " + temporary + "/" + name, error));
}

/// Takes the place of the artifact at `path`.
Status OutputDirectory::replace() {
  if (renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(),
                RENAME_EXCHANGE) == 0) {
    removeAll(std::exchange(temporary, {}));
    return {};
  }
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
    return Status::fromErrno("replace " + path, errno);
  weights::Descriptor old = weights::lockDirectory(path);
  std::string aside = weights::temporaryName(path, "old");
  if (rename(path.c_str(), aside.c_str()) != 0)
    return Status::fromErrno("move the artifact " + path + " aside", errno);
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    int error = errno;
    (void)rename(aside.c_str(), path.c_str());
    return Status::fromErrno("rename " + temporary + " to " + path, error);
  }
  temporary.clear();
  removeAll(aside);
  return {};
}

Status OutputDirectory::finish() {
  if (exists(path)) {
    // It may have come while the new one was made.
    Status status = checkReplaceable(path);
    return status.ok() ? replace() : status;
  }
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return Status::fromErrno("rename " + temporary + " to " + path, errno);
  temporary.clear();
  return {};
}

//===----------------------------------------------------------------------===//
// A file
//===----------------------------------------------------------------------===//

namespace {

/// While it lives, a write beyond the process's file size limit fails instead
/// of ending the process, in this thread.
class SizeLimitSignalHeld {
public:
  SizeLimitSignalHeld() {
    sigemptyset(&signal);
    sigaddset(&signal, SIGXFSZ);
    sigset_t pending;
    sigpending(&pending);
    wasPending = sigismember(&pending, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &signal, &before);
  }
  ~SizeLimitSignalHeld() {
    timespec now = {};
    if (!wasPending)
      sigtimedwait(&signal, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

private:
  sigset_t signal, before;
  bool wasPending;
};

} // namespace

Result<OutputFile> OutputFile::create(const OutputDirectory &directory,
                                      const std::string &name) {
  OutputFile file;
  file.name = directory.temporaryPath() + "/" + name;
  file.descriptor = weights::Descriptor(
      open(file.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.descriptor.isOpen())
    return Status::fromErrno("create " + file.name, errno);
  return file;
}

Status OutputFile::write(std::span<const std::byte> bytes) {
  SizeLimitSignalHeld held;
  sum->add(bytes);
  while (!bytes.empty()) {
    ssize_t count = ::write(descriptor.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return Status::fromErrno(
          "write " + name + " at byte " + std::to_string(written), errno);
    written += static_cast<uint64_t>(count);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return {};
}

Status OutputFile::fillTo(uint64_t offset) {
  static constexpr std::byte zeros[4096] = {};
  while (written < offset) {
    uint64_t count = std::min<uint64_t>(sizeof(zeros), offset - written);
    Status status = write(std::span(zeros).first(count));
    if (!status.ok())
      return status;
  }
  return {};
}

Status OutputFile::close() {
  // Network file systems report a full disk no earlier than here.
  if (descriptor.close() != 0)
    return Status::fromErrno("close " + name, errno);
  return {};
}

} // namespace moec::artifact
