//===- TestFiles.cpp - Files for the tests of the readers -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Test helpers.
//
//===----------------------------------------------------------------------===//

#include "test/unit/weights/TestFiles.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace moec::weights::test {

namespace fs = std::filesystem;

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = fs::temp_directory_path() / "moec-weights-XXXXXX";
  root = fs::canonical(mkdtemp(pattern.data()));
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  fs::remove_all(root, error);
}

std::string TemporaryDirectory::write(std::string_view name,
                                      std::string_view contents) const {
  std::ofstream out(root / name, std::ios::binary);
  out << contents;
  out.close();
  EXPECT_TRUE(out.good()) << root / name;
  return (root / name).string();
}

std::vector<std::string> TemporaryDirectory::entries() const {
  std::vector<std::string> names;
  for (const fs::directory_entry &entry : fs::directory_iterator(root))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string safetensors(std::string_view json, std::string_view data) {
  std::string file;
  for (uint64_t length = json.size(), i = 0; i < 8; ++i)
    file += static_cast<char>(length >> (8 * i));
  return file.append(json).append(data);
}

std::string readFile(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

testing::AssertionResult failsWith(const Status &status, ErrorCode code,
                                   std::vector<std::string_view> facts) {
  auto complaint = testing::AssertionFailure()
                   << name(status.code()) << ": " << status.message();
  if (status.code() != code)
    return complaint << "\nexpected code " << name(code);
  for (std::string_view fact : facts)
    if (status.message().find(fact) == std::string::npos)
      return complaint << "\ndoes not say: " << fact;
  return testing::AssertionSuccess();
}

} // namespace moec::weights::test
