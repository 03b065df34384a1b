//===- TokenizerFuzzer.cpp - Hostile tokenizers ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The input is a tokenizer.json, then, after a zero byte, a text. What a
// tokenizer makes of a text must decode to UTF-8, and in one piece to the same
// as token by token.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Tokenizer.h"
#include "lib/Runtime/Utf8.h"

#include <cstddef>
#include <cstdlib>

using namespace moec::runtime;

static void require(bool condition) {
  if (!condition)
    std::abort();
}

static void checkText(std::shared_ptr<const Tokenizer> tokenizer,
                      std::string_view text) {
  for (bool special : {false, true}) {
    Result<std::vector<int32_t>> ids = tokenizer->encode(text, special);
    if (!ids)
      continue;
    TextStream stream(tokenizer, special);
    std::string bytes, pieces, whole;
    for (int32_t id : *ids) {
      require(id >= 0);
      bytes += tokenizer->bytesOf(id, special);
      pieces += stream.push(id);
      require(findInvalidUtf8(pieces) == std::string::npos);
    }
    pieces += stream.finish();
    Utf8Repair repair;
    repair.push(bytes, whole);
    repair.finish(whole);
    require(pieces == whole);
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view input(reinterpret_cast<const char *>(data), size);
  size_t end = input.find('\0');
  Result<std::shared_ptr<const Tokenizer>> tokenizer =
      Tokenizer::parse(input.substr(0, end));
  if (!tokenizer) {
    require(!tokenizer.status().message().empty());
    return 0;
  }
  checkText(*tokenizer, "It's 12 o'clock,\n\n \xE6\x97\xA5 e\xCC\x81 ");
  if (end != input.npos)
    checkText(*tokenizer, input.substr(end + 1, 256));
  return 0;
}
