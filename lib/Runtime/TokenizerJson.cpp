//===- TokenizerJson.cpp - What tokenizer.json says -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the parts of the file that have no file of their own here, and refuses
// by name what is not supported.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Tokenizer.h"

namespace moec::runtime {

namespace {

constexpr JsonLimits tokenizerLimits = {.bytes = size_t(256) << 20,
                                        .depth = 32};
constexpr const char *advice = " is not supported; give token ids instead of "
                               "text";

void refuse(JsonErrors &errors, const std::string &where, const char *what,
            const std::string &found) {
  errors.fail(MOEC_E_TOKENIZER_KIND, where, what + (" " + found) + advice);
}

const Json &valueOf(JsonObject &object, const char *name) {
  static const Json none;
  const Json *value = object.optional(name);
  return value ? *value : none;
}

} // namespace

Result<std::shared_ptr<const Tokenizer>>
Tokenizer::parse(std::string_view json) {
  Result<Json> document =
      parseJson(json, "tokenizer.json", MOEC_E_TOKENIZER, tokenizerLimits);
  if (!document)
    return document.status();
  JsonErrors errors("tokenizer.json", MOEC_E_TOKENIZER);
  std::shared_ptr<Tokenizer> tokenizer(new Tokenizer());
  tokenizer->readAll(*document, errors);
  if (!errors.ok())
    return errors.status();
  return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

void Tokenizer::readAll(const Json &document, JsonErrors &errors) {
  JsonObject root(document, "", errors);
  const Json *version = root.optional("version");
  if (version && *version != "1.0")
    refuse(errors, "version", "version", describe(*version));
  for (const char *name : {"truncation", "padding"})
    if (!valueOf(root, name).is_null())
      refuse(errors, name, name, "other than null");

  const Json *decoder = root.field("decoder");
  const Json &decoderType =
      decoder && decoder->is_object() && decoder->contains("type")
          ? (*decoder)["type"]
          : valueOf(root, "decoder");
  if (decoderType != "ByteLevel")
    refuse(errors, "decoder", "decoder", describe(decoderType));

  readNormalizer(valueOf(root, "normalizer"), "normalizer", errors);
  const Json *cut = root.field("pre_tokenizer");
  if (cut && cut->is_null())
    refuse(errors, "pre_tokenizer", "pre-tokenizer", "null");
  readPostProcessor(valueOf(root, "post_processor"), "post_processor", errors);
  if (!errors.ok())
    return;
  preTokenizer = PreTokenizer::parse(*cut, errors);
  const Json *bpe = root.field("model");
  if (errors.ok())
    model = Bpe::parse(*bpe, errors);
  const Json &tokens = valueOf(root, "added_tokens");
  if (errors.ok() && !tokens.is_null())
    added = AddedTokens::parse(
        tokens, model, [&](std::string_view text) { return normalize(text); },
        errors);
}

void Tokenizer::readNormalizer(const Json &value, const std::string &where,
                               JsonErrors &errors) {
  if (value.is_null() || !errors.ok())
    return;
  JsonObject object(value, where, errors);
  std::string type = object.text("type");
  if (type == "NFC") {
    composes = true;
  } else if (type == "Sequence") {
    const auto &members = object.array("normalizers", 64);
    for (size_t i = 0; i < members.size(); ++i)
      readNormalizer(members[i], object.where("normalizers", i), errors);
  } else if (errors.ok()) {
    refuse(errors, where, "normalizer", inQuotes(type));
  }
}

void Tokenizer::readPostProcessor(const Json &value, const std::string &where,
                                  JsonErrors &errors) {
  if (value.is_null() || !errors.ok())
    return;
  JsonObject object(value, where, errors);
  std::string type = object.text("type");
  // The one of ByteLevel changes offsets only, and nothing here has offsets.
  if (type == "ByteLevel" || !errors.ok())
    return;
  if (type == "Sequence") {
    const auto &members = object.array("processors", 64);
    for (size_t i = 0; i < members.size(); ++i)
      readPostProcessor(members[i], object.where("processors", i), errors);
  } else if (type == "TemplateProcessing" && !hasTemplate) {
    hasTemplate = true;
    readTemplate(std::move(object));
  } else {
    refuse(errors, where,
           hasTemplate ? "a second post-processor" : "post-processor",
           inQuotes(type));
  }
}

void Tokenizer::readTemplate(JsonObject object) {
  JsonErrors &errors = object.errors();
  JsonObject specials = object.object("special_tokens");
  const auto &parts = object.array("single", 256);
  pattern.clear();
  for (size_t i = 0; i < parts.size() && errors.ok(); ++i) {
    JsonObject part(parts[i], object.where("single", i), errors);
    if (part.optional("Sequence")) {
      JsonObject sequence = part.object("Sequence");
      if (sequence.text("id") != "A")
        errors.fail(sequence.where("id"), "expected \"A\"");
      pattern.push_back({true, {}});
      continue;
    }
    std::string name = part.object("SpecialToken").text("id");
    if (!errors.ok())
      return;
    JsonObject special = specials.object(name.c_str());
    TemplatePart ids{false, {}};
    const auto &numbers = special.array("ids", 256);
    for (size_t j = 0; j < numbers.size(); ++j)
      ids.ids.push_back(int32_t(jsonNumber(numbers[j], special.where("ids", j),
                                           0, INT32_MAX, errors)));
    pattern.push_back(std::move(ids));
  }
}

} // namespace moec::runtime
