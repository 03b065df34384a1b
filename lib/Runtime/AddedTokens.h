//===- AddedTokens.h - Tokens found before the model ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The added tokens of tokenizer.json: found in the text as they are spelled,
// never cut or merged.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_ADDEDTOKENS_H
#define MOEC_LIB_RUNTIME_ADDEDTOKENS_H

#include "lib/Runtime/Bpe.h"
#include "lib/Runtime/Json.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace moec::runtime {

/// Finds any of a set of texts: the leftmost occurrence, the longest there.
class TextSet {
public:
  /// False when the set has this text already.
  bool add(std::string_view text, int32_t value);

  bool empty() const { return nodes.size() == 1; }
  /// The longest text of the set that `text` begins with.
  struct Match {
    int32_t value;
    size_t length;
  };
  std::optional<Match> longestAt(std::string_view text) const;

private:
  struct Node {
    std::map<char, uint32_t> next;
    int32_t value = -1;
  };
  std::vector<Node> nodes = {Node()};
};

struct AddedToken {
  std::string content;
  bool isSpecial = false, isNormalized = false;
  bool stripsLeft = false, stripsRight = false;

  bool operator==(const AddedToken &) const = default;
};

class AddedTokens {
public:
  using Normalizer = std::function<Result<std::string>(std::string_view)>;

  /// From the value of "added_tokens".
  static AddedTokens parse(const Json &value, const Bpe &model,
                           const Normalizer &normalizer, JsonErrors &errors);

  /// Calls piece(text, id) for the parts of a text in order; the id is -1 where
  /// there is no token. `isNormalized` chooses which tokens are looked for:
  /// those of the text as given or those of the normalized one.
  void split(std::string_view text, bool isNormalized,
             const std::function<void(std::string_view, int32_t)> &piece) const;

  /// Null when it is not an added token.
  const AddedToken *find(int32_t id) const;
  /// The bytes that an added token decodes to.
  const std::string *bytesOf(int32_t id) const;

private:
  void add(JsonObject object, const Bpe &model, const Normalizer &normalizer);
  void checkId(JsonObject &object, int32_t id, const Bpe &model);

  TextSet given, normalized;
  std::unordered_map<std::string, int32_t> ids;
  std::unordered_map<int32_t, AddedToken> tokens;
  std::unordered_map<int32_t, std::string> bytes;
  int32_t nextId = 0;
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_ADDEDTOKENS_H
