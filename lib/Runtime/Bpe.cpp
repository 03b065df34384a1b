//===- Bpe.cpp - Byte pair encoding ---------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Problem: join the neighbours of lowest rank, the leftmost first, until no two
// neighbours have a merge; a word can be as long as the text.
//
// Idea: a linked list of symbols and a queue of the pairs that could be merged.
// An entry of the queue may be out of date; it is checked when it comes up.
//
// Steps. Put all pairs into the queue. Take the best; if its left symbol is
// gone, or the pair there now merges into something else, forget it. Otherwise
// merge, unlink the right symbol, and queue the two new pairs.
//
// Cost: O(n log n), where rescanning the word for each merge is O(n^2).
// Source: the tokenizers package, models/bpe/word.rs, whose results these are
// in every case.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Bpe.h"

#include "lib/Runtime/Utf8.h"

#include <queue>

namespace moec::runtime {

namespace {

constexpr size_t mostTokens = size_t(1) << 24;

/// GPT-2's alphabet: printable bytes of Latin-1 stand for themselves, the
/// others, in ascending order, for the characters from U+0100 on.
struct Alphabet {
  std::array<char32_t, 256> characters;
  std::array<int16_t, 0x144> bytes; ///< By character; -1: none.

  Alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      bool isPrintable = (byte >= '!' && byte <= '~') ||
                         (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
      characters[byte] = isPrintable ? char32_t(byte) : next++;
      bytes[characters[byte]] = int16_t(byte);
    }
  }
};

const Alphabet &alphabet() {
  static const Alphabet instance;
  return instance;
}

/// The bytes of a token, or none when it leaves the alphabet.
std::optional<std::string> bytesInAlphabet(std::string_view token) {
  std::string result;
  while (!token.empty()) {
    char32_t character = takeCharacter(token);
    if (character >= alphabet().bytes.size() || alphabet().bytes[character] < 0)
      return std::nullopt;
    result += char(alphabet().bytes[character]);
  }
  return result;
}

uint64_t keyOf(int32_t left, int32_t right) {
  return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

} // namespace

std::string bytesOfToken(std::string_view token) {
  std::optional<std::string> bytes = bytesInAlphabet(token);
  return bytes ? std::move(*bytes) : std::string(token);
}

/// A pair that could be merged; the top of the queue has the lowest rank and
/// among these the lowest position.
struct Bpe::Candidate {
  int32_t position;
  Merge merge;

  bool operator<(const Candidate &other) const {
    return merge.rank != other.merge.rank ? merge.rank > other.merge.rank
                                          : position > other.position;
  }
};

Bpe Bpe::parse(const Json &value, JsonErrors &errors) {
  Bpe bpe;
  JsonObject object(value, "model", errors);
  bpe.checkKind(object);
  if (errors.ok())
    bpe.parseVocabulary(object);
  if (errors.ok())
    bpe.parseMerges(object);
  if (errors.ok())
    bpe.parseUnknown(object);
  if (errors.ok())
    bpe.indexBytes();
  const Json *ignoreMerges = object.optional("ignore_merges");
  if (errors.ok() && ignoreMerges && *ignoreMerges == true)
    for (const auto &[token, id] : bpe.vocabulary)
      if (std::optional<std::string> word = bytesInAlphabet(token))
        bpe.words.emplace(std::move(*word), id);
  return bpe;
}

void Bpe::checkKind(JsonObject &object) {
  auto refuse = [&](const char *name, const Json &value) {
    object.errors().fail(MOEC_E_TOKENIZER_KIND, object.where(name),
                         describe(value) + " is not supported; give token ids "
                                           "instead of text");
  };
  const Json *type = object.field("type");
  if (type && *type != "BPE")
    refuse("type", *type);
  const Json *dropout = object.optional("dropout");
  if (dropout && !dropout->is_null() && *dropout != 0)
    refuse("dropout", *dropout);
  for (const char *name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json *affix = object.optional(name);
    if (affix && !affix->is_null() && *affix != "")
      refuse(name, *affix);
  }
  for (const char *name : {"byte_fallback", "fuse_unk", "ignore_merges"}) {
    const Json *flag = object.optional(name);
    if (flag && !flag->is_null() && !flag->is_boolean())
      object.errors().fail(object.where(name),
                           "expected true or false, found " + describe(*flag));
  }
  const Json *fallback = object.optional("byte_fallback");
  if (fallback && *fallback == true)
    refuse("byte_fallback", *fallback);
}

void Bpe::parseVocabulary(JsonObject &object) {
  JsonObject tokens = object.object("vocab");
  const auto &members = tokens.json().get_ref<const Json::object_t &>();
  if (members.empty() || members.size() > mostTokens)
    return object.errors().fail(object.where("vocab"),
                                "expected 1 to " + std::to_string(mostTokens) +
                                    " tokens, found " +
                                    std::to_string(members.size()));
  vocabulary.reserve(members.size());
  bytes.reserve(members.size());
  for (const auto &[token, value] : members) {
    // The path is built only when it is needed: there are many tokens.
    if (!value.is_number_unsigned() || value.get<uint64_t>() > INT32_MAX)
      return object.errors().fail(tokens.where(inQuotes(token)),
                                  "expected a token id, found " +
                                      describe(value));
    auto id = value.get<int32_t>();
    if (!bytes.emplace(id, bytesOfToken(token)).second)
      return object.errors().fail(tokens.where(inQuotes(token)),
                                  "another token has the id " +
                                      std::to_string(id));
    vocabulary.emplace(token, id);
  }
}

void Bpe::parseMerges(JsonObject &object) {
  const auto &elements = object.array("merges", mostTokens);
  merges.reserve(elements.size());
  bool isPairs = !elements.empty() && elements[0].is_array();
  uint32_t rank = 0;
  for (size_t i = 0; i < elements.size() && object.errors().ok(); ++i) {
    const Json &element = elements[i];
    if (isPairs && element.is_array() && element.size() == 2 &&
        element[0].is_string() && element[1].is_string()) {
      addMerge(element[0].get_ref<const std::string &>(),
               element[1].get_ref<const std::string &>(), rank++,
               object.where("merges", i), object.errors());
      continue;
    }
    if (isPairs || !element.is_string())
      return object.errors().fail(object.where("merges", i),
                                  "expected a merge, found " +
                                      describe(element));
    const auto &text = element.get_ref<const std::string &>();
    if (text.starts_with("#version"))
      continue;
    size_t gap = text.find(' ');
    if (gap == text.npos || text.find(' ', gap + 1) != text.npos)
      return object.errors().fail(object.where("merges", i),
                                  "expected two tokens, found " +
                                      inQuotes(text));
    addMerge(text.substr(0, gap), text.substr(gap + 1), rank++,
             object.where("merges", i), object.errors());
  }
}

void Bpe::addMerge(const std::string &left, const std::string &right,
                   uint32_t rank, const std::string &where,
                   JsonErrors &errors) {
  int32_t leftId = idOf(left), rightId = idOf(right),
          whole = idOf(left + right);
  if (leftId < 0 || rightId < 0 || whole < 0)
    return errors.fail(where, "the vocabulary lacks " +
                                  inQuotes(leftId < 0    ? left
                                           : rightId < 0 ? right
                                                         : left + right));
  merges[keyOf(leftId, rightId)] = {rank, whole};
}

void Bpe::parseUnknown(JsonObject &object) {
  const Json *token = object.optional("unk_token");
  if (!token || token->is_null())
    return;
  int32_t id =
      idOf(jsonText(*token, object.where("unk_token"), object.errors()));
  // One that is not in the vocabulary fails upstream only when it is needed.
  if (id < 0)
    return object.errors().fail(MOEC_E_TOKENIZER_KIND,
                                object.where("unk_token"),
                                describe(*token) + " is not in the vocabulary");
  unknown = id;
  const Json *fuse = object.optional("fuse_unk");
  fusesUnknown = fuse && *fuse == true;
}

void Bpe::indexBytes() {
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    appendCharacter(token, alphabet().characters[byte]);
    byteIds[byte] = idOf(token);
  }
}

