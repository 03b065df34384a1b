//===- Tokenizer.h - Text to token ids and back -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The tokenizers of Hugging Face's tokenizer.json, as far as they are
// byte-level BPE; equal to the tokenizers package in every result.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_TOKENIZER_H
#define MOEC_LIB_RUNTIME_TOKENIZER_H

#include "lib/Runtime/AddedTokens.h"
#include "lib/Runtime/Bpe.h"
#include "lib/Runtime/PreTokenizer.h"
#include "lib/Runtime/Status.h"
#include "lib/Runtime/Utf8.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moec::runtime {

class Tokenizer {
public:
  static Result<std::shared_ptr<const Tokenizer>> parse(std::string_view json);

  Result<std::vector<int32_t>> encode(std::string_view text,
                                      bool addSpecialTokens) const;

  /// The bytes of one token; empty for ids that are not in the vocabulary, and
  /// for special tokens when they are skipped.
  std::string_view bytesOf(int32_t id, bool skipSpecialTokens) const;

private:
  Tokenizer() = default;

  void readAll(const Json &document, JsonErrors &errors);
  void readNormalizer(const Json &value, const std::string &where,
                      JsonErrors &errors);
  void readPostProcessor(const Json &value, const std::string &where,
                         JsonErrors &errors);
  void readTemplate(JsonObject object);

  Result<std::string> normalize(std::string_view text) const;
  Status encodePiece(std::string_view text, std::vector<int32_t> &ids) const;

  bool composes = false; ///< The normalizer is NFC.
  PreTokenizer preTokenizer;
  Bpe model;
  AddedTokens added;
  /// What the post-processor makes of a text: its ids where there is nothing,
  /// and special ids where there is something.
  struct TemplatePart {
    bool isText;
    std::vector<int32_t> ids;
  };
  std::vector<TemplatePart> pattern = {{true, {}}};
  bool hasTemplate = false;
};

/// Decodes token by token.
class TextStream {
public:
  TextStream(std::shared_ptr<const Tokenizer> tokenizer, bool skipSpecialTokens)
      : tokenizer(std::move(tokenizer)), skips(skipSpecialTokens) {}

  /// What is certain by now; valid until the next call.
  const std::string &push(int32_t id);
  /// What is left when nothing follows. The stream is then as new.
  const std::string &finish();

private:
  std::shared_ptr<const Tokenizer> tokenizer;
  bool skips;
  Utf8Repair repair;
  std::string text;
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_TOKENIZER_H
