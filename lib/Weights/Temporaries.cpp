//===- Temporaries.cpp - What grows beside its place ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Who finds a temporary that it can lock removes it, with the lock held. So
// whoever makes one looks, once it has the lock, whether it is still there.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Temporaries.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moec::weights {

namespace fs = std::filesystem;

int Descriptor::close() {
  int old = std::exchange(number, -1);
  return old < 0 ? 0 : ::close(old);
}

static fs::path placeOf(const std::string &path) {
  fs::path place(path);
  return place.has_filename() ? place : place.parent_path();
}

/// ".NAME.tmp-".
static std::string prefixOf(const fs::path &place, std::string_view kind) {
  return "." + place.filename().string() + "." + std::string(kind) + "-";
}

std::string temporaryName(const std::string &path, std::string_view kind) {
  static std::atomic<unsigned> counter = 0;
  fs::path place = placeOf(path);
  std::string name = prefixOf(place, kind) + std::to_string(getpid()) + "-" +
                     std::to_string(counter++);
  return (place.parent_path() / name).string();
}

/// Whether the name still leads to what the descriptor is of.
static bool isThere(const std::string &name, int descriptor) {
  struct stat named, open;
  return lstat(name.c_str(), &named) == 0 && fstat(descriptor, &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

Result<std::pair<std::string, Descriptor>>
makeTemporary(const std::string &path,
              const std::function<int(const std::string &name)> &make) {
  // A process of the same number may have died here and left its own.
  int error = EEXIST;
  for (int attempt = 0; attempt < 100 && error == EEXIST; ++attempt) {
    std::string name = temporaryName(path, "tmp");
    Descriptor made(make(name));
    if (!made.isOpen()) {
      error = errno;
      continue;
    }
    // Without locks on this file system nobody removes what is not their own.
    bool isTaken =
        flock(made.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (!isTaken && isThere(name, made.get()))
      return std::pair(std::move(name), std::move(made));
  }
  return Status::fromErrno("create " + path, error);
}

Descriptor lockDirectory(const std::string &path) {
  Descriptor directory(
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory.isOpen())
    (void)flock(directory.get(), LOCK_EX | LOCK_NB);
  return directory;
}

/// The entries beside a place whose names are the prefix and what
/// `temporaryName` puts behind it.
static std::vector<fs::path> temporaries(const fs::path &place,
                                         const std::string &prefix) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::path parent = place.has_parent_path() ? place.parent_path() : ".";
  for (fs::directory_iterator at(parent, error), end; !error && at != end;
       at.increment(error)) {
    std::string name = at->path().filename().string();
    if (name.starts_with(prefix) && name.size() > prefix.size() &&
        name.find_first_not_of("0123456789-", prefix.size()) ==
            std::string::npos)
      found.push_back(at->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

static void removeAll(const fs::path &path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

void removeLeftovers(
    const std::string &path,
    const std::function<bool(const std::string &)> &isWorthIt) {
  fs::path place = placeOf(path);
  for (const char *kind : {"old", "tmp"})
    for (const fs::path &left : temporaries(place, prefixOf(place, kind))) {
      Descriptor held(
          open(left.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (!held.isOpen() || flock(held.get(), LOCK_EX | LOCK_NB) != 0 ||
          !isThere(left, held.get()))
        continue;
      struct stat info;
      bool isMovedAside = std::string_view(kind) == "old" &&
                          lstat(place.c_str(), &info) != 0 && errno == ENOENT &&
                          isWorthIt && isWorthIt(left);
      if (!isMovedAside || rename(left.c_str(), place.c_str()) != 0)
        removeAll(left);
    }
}

void removeTemporaries(const std::string &path, int process) {
  fs::path place = placeOf(path);
  std::string prefix = prefixOf(place, "tmp") + std::to_string(process) + "-";
  for (const fs::path &left : temporaries(place, prefix))
    removeAll(left);
}

} // namespace moec::weights
