//===- PreTokenizer.cpp - Cutting text into words -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each splitter cuts the pieces that the one before it left. ByteLevel comes
// last: it may put a space in front of a piece, cuts by GPT-2's pattern, and
// what it leaves are words for the model, byte by byte.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/PreTokenizer.h"

#include "lib/Runtime/Utf8.h"

#include <algorithm>

namespace moec::runtime {

namespace {

constexpr std::string_view gpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+)"
    R"(| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

void cutAtText(std::string_view text, std::string_view literal,
               std::vector<TextPart> &parts) {
  size_t covered = 0;
  for (size_t at; (at = text.find(literal, covered)) != text.npos;
       covered = at + literal.size()) {
    if (covered != at)
      parts.push_back({covered, at, false});
    parts.push_back({at, at + literal.size(), true});
  }
  if (covered != text.size())
    parts.push_back({covered, text.size(), false});
}

void cutAtDigits(std::string_view text, std::vector<TextPart> &parts) {
  size_t covered = 0;
  for (std::string_view rest = text; !rest.empty();) {
    size_t start = text.size() - rest.size();
    if (!isNumeric(takeCharacter(rest)))
      continue;
    size_t end = text.size() - rest.size();
    if (covered != start)
      parts.push_back({covered, start, false});
    parts.push_back({start, end, true});
    covered = end;
  }
  if (covered != text.size())
    parts.push_back({covered, text.size(), false});
}

} // namespace

PreTokenizer PreTokenizer::parse(const Json &value, JsonErrors &errors) {
  PreTokenizer result;
  JsonObject object(value, "pre_tokenizer", errors);
  if (errors.ok() && object.text("type") == "Sequence") {
    const auto &members = object.array("pretokenizers", 64);
    if (members.empty())
      errors.fail(MOEC_E_TOKENIZER_KIND, "pre_tokenizer",
                  "a Sequence without ByteLevel is not supported");
    for (size_t i = 0; i < members.size() && errors.ok(); ++i)
      result.parseOne(
          JsonObject(members[i], object.where("pretokenizers", i), errors),
          i + 1 == members.size());
  } else if (errors.ok()) {
    result.parseOne(std::move(object), true);
  }
  return result;
}

void PreTokenizer::parseOne(JsonObject object, bool isLast) {
  std::string type = object.text("type");
  if (type == "ByteLevel" && isLast)
    return parseByteLevel(object);
  if (isLast)
    return object.errors().fail(
        MOEC_E_TOKENIZER_KIND, object.here(),
        "pre-tokenizer " + inQuotes(type) +
            " is not supported at the end, where ByteLevel is expected; give "
            "token ids instead of text");
  if (type == "Split")
    return parseSplit(object);
  if (type == "Digits") {
    Splitter digits{.pattern = Digits()};
    if (!object.flag("individual_digits"))
      digits.behavior = Behavior::Contiguous;
    splitters.push_back(std::move(digits));
    return;
  }
  object.errors().fail(MOEC_E_TOKENIZER_KIND, object.here(),
                       "pre-tokenizer " + inQuotes(type) +
                           " is not supported here; give token ids instead "
                           "of text");
}

void PreTokenizer::parseByteLevel(JsonObject &object) {
  addPrefixSpace = object.flag("add_prefix_space");
  bool usesRegex = !object.optional("use_regex") || object.flag("use_regex");
  if (!usesRegex)
    return;
  Result<Regex> regex = Regex::compile(gpt2Pattern);
  if (!regex)
    return object.errors().fail(regex.status().code(), object.here(),
                                regex.status().message());
  words = Splitter{.pattern = std::move(*regex)};
}

void PreTokenizer::parseSplit(JsonObject &object) {
  Splitter splitter{.pattern = Digits()};
  splitter.behavior = parseBehavior(object);
  splitter.isInverted = object.flag("invert");
  parsePattern(object.object("pattern"), splitter);
  splitters.push_back(std::move(splitter));
}

