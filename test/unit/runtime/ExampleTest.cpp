//===- ExampleTest.cpp - The C example, run -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the program with the fake model and a tokenizer of as many tokens, and
// compares what it prints and how it ends.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include <array>
#include <cstdio>
#include <sys/wait.h>

using namespace moec::runtime::testing;
using nlohmann::json;

namespace {

/// Token i is the character '0' + i; there are 50 of them.
json characterTokenizer() {
  json tokenizer = json::parse(R"({
    "version": "1.0", "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false,
                      "use_regex": true},
    "post_processor": null, "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {}, "merges": []}
  })");
  for (int i = 0; i < FakeArtifact::vocabulary; ++i)
    tokenizer["model"]["vocab"][std::string(1, char('0' + i))] = i;
  return tokenizer;
}

struct Outcome {
  int code;
  std::string output;
};

/// Runs the example with standard error after standard output.
Outcome runExample(const std::string &arguments) {
  std::string command =
      std::string(MOEC_EXAMPLE_GENERATE) + " " + arguments + " 2>&1";
  FILE *pipe = ::popen(command.c_str(), "r");
  Outcome run{-1, ""};
  if (!pipe)
    return run;
  std::array<char, 4096> buffer;
  while (size_t count = fread(buffer.data(), 1, buffer.size(), pipe))
    run.output.append(buffer.data(), count);
  int status = ::pclose(pipe);
  run.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return run;
}

class ExampleTest : public ::testing::Test {
protected:
  ExampleTest() {
    artifact.addFile("tokenizer.json", characterTokenizer().dump());
    artifact.manifest["model"]["eos"] = json::array();
    artifact.write();
  }
  FakeArtifact artifact;
};

TEST_F(ExampleTest, ContinuesAPrompt) {
  std::string text = "123";
  std::vector<int32_t> tokens = {1, 2, 3};
  for (int i = 0; i < 10; ++i) {
    tokens.push_back(fakeGreedy(tokens));
    text += char('0' + tokens.back());
  }
  Outcome run = runExample(artifact.path() + " 123 10");
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.output, text + "\n");
}

TEST_F(ExampleTest, SamplesWithASeed) {
  Outcome first = runExample(artifact.path() + " 123 30 100 5");
  Outcome again = runExample(artifact.path() + " 123 30 100 5");
  Outcome other = runExample(artifact.path() + " 123 30 100 6");
  EXPECT_EQ(first.code, 0);
  EXPECT_EQ(first.output.size(), 34u);
  EXPECT_EQ(first.output, again.output);
  EXPECT_NE(first.output, other.output);
}

TEST_F(ExampleTest, ExitCodesSayWhatWentWrong) {
  EXPECT_EQ(runExample("").code, 2);
  Outcome missing = runExample("/nonexistent x");
  EXPECT_EQ(missing.code, 1);
  EXPECT_NE(missing.output.find("generate: cannot open artifact"),
            std::string::npos);
  Outcome tooLong = runExample(artifact.path() + " " + std::string(97, '1'));
  EXPECT_EQ(tooLong.code, 4);
  artifact.manifest["abi"] = 9;
  artifact.write();
  EXPECT_EQ(runExample(artifact.path() + " 1").code, 3);
  writeFile(artifact.file("manifest.json"), "{}");
  EXPECT_EQ(runExample(artifact.path() + " 1").code, 6);
}

} // namespace
