//===- Status.cpp - How the weight readers report failure -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names of error codes, and text from hostile files made fit for a terminal.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Status.h"

#include <cerrno>
#include <system_error>

namespace moec::weights {

std::string_view name(ErrorCode code) {
  switch (code) {
  case ErrorCode::None:
    return "none";
  case ErrorCode::Io:
    return "io";
  case ErrorCode::NoSpace:
    return "no-space";
  case ErrorCode::OutOfMemory:
    return "out-of-memory";
  case ErrorCode::NotFound:
    return "not-found";
  case ErrorCode::Ambiguous:
    return "ambiguous";
  case ErrorCode::InvalidArgument:
    return "invalid-argument";
  case ErrorCode::UnsupportedType:
    return "unsupported-type";
  case ErrorCode::Occupied:
    return "occupied";
  case ErrorCode::JsonSyntax:
    return "json-syntax";
  case ErrorCode::JsonTooDeep:
    return "json-too-deep";
  case ErrorCode::JsonDuplicateKey:
    return "json-duplicate-key";
  case ErrorCode::JsonField:
    return "json-field";
  case ErrorCode::HeaderTooSmall:
    return "header-too-small";
  case ErrorCode::HeaderTooLarge:
    return "header-too-large";
  case ErrorCode::HeaderTruncated:
    return "header-truncated";
  case ErrorCode::HeaderStart:
    return "header-start";
  case ErrorCode::UnknownType:
    return "unknown-type";
  case ErrorCode::SizeOverflow:
    return "size-overflow";
  case ErrorCode::MisalignedSize:
    return "misaligned-size";
  case ErrorCode::SizeMismatch:
    return "size-mismatch";
  case ErrorCode::InvalidOffset:
    return "invalid-offset";
  case ErrorCode::IncompleteBuffer:
    return "incomplete-buffer";
  case ErrorCode::IndexTooLarge:
    return "index-too-large";
  case ErrorCode::ShardName:
    return "shard-name";
  case ErrorCode::ShardEscape:
    return "shard-escape";
  case ErrorCode::TensorMissing:
    return "tensor-missing";
  case ErrorCode::TensorDuplicated:
    return "tensor-duplicated";
  }
  return "unknown";
}

std::string inQuotes(std::string_view text) {
  constexpr size_t limit = 120;
  constexpr char hex[] = "0123456789abcdef";
  std::string out = "'";
  for (unsigned char c : text.substr(0, limit)) {
    if (c >= 0x20 && c < 0x7f && c != '\'' && c != '\\') {
      out += static_cast<char>(c);
      continue;
    }
    out += "\\x";
    out += hex[c >> 4];
    out += hex[c & 15];
  }
  out += "'";
  if (text.size() > limit)
    out += "... (" + std::to_string(text.size()) + " bytes)";
  return out;
}

Status Status::fromErrno(std::string_view action, int error) {
  bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  ErrorCode code = full              ? ErrorCode::NoSpace
                   : error == ENOENT ? ErrorCode::NotFound
                   : error == ENOMEM ? ErrorCode::OutOfMemory
                                     : ErrorCode::Io;
  return failure(code, "cannot " + std::string(action) + ": " +
                           std::generic_category().message(error));
}

} // namespace moec::weights
