//===- Tokenizer.cpp - Text to token ids and back -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The order of the tokenizers package: added tokens are found in the text as it
// is, what lies between them is normalized and searched for those added tokens
// that count as normalized, the rest is cut into words, and each word goes
// through the model.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Tokenizer.h"

namespace moec::runtime {

static constexpr size_t longestText = size_t(1) << 30;

Result<std::string> Tokenizer::normalize(std::string_view text) const {
  if (!composes)
    return std::string(text);
  return composed(text);
}

Status Tokenizer::encodePiece(std::string_view text,
                              std::vector<int32_t> &ids) const {
  Result<std::string> normal = normalize(text);
  if (!normal)
    return normal.status();
  Status status;
  added.split(*normal, true, [&](std::string_view piece, int32_t id) {
    if (id >= 0)
      ids.push_back(id);
    else if (status.ok())
      status = preTokenizer.forEachWord(
          piece, [&](std::string_view word) { model.encode(word, ids); });
  });
  return status;
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text,
                                               bool addSpecialTokens) const {
  if (text.size() > longestText)
    return Status(MOEC_E_TEXT, "the text has " + std::to_string(text.size()) +
                                   " bytes, the limit is " +
                                   std::to_string(longestText));
  if (size_t at = findInvalidUtf8(text); at != text.npos)
    return Status(MOEC_E_TEXT,
                  "the text is not UTF-8 at byte " + std::to_string(at));
  std::vector<int32_t> ids;
  Status status;
  added.split(text, false, [&](std::string_view piece, int32_t id) {
    if (id >= 0)
      ids.push_back(id);
    else if (status.ok())
      status = encodePiece(piece, ids);
  });
  if (!status.ok())
    return status;
  std::vector<int32_t> result;
  for (const TemplatePart &part : pattern) {
    if (part.isText)
      result.insert(result.end(), ids.begin(), ids.end());
    else if (addSpecialTokens)
      result.insert(result.end(), part.ids.begin(), part.ids.end());
  }
  return result;
}

std::string_view Tokenizer::bytesOf(int32_t id, bool skipSpecialTokens) const {
  const std::string *bytes = added.bytesOf(id);
  if (!bytes)
    bytes = model.bytesOf(id);
  if (!bytes)
    return {};
  const AddedToken *token = added.find(id);
  return token && token->isSpecial && skipSpecialTokens
             ? std::string_view()
             : std::string_view(*bytes);
}

const std::string &TextStream::push(int32_t id) {
  text.clear();
  repair.push(tokenizer->bytesOf(id, skips), text);
  return text;
}

const std::string &TextStream::finish() {
  text.clear();
  repair.finish(text);
  return text;
}

} // namespace moec::runtime
