//===- Bpe.h - Byte pair encoding -------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Words to token ids by the model "BPE" of tokenizer.json, over bytes.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_BPE_H
#define MOEC_LIB_RUNTIME_BPE_H

#include "lib/Runtime/Json.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace moec::runtime {

/// The bytes that a token of the byte-level alphabet stands for. A token with a
/// character outside of that alphabet stands for its own UTF-8.
std::string bytesOfToken(std::string_view token);

class Bpe {
public:
  /// From the value of "model".
  static Bpe parse(const Json &value, JsonErrors &errors);

  /// Appends the ids of one word.
  void encode(std::string_view word, std::vector<int32_t> &ids) const;

  /// The token's id, or -1.
  int32_t idOf(const std::string &token) const;
  /// Bytes of a token; null when there is no such id.
  const std::string *bytesOf(int32_t id) const;
  size_t size() const { return vocabulary.size(); }

private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  struct Symbol {
    int32_t id;
    int32_t previous, next; ///< -1: none
    bool isGone;
  };
  struct Candidate;

  void checkKind(JsonObject &object);
  void parseVocabulary(JsonObject &object);
  void parseMerges(JsonObject &object);
  void addMerge(const std::string &left, const std::string &right,
                uint32_t rank, const std::string &where, JsonErrors &errors);
  void parseUnknown(JsonObject &object);
  void indexBytes();

  const Merge *mergeOf(int32_t left, int32_t right) const;
  std::vector<Symbol> symbolsOf(std::string_view word) const;
  void mergeAll(std::vector<Symbol> &symbols) const;

  std::unordered_map<std::string, int32_t> vocabulary;
  std::unordered_map<int32_t, std::string> bytes;
  std::unordered_map<uint64_t, Merge> merges; ///< Key: left id, right id.
  std::array<int32_t, 256> byteIds; ///< -1: the vocabulary lacks the byte.
  /// Whole words, when they go before merges.
  std::unordered_map<std::string, int32_t> words;
  std::optional<int32_t> unknown; ///< For bytes that are not in the vocabulary.
  bool fusesUnknown = false;
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_BPE_H
