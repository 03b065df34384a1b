//===- Status.cpp - How the runtime reports failure -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What messages are made of.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Status.h"

#include <system_error>

namespace moec::runtime {

std::string inQuotes(std::string_view text) {
  constexpr size_t longest = 80;
  bool cut = text.size() > longest;
  if (cut) {
    text = text.substr(0, longest);
    while (!text.empty() && (text.back() & 0xC0) == 0x80)
      text.remove_suffix(1);
    if (!text.empty() && (text.back() & 0x80))
      text.remove_suffix(1);
  }
  std::string result = "\"";
  for (char byte : text)
    result +=
        static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F ? '?' : byte;
  result += cut ? "...\"" : "\"";
  return result;
}

Status systemFailure(moec_code code, std::string_view action, int error) {
  // std::system_category() does what strerror() does, but safely in threads.
  return Status(code, std::string(action) + ": " +
                          std::system_category().message(error));
}

} // namespace moec::runtime
