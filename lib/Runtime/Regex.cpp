//===- Regex.cpp - The regular expressions of tokenizers ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matching goes on as Oniguruma's find_iter of the tokenizers package does: an
// empty match that touches the end of the previous match does not count.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Regex.h"

#include "lib/Runtime/Utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace moec::runtime {

namespace {

constexpr size_t longestPattern = 1 << 16;
constexpr uint32_t mostSteps = 10'000'000;
constexpr uint32_t mostKibibytes = 64 << 10;

std::string messageOf(int error) {
  PCRE2_UCHAR text[256];
  if (pcre2_get_error_message(error, text, sizeof(text)) < 0)
    return "error " + std::to_string(error);
  return reinterpret_cast<const char *>(text);
}

} // namespace

void Regex::Free::operator()(pcre2_code *code) const { pcre2_code_free(code); }
void Regex::Free::operator()(pcre2_match_context *context) const {
  pcre2_match_context_free(context);
}
void Regex::Free::operator()(pcre2_match_data *data) const {
  pcre2_match_data_free(data);
}

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > longestPattern)
    return Status(MOEC_E_TOKENIZER_KIND,
                  "a pattern of " + std::to_string(pattern.size()) +
                      " bytes, the limit is " + std::to_string(longestPattern));
  Result<std::string> translated = translateRegex(pattern);
  if (!translated)
    return translated.status();
  struct FreeCompileContext {
    void operator()(pcre2_compile_context *context) const {
      pcre2_compile_context_free(context);
    }
  };
  std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  Regex regex;
  regex.limits.reset(pcre2_match_context_create(nullptr));
  if (!context || !regex.limits)
    return Status(MOEC_E_MEMORY, "no memory for a regular expression");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_match_limit(regex.limits.get(), mostSteps);
  pcre2_set_heap_limit(regex.limits.get(), mostKibibytes);
  int error = 0;
  PCRE2_SIZE where = 0;
  regex.code.reset(pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &where, context.get()));
  if (!regex.code)
    return Status(MOEC_E_TOKENIZER_KIND,
                  "pattern " + inQuotes(pattern) + ": " + messageOf(error));
  return regex;
}

Status Regex::findAll(std::string_view text,
                      std::vector<TextPart> &parts) const {
  Owner<pcre2_match_data> data(pcre2_match_data_create(1, nullptr));
  if (!data)
    return Status(MOEC_E_MEMORY, "no memory to match a regular expression");
  const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(data.get());
  size_t covered = 0; // all before it is in `parts`
  size_t next = 0;
  bool isFirst = true;
  while (next <= text.size()) {
    int status = pcre2_match(
        code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
        next, PCRE2_NO_UTF_CHECK, data.get(), limits.get());
    if (status == PCRE2_ERROR_NOMATCH)
      break;
    if (status < 0)
      return Status(MOEC_E_TOKENIZER, "a pattern of the tokenizer fails on "
                                      "this text: " +
                                          messageOf(status));
    size_t start = bounds[0], end = bounds[1];
    if (start == end && !isFirst && end == covered) {
      if (next == text.size())
        break;
      std::string_view rest = text.substr(next);
      takeCharacter(rest);
      next = text.size() - rest.size();
      continue;
    }
    isFirst = false;
    if (covered != start)
      parts.push_back({covered, start, false});
    parts.push_back({start, end, true});
    covered = next = end;
  }
  if (covered != text.size())
    parts.push_back({covered, text.size(), false});
  return Status();
}

} // namespace moec::runtime
