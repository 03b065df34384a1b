//===- Regex.h - The regular expressions of tokenizers ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Patterns as the tokenizers package understands them (Oniguruma, syntax of
// Ruby), matched by PCRE2.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_REGEX_H
#define MOEC_LIB_RUNTIME_REGEX_H

#include "lib/Runtime/Status.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;
struct pcre2_real_match_data_8;

namespace moec::runtime {

/// The same pattern in the syntax of PCRE2. What could mean something else
/// there is refused.
Result<std::string> translateRegex(std::string_view pattern);

/// A part of a text: what a pattern matched, or what lies between matches.
struct TextPart {
  size_t start, end;
  bool isMatch;
};

class Regex {
public:
  static Result<Regex> compile(std::string_view pattern);

  /// Cuts valid UTF-8 into matches and what lies between them.
  Status findAll(std::string_view text, std::vector<TextPart> &parts) const;

private:
  struct Free {
    void operator()(pcre2_real_code_8 *code) const;
    void operator()(pcre2_real_match_context_8 *context) const;
    void operator()(pcre2_real_match_data_8 *data) const;
  };
  template <typename T> using Owner = std::unique_ptr<T, Free>;

  Owner<pcre2_real_code_8> code;
  Owner<pcre2_real_match_context_8> limits;
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_REGEX_H
