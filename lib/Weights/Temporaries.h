//===- Temporaries.h - What grows beside its place --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file or directory that is being written has a name of its own beside the
// place that it will take: ".NAME.tmp-PROCESS-COUNT". While its process lives,
// it is locked; so what a killed process left is told from what another one is
// writing, also from within another container.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_TEMPORARIES_H
#define MOEC_LIB_WEIGHTS_TEMPORARIES_H

#include "lib/Weights/Status.h"

#include <functional>
#include <string>

namespace moec::weights {

/// The descriptor of a file or directory; closes it.
class Descriptor {
public:
  Descriptor() = default;
  explicit Descriptor(int number) : number(number) {}
  Descriptor(Descriptor &&other) noexcept
      : number(std::exchange(other.number, -1)) {}
  Descriptor &operator=(Descriptor &&other) noexcept {
    std::swap(number, other.number);
    return *this;
  }
  ~Descriptor() { (void)close(); }

  bool isOpen() const { return number >= 0; }
  int get() const { return number; }
  /// 0, or -1 and errno.
  int close();

private:
  int number = -1;
};

/// "tmp": what is being written; "old": what is moved aside for it.
std::string temporaryName(const std::string &path, std::string_view kind);

/// Calls `make` with names until it makes something new, which is then locked
/// as long as the descriptor is open. `make` returns a descriptor, or -1 and
/// errno.
Result<std::pair<std::string, Descriptor>>
makeTemporary(const std::string &path,
              const std::function<int(const std::string &name)> &make);

/// Locks what a directory holds against `removeLeftovers`. Does nothing where
/// the file system has no locks.
Descriptor lockDirectory(const std::string &path);

/// Removes what processes that are no more left beside a path, but gives the
/// path back what was only moved aside, if it is worth it.
void removeLeftovers(
    const std::string &path,
    const std::function<bool(const std::string &)> &isWorthIt = {});

/// Removes what a process that is no more has begun to write for a path.
void removeTemporaries(const std::string &path, int process);

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_TEMPORARIES_H
