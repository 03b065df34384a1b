//===- StrictJson.h - JSON from strangers -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads JSON as a stream of events, so that a hostile document costs no more
// than what its reader keeps. On top of nlohmann's parser it refuses duplicate
// keys, deep nesting and NUL bytes (which that parser takes for the end).
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_STRICTJSON_H
#define MOEC_LIB_WEIGHTS_STRICTJSON_H

#include "lib/Weights/Status.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace moec::weights {

/// Nesting beyond this is refused; serde_json's limit, hence that of the
/// safetensors project.
inline constexpr size_t maxJsonDepth = 128;

/// Longest header of a file, and longest index of a checkpoint.
inline constexpr uint64_t maxJsonBytes = 100'000'000;

/// A scalar, or the opening of an array or object.
struct JsonValue {
  enum class Kind {
    Null,
    Boolean,
    Unsigned,
    OtherNumber,
    String,
    Array,
    Object
  };

  Kind kind;
  uint64_t number = 0;        ///< Of an Unsigned.
  std::string_view text = {}; ///< Of a String; valid during the call only.

  bool opens() const { return kind == Kind::Array || kind == Kind::Object; }
  /// "a string", "an object", ...
  std::string_view describe() const;
};

class JsonReader {
public:
  virtual ~JsonReader() = default;
  virtual Status key(std::string_view key) = 0;
  virtual Status value(const JsonValue &value) = 0;
  /// The innermost array or object ends.
  virtual Status close() = 0;
};

/// Feeds the one document in `text` to `reader` and stops at the first failure,
/// be it the document's or the reader's.
Status readStrictJson(std::string_view text, JsonReader &reader);

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_STRICTJSON_H
