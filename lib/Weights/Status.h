//===- Status.h - How the weight readers report failure ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A typed code to branch on and a message to show: which file, which tensor,
// at which offset, which limit and which actual value. Nothing in lib/Weights
// throws across its interface; every failure is one of these.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_STATUS_H
#define MOEC_LIB_WEIGHTS_STATUS_H

#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace moec::weights {

enum class ErrorCode : uint8_t {
  None,

  // The machine.
  Io,          ///< The system refused to open, map, read, write or rename.
  NoSpace,     ///< The disk, a quota or the file size limit is exhausted.
  OutOfMemory, ///< Not enough memory for the tables of a checkpoint.

  // The request.
  NotFound,        ///< No file or checkpoint at this place.
  Ambiguous,       ///< Several files could be meant.
  InvalidArgument, ///< The caller broke a rule of the function.
  UnsupportedType, ///< A known element type that this operation cannot do.
  Occupied,        ///< What is at this place is not to be overwritten.

  // JSON, of a header or of an index.
  JsonSyntax,       ///< Not JSON, or not UTF-8.
  JsonTooDeep,      ///< Nested beyond the limit.
  JsonDuplicateKey, ///< One object says the same key twice.
  JsonField,        ///< A member is missing or of the wrong kind.

  // A safetensors file.
  HeaderTooSmall,   ///< No room for the eight bytes of the length.
  HeaderTooLarge,   ///< A header beyond the format's limit.
  HeaderTruncated,  ///< The header would end after the file does.
  HeaderStart,      ///< The header does not begin with '{'.
  UnknownType,      ///< A dtype that the format does not define.
  SizeOverflow,     ///< Shape times element size exceeds 64 bits.
  MisalignedSize,   ///< Elements below a byte do not fill whole bytes.
  SizeMismatch,     ///< Shape and dtype disagree with data_offsets.
  InvalidOffset,    ///< Reversed, overlapping, or leaving a hole.
  IncompleteBuffer, ///< The tensors do not end where the file does.

  // A checkpoint of several files.
  IndexTooLarge,    ///< An index beyond the limit of a header.
  ShardName,        ///< A shard is not a plain file name in its directory.
  ShardEscape,      ///< A shard is a symbolic link out of the checkpoint.
  TensorMissing,    ///< A tensor that is promised or asked for is not there.
  TensorDuplicated, ///< Two shards hold a tensor of the same name.
};

/// The stable name of a code, for example "invalid-offset".
std::string_view name(ErrorCode code);

/// Text from a file, fit for a message: in quotes, without control characters,
/// and shortened when long.
std::string inQuotes(std::string_view text);

class [[nodiscard]] Status {
public:
  Status() = default;

  static Status failure(ErrorCode code, std::string message) {
    assert(code != ErrorCode::None && "a failure has a reason");
    Status status;
    status.errorCode = code;
    status.text = std::move(message);
    return status;
  }

  /// The failure that errno describes: "cannot <action>: <reason>".
  static Status fromErrno(std::string_view action, int error);

  bool ok() const { return errorCode == ErrorCode::None; }
  ErrorCode code() const { return errorCode; }
  const std::string &message() const { return text; }

  /// The same failure with "<context>: " in front; success stays success.
  Status in(std::string_view context) && {
    if (!ok())
      text.insert(0, std::string(context) + ": ");
    return std::move(*this);
  }

private:
  ErrorCode errorCode = ErrorCode::None;
  std::string text;
};

/// A value, or the reason why there is none.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : held(std::move(value)) {}
  Result(Status status) : why(std::move(status)) {
    assert(!why.ok() && "a result without a value needs a reason");
  }

  explicit operator bool() const { return held.has_value(); }
  T &operator*() { return *held; }
  const T &operator*() const { return *held; }
  T *operator->() { return &*held; }
  const T *operator->() const { return &*held; }

  const Status &status() const & { return why; }
  Status &&status() && { return std::move(why); }

private:
  std::optional<T> held;
  Status why;
};

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_STATUS_H
