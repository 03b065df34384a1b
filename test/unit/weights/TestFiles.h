//===- TestFiles.h - Files for the tests of the readers ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A directory that goes away with the test, and files put together by hand, so
// that they can be wrong.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_TEST_UNIT_WEIGHTS_TESTFILES_H
#define MOEC_TEST_UNIT_WEIGHTS_TESTFILES_H

#include "lib/Weights/Status.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace moec::weights::test {

class TemporaryDirectory {
public:
  TemporaryDirectory();
  ~TemporaryDirectory();

  std::string path() const { return root.string(); }
  std::string operator/(std::string_view name) const {
    return (root / name).string();
  }
  /// Writes a file and returns its path.
  std::string write(std::string_view name, std::string_view contents) const;
  /// Names of all entries, sorted.
  std::vector<std::string> entries() const;

private:
  std::filesystem::path root;
};

/// The file that has this JSON as its header, then this data.
std::string safetensors(std::string_view json, std::string_view data = "");

std::string readFile(const std::string &path);

inline std::span<const std::byte> asBytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// Succeeds when the status has this code and its message says all the facts.
testing::AssertionResult failsWith(const Status &status, ErrorCode code,
                                   std::vector<std::string_view> facts);

} // namespace moec::weights::test

#endif // MOEC_TEST_UNIT_WEIGHTS_TESTFILES_H
