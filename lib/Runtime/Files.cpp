//===- Files.cpp - The files of an artifact -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Thin layers over the system calls, with every failure a Status.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Files.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

namespace moec::runtime {

Descriptor::~Descriptor() {
  if (number >= 0)
    ::close(number);
}

Mapping::~Mapping() {
  if (start)
    ::munmap(start, length);
}

Result<Mapping> Mapping::reserve(size_t bytes, std::string_view what) {
  Mapping mapping;
  if (bytes == 0)
    return mapping;
  void *start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED)
    return systemFailure(MOEC_E_MEMORY,
                         "cannot reserve " + std::to_string(bytes) +
                             " bytes for " + std::string(what),
                         errno);
  mapping.start = static_cast<unsigned char *>(start);
  mapping.length = bytes;
  return mapping;
}

Result<Mapping> Mapping::ofFile(const Descriptor &file, size_t bytes,
                                std::string_view what) {
  Mapping mapping;
  if (bytes == 0)
    return mapping;
  void *start = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  if (start == MAP_FAILED)
    return systemFailure(MOEC_E_MEMORY, "cannot map " + std::string(what),
                         errno);
  mapping.start = static_cast<unsigned char *>(start);
  mapping.length = bytes;
  return mapping;
}

Result<Directory> Directory::open(const std::string &path) {
  Directory result;
  result.path = path;
  result.directory =
      Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (result.directory.get() < 0)
    return systemFailure(MOEC_E_NOT_FOUND, "cannot open artifact " + path,
                         errno);
  return result;
}

std::string Directory::describe(std::string_view name) const {
  return path + "/" + std::string(name);
}

Result<Descriptor> Directory::openFile(const std::string &name) const {
  if (!isPlainRelative(name))
    return Status(MOEC_E_PATH,
                  inQuotes(name) + " is not a plain relative path");
  Descriptor folder;
  size_t start = 0;
  for (;;) {
    size_t slash = name.find('/', start);
    bool isLast = slash == name.npos;
    std::string part = name.substr(start, isLast ? slash : slash - start);
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    int flags =
        O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (isLast ? O_NONBLOCK : O_DIRECTORY);
    int from = folder.get() >= 0 ? folder.get() : directory.get();
    Descriptor next(::openat(from, part.c_str(), flags));
    if (next.get() < 0) {
      int error = errno;
      // With O_DIRECTORY a symbolic link is ENOTDIR, without it ELOOP.
      struct stat info;
      if (::fstatat(from, part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISLNK(info.st_mode))
        return Status(MOEC_E_PATH, describe(name) +
                                       " is or lies behind a symbolic link; "
                                       "an artifact holds its files itself");
      return systemFailure(MOEC_E_FILE, "cannot open " + describe(name), error);
    }
    if (isLast) {
      struct stat info;
      if (::fstat(next.get(), &info) != 0 || !S_ISREG(info.st_mode))
        return Status(MOEC_E_FILE, describe(name) + " is not a regular file");
      return next;
    }
    folder = std::move(next);
    start = slash + 1;
  }
}

Result<Descriptor> Directory::openFile(const FileEntry &entry) const {
  Result<Descriptor> file = openFile(entry.name);
  if (!file)
    return file;
  int64_t size = sizeOf(*file);
  if (size < 0 || uint64_t(size) != entry.bytes)
    return Status(MOEC_E_FILE, describe(entry.name) + ": has " +
                                   std::to_string(size) +
                                   " bytes, the manifest says " +
                                   std::to_string(entry.bytes));
  return file;
}

int64_t sizeOf(const Descriptor &file) {
  struct stat info;
  return ::fstat(file.get(), &info) == 0 ? int64_t(info.st_size) : -1;
}

/// Calls take(bytes, count) for each piece of the file, until it returns false.
template <typename Take>
static Status forEachPiece(const Descriptor &file, const std::string &name,
                           Take take) {
  std::vector<char> piece(size_t(1) << 20);
  for (off_t offset = 0;;) {
    ssize_t count = ::pread(file.get(), piece.data(), piece.size(), offset);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return systemFailure(MOEC_E_FILE, "cannot read " + name, errno);
    if (count == 0 || !take(piece.data(), size_t(count)))
      return Status();
    offset += count;
  }
}

Result<std::string> readAll(const Descriptor &file, const std::string &name,
                            size_t most) {
  std::string bytes;
  Status status = forEachPiece(file, name, [&](const char *data, size_t count) {
    bytes.append(data, count);
    return bytes.size() <= most;
  });
  if (!status.ok())
    return status;
  if (bytes.size() > most)
    return Status(MOEC_E_FILE,
                  name + ": has more than " + std::to_string(most) + " bytes");
  return bytes;
}

static std::string hexadecimal(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  std::string text;
  for (unsigned char byte : canonical.digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string checksumOf(std::string_view bytes) {
  return hexadecimal(XXH3_128bits(bytes.data(), bytes.size()));
}

Result<std::string> checksumOf(const Descriptor &file,
                               const std::string &name) {
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(
      XXH3_createState(), XXH3_freeState);
  if (!state)
    return Status(MOEC_E_MEMORY, "no memory to hash " + name);
  XXH3_128bits_reset(state.get());
  Status status = forEachPiece(file, name, [&](const char *data, size_t count) {
    XXH3_128bits_update(state.get(), data, count);
    return true;
  });
  if (!status.ok())
    return status;
  return hexadecimal(XXH3_128bits_digest(state.get()));
}

Result<Descriptor> openChecked(const Directory &directory,
                               const FileEntry &entry) {
  Result<Descriptor> file = directory.openFile(entry);
  if (!file)
    return file;
  std::string name = directory.describe(entry.name);
  Result<std::string> checksum = checksumOf(*file, name);
  if (!checksum)
    return checksum.status();
  if (*checksum != entry.checksum)
    return Status(MOEC_E_CHECKSUM,
                  name + ": the checksum is " + *checksum +
                      ", the manifest says " + entry.checksum +
                      "; the file is damaged, copy or compile it again");
  return file;
}

} // namespace moec::runtime