void PreTokenizer::parsePattern(JsonObject pattern, Splitter &splitter) {
  if (pattern.optional("String")) {
    std::string text = pattern.text("String");
    if (text.empty())
      pattern.errors().fail(MOEC_E_TOKENIZER_KIND, pattern.here(),
                            "an empty String is not supported");
    splitter.pattern = std::move(text);
    return;
  }
  std::string source = pattern.text("Regex");
  if (!pattern.errors().ok())
    return;
  Result<Regex> regex = Regex::compile(source);
  if (!regex)
    return pattern.errors().fail(regex.status().code(), pattern.here(),
                                 regex.status().message() +
                                     "; give token ids instead of text");
  splitter.pattern = std::move(*regex);
}

PreTokenizer::Behavior PreTokenizer::parseBehavior(JsonObject &object) {
  constexpr struct {
    const char *name;
    Behavior behavior;
  } known[] = {{"Removed", Behavior::Removed},
               {"Isolated", Behavior::Isolated},
               {"MergedWithPrevious", Behavior::MergedWithPrevious},
               {"MergedWithNext", Behavior::MergedWithNext},
               {"Contiguous", Behavior::Contiguous}};
  std::string name = object.text("behavior");
  for (const auto &entry : known)
    if (name == entry.name)
      return entry.behavior;
  object.errors().fail(MOEC_E_TOKENIZER_KIND, object.where("behavior"),
                       inQuotes(name) + " is not supported");
  return Behavior::Isolated;
}

/// Joins the parts as the behavior says; the flag of a result is "leave out".
/// "Previous" is the part before in the direction of the walk, and a match is
/// merged only when that one is not a match itself.
std::vector<TextPart> PreTokenizer::merge(std::vector<TextPart> parts,
                                          Behavior behavior) {
  if (behavior == Behavior::Removed)
    return parts;
  bool isBackwards = behavior == Behavior::MergedWithNext;
  if (isBackwards)
    std::reverse(parts.begin(), parts.end());
  std::vector<TextPart> result;
  bool wasMatch = false;
  for (const TextPart &part : parts) {
    bool joins = behavior == Behavior::Isolated     ? false
                 : behavior == Behavior::Contiguous ? part.isMatch == wasMatch
                                                    : part.isMatch && !wasMatch;
    wasMatch = part.isMatch;
    if (!joins || result.empty())
      result.push_back({part.start, part.end, false});
    else if (isBackwards)
      result.back().start = part.start;
    else
      result.back().end = part.end;
  }
  if (isBackwards)
    std::reverse(result.begin(), result.end());
  return result;
}

Status PreTokenizer::cut(const Splitter &splitter, std::string_view text,
                         std::vector<std::string_view> &pieces) {
  std::vector<TextPart> parts;
  if (const Regex *regex = std::get_if<Regex>(&splitter.pattern)) {
    Status status = regex->findAll(text, parts);
    if (!status.ok())
      return status;
  } else if (const auto *literal =
                 std::get_if<std::string>(&splitter.pattern)) {
    cutAtText(text, *literal, parts);
  } else {
    cutAtDigits(text, parts);
  }
  for (TextPart &part : parts)
    part.isMatch ^= splitter.isInverted;
  for (const TextPart &part : merge(std::move(parts), splitter.behavior))
    if (!part.isMatch && part.end > part.start)
      pieces.push_back(text.substr(part.start, part.end - part.start));
  return Status();
}

Status PreTokenizer::forEachWord(
    std::string_view text,
    const std::function<void(std::string_view)> &word) const {
  std::vector<std::string_view> pieces = {text}, cutPieces;
  for (const Splitter &splitter : splitters) {
    cutPieces.clear();
    for (std::string_view piece : pieces) {
      Status status = cut(splitter, piece, cutPieces);
      if (!status.ok())
        return status;
    }
    pieces.swap(cutPieces);
  }
  std::string prefixed;
  for (std::string_view piece : pieces) {
    if (addPrefixSpace && !piece.starts_with(' ')) {
      prefixed = " " + std::string(piece);
      piece = prefixed;
    }
    cutPieces.assign(1, piece);
    if (words) {
      cutPieces.clear();
      Status status = cut(*words, piece, cutPieces);
      if (!status.ok())
        return status;
    }
    for (std::string_view bytes : cutPieces)
      word(bytes);
  }
  return Status();
}

} // namespace moec::runtime
