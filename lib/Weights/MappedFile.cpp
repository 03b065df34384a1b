//===- MappedFile.cpp - A file as memory ----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// open, fstat, mmap, and madvise.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/MappedFile.h"

#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moec::weights {

namespace {

Result<std::span<const std::byte>> mapDescriptor(int descriptor) {
  struct stat info;
  if (fstat(descriptor, &info) != 0)
    return Status::fromErrno("stat", errno);
  if (!S_ISREG(info.st_mode))
    return Status::failure(ErrorCode::Io, "not a regular file");
  size_t size = static_cast<size_t>(info.st_size);
  if (size == 0) // mmap refuses empty mappings.
    return std::span<const std::byte>();
  void *base = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED)
    return Status::fromErrno("map", errno);
  return std::span(static_cast<const std::byte *>(base), size);
}

} // namespace

Result<MappedFile> MappedFile::open(const std::string &path) {
  // Without O_NONBLOCK, opening a named pipe would wait for its writer.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return Status::fromErrno("open", errno).in(path);
  Result<std::span<const std::byte>> contents = mapDescriptor(descriptor);
  close(descriptor);
  if (!contents)
    return std::move(contents).status().in(path);
  return MappedFile(*contents);
}

MappedFile::~MappedFile() {
  if (!contents.empty())
    munmap(const_cast<std::byte *>(contents.data()), contents.size());
}

void MappedFile::release(std::span<const std::byte> part) const {
  if (part.empty())
    return;
  uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uintptr_t begin = reinterpret_cast<uintptr_t>(part.data()) & ~(page - 1);
  uintptr_t end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
  // Advice only: when the system ignores it, the pages stay until it needs
  // them.
  (void)madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

} // namespace moec::weights