int32_t Bpe::idOf(const std::string &token) const {
  auto place = vocabulary.find(token);
  return place == vocabulary.end() ? -1 : place->second;
}

const std::string *Bpe::bytesOf(int32_t id) const {
  auto place = bytes.find(id);
  return place == bytes.end() ? nullptr : &place->second;
}

const Bpe::Merge *Bpe::mergeOf(int32_t left, int32_t right) const {
  auto place = merges.find(keyOf(left, right));
  return place == merges.end() ? nullptr : &place->second;
}

std::vector<Bpe::Symbol> Bpe::symbolsOf(std::string_view word) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  bool wasUnknown = false;
  for (char byte : word) {
    int32_t id = byteIds[static_cast<unsigned char>(byte)];
    bool isUnknown = id < 0;
    // Without a token for it, an unknown byte is left out.
    if (isUnknown && (!unknown || (wasUnknown && fusesUnknown)))
      continue;
    wasUnknown = isUnknown;
    auto index = int32_t(symbols.size());
    symbols.push_back({isUnknown ? *unknown : id, index - 1, index + 1, false});
  }
  if (!symbols.empty())
    symbols.back().next = -1;
  return symbols;
}

void Bpe::mergeAll(std::vector<Symbol> &symbols) const {
  std::priority_queue<Candidate> queue;
  auto consider = [&](int32_t position) {
    int32_t next = position < 0 ? -1 : symbols[position].next;
    if (next < 0)
      return;
    if (const Merge *merge = mergeOf(symbols[position].id, symbols[next].id))
      queue.push({position, *merge});
  };
  for (size_t i = 0; i < symbols.size(); ++i)
    consider(int32_t(i));
  while (!queue.empty()) {
    Candidate best = queue.top();
    queue.pop();
    Symbol &left = symbols[best.position];
    if (left.isGone || left.next < 0)
      continue;
    Symbol &right = symbols[left.next];
    const Merge *merge = mergeOf(left.id, right.id);
    if (!merge || merge->id != best.merge.id)
      continue;
    left.id = best.merge.id;
    left.next = right.next;
    right.isGone = true;
    if (left.next >= 0)
      symbols[left.next].previous = best.position;
    consider(left.previous);
    consider(best.position);
  }
}

void Bpe::encode(std::string_view word, std::vector<int32_t> &ids) const {
  if (!words.empty()) {
    auto place = words.find(std::string(word));
    if (place != words.end()) {
      ids.push_back(place->second);
      return;
    }
  }
  std::vector<Symbol> symbols = symbolsOf(word);
  mergeAll(symbols);
  for (const Symbol &symbol : symbols)
    if (!symbol.isGone)
      ids.push_back(symbol.id);
}

} // namespace moec::runtime
