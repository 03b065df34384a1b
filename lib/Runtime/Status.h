//===- Status.h - How the runtime reports failure ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A code of Runtime.h and a message, returned by value. Only CApi.cpp turns
// them into `moec_error` objects.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_STATUS_H
#define MOEC_LIB_RUNTIME_STATUS_H

#include "moec/Runtime.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace moec::runtime {

class [[nodiscard]] Status {
public:
  Status() = default;
  Status(moec_code code, std::string message)
      : kind(code), text(std::move(message)) {}

  bool ok() const { return kind == MOEC_OK; }
  moec_code code() const { return kind; }
  const std::string &message() const { return text; }

private:
  moec_code kind = MOEC_OK;
  std::string text;
};

/// A value, or the reason why there is none.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : held(std::move(value)) {}
  Result(Status status) : why(std::move(status)) {}

  explicit operator bool() const { return held.has_value(); }
  T &operator*() { return *held; }
  const T &operator*() const { return *held; }
  T *operator->() { return &*held; }
  const T *operator->() const { return &*held; }

  const Status &status() const { return why; }

private:
  std::optional<T> held;
  Status why;
};

/// Text from a file, fit for a message: in quotes, without control characters,
/// and shortened when long.
std::string inQuotes(std::string_view text);

/// The failure that `error` (an errno) describes: "<action>: <reason>".
Status systemFailure(moec_code code, std::string_view action, int error);

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_STATUS_H
