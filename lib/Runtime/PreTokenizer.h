//===- PreTokenizer.h - Cutting text into words -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pre-tokenizers in front of a byte-level BPE: Digits, Split and, last,
// ByteLevel.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_PRETOKENIZER_H
#define MOEC_LIB_RUNTIME_PRETOKENIZER_H

#include "lib/Runtime/Json.h"
#include "lib/Runtime/Regex.h"

#include <functional>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

namespace moec::runtime {

class PreTokenizer {
public:
  /// From the value of "pre_tokenizer".
  static PreTokenizer parse(const Json &value, JsonErrors &errors);

  /// Calls word(bytes) for each word of the text, which is not empty.
  Status forEachWord(std::string_view text,
                     const std::function<void(std::string_view)> &word) const;

private:
  enum class Behavior {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous
  };
  /// What cuts: a pattern, a literal text, or digits.
  struct Digits {};
  struct Splitter {
    std::variant<Regex, std::string, Digits> pattern;
    Behavior behavior = Behavior::Isolated;
    bool isInverted = false;
  };

  void parseOne(JsonObject object, bool isLast);
  void parseByteLevel(JsonObject &object);
  void parseSplit(JsonObject &object);
  void parsePattern(JsonObject pattern, Splitter &splitter);
  static Behavior parseBehavior(JsonObject &object);

  static Status cut(const Splitter &splitter, std::string_view text,
                    std::vector<std::string_view> &pieces);
  static std::vector<TextPart> merge(std::vector<TextPart> parts,
                                     Behavior behavior);

  std::vector<Splitter> splitters;
  bool addPrefixSpace = false;
  std::optional<Splitter> words; ///< Of ByteLevel, when it has a pattern.
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_PRETOKENIZER_H
