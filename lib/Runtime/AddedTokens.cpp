//===- AddedTokens.cpp - Tokens that are found before the model runs ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A trie of the tokens is walked from each position of the text. Tokens are
// short and seldom begin alike, so this is nearly linear; the length limit
// keeps the worst case in bounds.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/AddedTokens.h"

#include "lib/Runtime/Utf8.h"

#include <algorithm>

namespace moec::runtime {

namespace {

constexpr size_t mostAddedTokens = 1 << 17;
constexpr size_t longestAddedToken = 1024;

/// Start of the white space at the end of a text.
size_t startOfTrailingSpace(std::string_view text) {
  size_t start = text.size();
  while (start > 0) {
    size_t at = start - 1;
    while (at > 0 && (text[at] & 0xC0) == 0x80)
      --at;
    std::string_view last = text.substr(at, start - at);
    if (!isWhiteSpace(takeCharacter(last)))
      break;
    start = at;
  }
  return start;
}

size_t sizeOfLeadingSpace(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view after = rest;
    if (!isWhiteSpace(takeCharacter(after)))
      break;
    rest = after;
  }
  return text.size() - rest.size();
}

} // namespace

bool TextSet::add(std::string_view text, int32_t value) {
  uint32_t node = 0;
  for (char byte : text) {
    auto [place, isNew] =
        nodes[node].next.emplace(byte, uint32_t(nodes.size()));
    node = place->second;
    if (isNew)
      nodes.emplace_back();
  }
  if (nodes[node].value >= 0)
    return false;
  nodes[node].value = value;
  return true;
}

std::optional<TextSet::Match> TextSet::longestAt(std::string_view text) const {
  std::optional<Match> best;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    auto place = nodes[node].next.find(text[i]);
    if (place == nodes[node].next.end())
      break;
    node = place->second;
    if (nodes[node].value >= 0)
      best = Match{nodes[node].value, i + 1};
  }
  return best;
}

AddedTokens AddedTokens::parse(const Json &value, const Bpe &model,
                               const Normalizer &normalizer,
                               JsonErrors &errors) {
  AddedTokens result;
  result.nextId = int32_t(model.size());
  if (!value.is_array() || value.size() > mostAddedTokens) {
    errors.fail("added_tokens", "expected an array of at most " +
                                    std::to_string(mostAddedTokens) +
                                    " tokens, found " + describe(value));
    return result;
  }
  for (size_t i = 0; i < value.size() && errors.ok(); ++i)
    result.add(
        JsonObject(value[i], "added_tokens[" + std::to_string(i) + "]", errors),
        model, normalizer);
  return result;
}

void AddedTokens::add(JsonObject object, const Bpe &model,
                      const Normalizer &normalizer) {
  JsonErrors &errors = object.errors();
  AddedToken token;
  token.content = object.text("content");
  token.isSpecial = object.flag("special");
  token.isNormalized = object.flag("normalized");
  token.stripsLeft = object.flag("lstrip");
  token.stripsRight = object.flag("rstrip");
  if (object.flag("single_word"))
    errors.fail(MOEC_E_TOKENIZER_KIND, object.where("single_word"),
                "is not supported; give token ids instead of text");
  if (token.content.size() > longestAddedToken)
    errors.fail(object.where("content"),
                "has " + std::to_string(token.content.size()) +
                    " bytes, the limit is " +
                    std::to_string(longestAddedToken));
  if (!errors.ok() || token.content.empty())
    return;

  auto known = ids.find(token.content);
  if (known != ids.end()) {
    if (!(tokens.at(known->second) == token))
      errors.fail(object.here(), inQuotes(token.content) +
                                     " is added twice in different ways");
    return;
  }
  int32_t id = model.idOf(token.content);
  if (id < 0)
    id = nextId++;
  checkId(object, id, model);

  std::string spelled = token.content;
  if (token.isNormalized) {
    Result<std::string> form = normalizer(spelled);
    if (!form)
      return errors.fail(object.where("content"), form.status().message());
    spelled = std::move(*form);
  }
  // An empty text would be found everywhere.
  if (spelled.empty() ||
      !(token.isNormalized ? normalized : given).add(spelled, id))
    return errors.fail(object.here(), inQuotes(token.content) +
                                          " is spelled like another token "
                                          "when normalized");
  bytes.emplace(id, bytesOfToken(spelled));
  ids.emplace(token.content, id);
  tokens.emplace(id, std::move(token));
}

/// The tokenizers package numbers added tokens itself and only warns when the
/// file says otherwise; a model would then see other ids than it learned.
void AddedTokens::checkId(JsonObject &object, int32_t id, const Bpe &model) {
  uint64_t listed = object.number("id", 0, INT32_MAX);
  bool isNew = model.idOf(object.text("content")) < 0;
  if (!object.errors().ok())
    return;
  if (listed != uint64_t(id))
    object.errors().fail(
        MOEC_E_TOKENIZER_KIND, object.where("id"),
        "is " + std::to_string(listed) + ", but tokens number themselves to " +
            std::to_string(id) + " here; give token ids instead of text");
  else if (isNew && model.bytesOf(id))
    object.errors().fail(object.where("id"),
                         std::to_string(id) +
                             " is the id of a token of the vocabulary");
}

void AddedTokens::split(
    std::string_view text, bool isNormalized,
    const std::function<void(std::string_view, int32_t)> &piece) const {
  const TextSet &set = isNormalized ? normalized : given;
  size_t covered = 0;
  for (size_t at = 0; !set.empty() && at < text.size();) {
    std::optional<TextSet::Match> match = set.longestAt(text.substr(at));
    if (!match) {
      ++at;
      continue;
    }
    size_t start = at, stop = at + match->length;
    at = stop; // what is stripped after it may hold another token
    const AddedToken &token = tokens.at(match->value);
    if (token.stripsLeft)
      start = std::max(startOfTrailingSpace(text.substr(0, start)), covered);
    if (token.stripsRight)
      stop += sizeOfLeadingSpace(text.substr(stop));
    if (covered < start)
      piece(text.substr(covered, start - covered), -1);
    piece(text.substr(start, stop - start), match->value);
    covered = stop;
  }
  if (covered < text.size())
    piece(text.substr(covered), -1);
}

const AddedToken *AddedTokens::find(int32_t id) const {
  auto place = tokens.find(id);
  return place == tokens.end() ? nullptr : &place->second;
}

const std::string *AddedTokens::bytesOf(int32_t id) const {
  auto place = bytes.find(id);
  return place == bytes.end() ? nullptr : &place->second;
}

} // namespace moec::runtime
