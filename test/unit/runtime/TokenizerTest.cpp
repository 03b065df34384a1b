//===- TokenizerTest.cpp - The tokenizer against recorded results ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// test/data/tokenizers holds what the tokenizers package made of texts, see
// record.py there.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include "lib/Runtime/Utf8.h"

#include <algorithm>
#include <random>
#include <thread>

using namespace moec::runtime;
using namespace moec::runtime::testing;
using nlohmann::json;

namespace {

const std::filesystem::path records =
    std::filesystem::path(MOEC_TEST_DATA) / "tokenizers";

Handle<moec_tokenizer> tokenizerOf(const std::string &text) {
  moec_tokenizer *tokenizer = nullptr;
  EXPECT_TRUE(
      succeeds(moec_tokenizer_create(text.data(), text.size(), &tokenizer)));
  return Handle<moec_tokenizer>(tokenizer);
}

std::vector<int32_t> encode(const moec_tokenizer *tokenizer,
                            const std::string &text, bool special = true) {
  int32_t *ids = nullptr;
  size_t count = 0;
  EXPECT_TRUE(succeeds(moec_tokenizer_encode(
      tokenizer, text.data(), text.size(), special, &ids, &count)));
  std::vector<int32_t> result(ids, ids + count);
  moec_free(ids);
  return result;
}

std::string decode(const moec_tokenizer *tokenizer,
                   const std::vector<int32_t> &ids, bool skipSpecial) {
  char *text = nullptr;
  size_t size = 0;
  EXPECT_TRUE(succeeds(moec_tokenizer_decode(tokenizer, ids.data(), ids.size(),
                                             skipSpecial, &text, &size)));
  EXPECT_EQ(text[size], '\0');
  std::string result(text, size);
  moec_free(text);
  return result;
}

/// Decodes token by token; no piece may end within a character.
std::string stream(const moec_tokenizer *tokenizer,
                   const std::vector<int32_t> &ids, bool skipSpecial) {
  moec_decoder *created = nullptr;
  EXPECT_TRUE(succeeds(moec_decoder_create(tokenizer, skipSpecial, &created)));
  Handle<moec_decoder> decoder(created);
  std::string result;
  const char *piece = nullptr;
  size_t size = 0;
  auto take = [&] {
    EXPECT_EQ(findInvalidUtf8({piece, size}), std::string_view::npos);
    result.append(piece, size);
  };
  for (int32_t id : ids) {
    EXPECT_TRUE(succeeds(moec_decoder_push(decoder.get(), id, &piece, &size)));
    take();
  }
  EXPECT_TRUE(succeeds(moec_decoder_finish(decoder.get(), &piece, &size)));
  take();
  EXPECT_TRUE(succeeds(moec_decoder_finish(decoder.get(), &piece, &size)));
  EXPECT_EQ(size, 0u);
  return result;
}

class Recorded : public ::testing::TestWithParam<const char *> {
protected:
  json texts = json::parse(readFile(records / "texts.json"));
  json record =
      json::parse(readFile(records / (std::string(GetParam()) + ".json")));
  Handle<moec_tokenizer> tokenizer = tokenizerOf(record["tokenizer"].dump());
};

TEST_P(Recorded, Encodes) {
  ASSERT_EQ(texts.size(), record["ids"].size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(json(encode(tokenizer.get(), texts[i], true)), record["ids"][i])
        << texts[i];
    EXPECT_EQ(json(encode(tokenizer.get(), texts[i], false)),
              record["plain"][i])
        << texts[i];
  }
}

TEST_P(Recorded, Decodes) {
  ASSERT_FALSE(record["decoded"].empty());
  for (const json &entry : record["decoded"]) {
    EXPECT_EQ(json(decode(tokenizer.get(), entry[0], true)), entry[1])
        << entry[0];
    EXPECT_EQ(json(decode(tokenizer.get(), entry[0], false)), entry[2])
        << entry[0];
  }
}

TEST_P(Recorded, StreamsTheSameText) {
  auto check = [&](const std::vector<int32_t> &ids) {
    for (bool skip : {false, true})
      EXPECT_EQ(stream(tokenizer.get(), ids, skip),
                decode(tokenizer.get(), ids, skip));
  };
  for (const json &ids : record["ids"])
    check(ids);
  for (const json &entry : record["decoded"])
    check(entry[0]);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Recorded,
                         ::testing::Values("gpt2", "gpt2-prefix", "qwen2",
                                           "llama3", "o200k", "deepseek",
                                           "digits", "digit-runs", "removed",
                                           "merged-previous", "merged-next",
                                           "contiguous", "inverted", "literal",
                                           "empty-matches"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(BundledModel, TokenizerAgreesWithItsRecord) {
  const std::filesystem::path model =
      std::filesystem::path(MOEC_EXAMPLES) / "tiny-qwen3-moe";
  auto tokenizer = tokenizerOf(readFile(model / "tokenizer.json"));
  json expected = json::parse(readFile(model / "expected.json"));
  ASSERT_FALSE(expected["greedy_f32"].empty());
  for (const json &entry : expected["greedy_f32"]) {
    EXPECT_EQ(json(encode(tokenizer.get(), entry["prompt"])),
              entry["prompt_ids"]);
    EXPECT_EQ(json(stream(tokenizer.get(), entry["greedy_ids"], true)),
              entry["greedy_text"]);
  }
}

class Gpt2 : public ::testing::Test {
protected:
  json document = json::parse(readFile(records / "gpt2.json"))["tokenizer"];

  ::testing::AssertionResult refuses(moec_code code, std::string_view text) {
    std::string bytes = document.dump();
    moec_tokenizer *tokenizer = nullptr;
    auto result =
        fails(moec_tokenizer_create(bytes.data(), bytes.size(), &tokenizer),
              code, text);
    EXPECT_EQ(tokenizer, nullptr);
    return result;
  }
};

TEST_F(Gpt2, BytesRoundTripInAnyOrder) {
  auto tokenizer = tokenizerOf(document.dump());
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::u32string characters;
    for (unsigned i = 0; i < random() % 30; ++i) {
      char32_t c = random() % (random() % 2 ? 0x80 : 0x110000);
      if (c < 0xD800 || c > 0xDFFF)
        characters += c;
    }
    std::string text;
    for (char32_t c : characters)
      appendCharacter(text, c);
    std::vector<int32_t> ids = encode(tokenizer.get(), text);
    EXPECT_EQ(decode(tokenizer.get(), ids, false), text);
    EXPECT_EQ(stream(tokenizer.get(), ids, false), text);
  }
}

TEST_F(Gpt2, StreamsCharactersAsTheyBecomeWhole) {
  auto tokenizer = tokenizerOf(document.dump());
  moec_decoder *created = nullptr;
  ASSERT_TRUE(succeeds(moec_decoder_create(tokenizer.get(), 0, &created)));
  Handle<moec_decoder> decoder(created);
  // One token for each byte, from the vocabulary.
  auto push = [&](const char *token) {
    const char *piece = nullptr;
    size_t size = 0;
    int32_t id = document["model"]["vocab"][token];
    EXPECT_TRUE(succeeds(moec_decoder_push(decoder.get(), id, &piece, &size)));
    return std::string(piece, size);
  };
  EXPECT_EQ(push("a"), "a");
  EXPECT_EQ(push("\u00F0"), ""); // F0 9F 98 80
  EXPECT_EQ(push("\u0141"), "");
  EXPECT_EQ(push("\u013A"), "");
  EXPECT_EQ(push("\u0122"), "\U0001F600");
  EXPECT_EQ(push("\u00C3"), "");
  EXPECT_EQ(push("b"), "\uFFFDb");
  EXPECT_EQ(push("\u00E2"), "");
  const char *piece = nullptr;
  size_t size = 0;
  ASSERT_TRUE(succeeds(moec_decoder_finish(decoder.get(), &piece, &size)));
  EXPECT_EQ(std::string(piece, size), "\uFFFD");
  EXPECT_EQ(push("c"), "c");
}

TEST_F(Gpt2, IdsOutsideOfTheVocabularyDecodeToNothing) {
  auto tokenizer = tokenizerOf(document.dump());
  EXPECT_EQ(decode(tokenizer.get(), {-1, 1000000, INT32_MIN, INT32_MAX}, false),
            "");
}

TEST_F(Gpt2, TextThatIsNotUtf8) {
  auto tokenizer = tokenizerOf(document.dump());
  for (std::string text : {"ab\xFF", "\xC3", "\xED\xA0\x80", "\xC0\x80",
                           "\xF4\x90\x80\x80", "\xE0\x9F\xBF"}) {
    int32_t *ids = nullptr;
    size_t count = 0;
    EXPECT_TRUE(fails(moec_tokenizer_encode(tokenizer.get(), text.data(),
                                            text.size(), 1, &ids, &count),
                      MOEC_E_TEXT, "not UTF-8 at byte"));
  }
}

TEST_F(Gpt2, LongWordsTakeNoQuadraticTime) {
  auto tokenizer = tokenizerOf(document.dump());
  std::string text;
  for (int i = 0; i < 300000; ++i)
    text += "theand "[i * 7 % 6];
  EXPECT_EQ(decode(tokenizer.get(), encode(tokenizer.get(), text), true), text);
}

TEST_F(Gpt2, OneTokenizerServesManyThreads) {
  auto tokenizer = tokenizerOf(document.dump());
  std::vector<int32_t> expected = encode(tokenizer.get(), "Hello, world's end");
  std::vector<std::thread> threads;
  std::vector<int> good(4, 0);
  for (size_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      bool same = true;
      for (int round = 0; round < 200; ++round)
        same &= encode(tokenizer.get(), "Hello, world's end") == expected;
      good[i] = same;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(good, std::vector<int>(4, 1));
}

TEST_F(Gpt2, OtherKindsAreRefusedByName) {
  struct Change {
    const char *pointer, *value, *message;
  };
  const Change changes[] = {
      {"/model/type", "\"WordPiece\"", "model.type: \"WordPiece\""},
      {"/model/type", "\"Unigram\"", "model.type: \"Unigram\""},
      {"/model/dropout", "0.1", "model.dropout: 0.1"},
      {"/model/byte_fallback", "true", "model.byte_fallback: true"},
      {"/model/continuing_subword_prefix", "\"##\"", "\"##\""},
      {"/model/end_of_word_suffix", "\"</w>\"", "\"</w>\""},
      {"/model/unk_token", "\"<gone>\"", "\"<gone>\" is not in the vocabulary"},
      {"/version", "\"2.0\"", "version: version \"2.0\""},
      {"/truncation", R"({"max_length": 5})", "truncation"},
      {"/padding", "{}", "padding"},
      {"/normalizer", R"({"type": "NFKC"})", "normalizer \"NFKC\""},
      {"/normalizer",
       R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})",
       "normalizer.normalizers[0]: normalizer \"Lowercase\""},
      {"/pre_tokenizer", "null", "pre-tokenizer null"},
      {"/pre_tokenizer", R"({"type": "Whitespace"})", "\"Whitespace\""},
      {"/pre_tokenizer", R"({"type": "Metaspace"})", "\"Metaspace\""},
      {"/pre_tokenizer", R"({"type": "Sequence", "pretokenizers": []})",
       "without ByteLevel"},
      {"/pre_tokenizer",
       R"({"type": "Sequence", "pretokenizers": [{"type": "Punctuation"},
           {"type": "ByteLevel", "add_prefix_space": false}]})",
       "pretokenizers[0]: pre-tokenizer \"Punctuation\""},
      {"/pre_tokenizer",
       R"({"type": "Sequence", "pretokenizers": [
           {"type": "ByteLevel", "add_prefix_space": false},
           {"type": "Digits", "individual_digits": true}]})",
       "pretokenizers[0]: pre-tokenizer \"ByteLevel\""},
      {"/pre_tokenizer",
       R"({"type": "Sequence", "pretokenizers": [
           {"type": "Split", "pattern": {"Regex": "(?<a>b)\\k<a>"},
            "behavior": "Isolated", "invert": false},
           {"type": "ByteLevel", "add_prefix_space": false}]})",
       "(?<a"},
      {"/post_processor", R"({"type": "RobertaProcessing"})",
       "post-processor \"RobertaProcessing\""},
      {"/decoder", "null", "decoder null"},
      {"/decoder", R"({"type": "WordPiece"})", "decoder \"WordPiece\""},
      {"/added_tokens/0/single_word", "true", "added_tokens[0].single_word"},
      {"/added_tokens/0/id", "77", "added_tokens[0].id: is 77"},
  };
  json original = document;
  for (const Change &change : changes) {
    document = original;
    document[json::json_pointer(change.pointer)] = json::parse(change.value);
    EXPECT_TRUE(refuses(MOEC_E_TOKENIZER_KIND, change.message))
        << change.pointer << " = " << change.value;
  }
}

TEST_F(Gpt2, BrokenFilesAreRefused) {
  struct Change {
    const char *pointer, *value, *message;
  };
  const Change changes[] = {
      {"/model", "[]", "model: expected an object"},
      {"/model/vocab", "{}", "model.vocab: expected 1 to"},
      {"/model/vocab", "[]", "model.vocab: expected an object"},
      {"/model/vocab/a", "-1", "expected a token id, found -1"},
      {"/model/vocab/a", "1.5", "expected a token id, found 1.5"},
      {"/model/vocab/a", "4294967296", "expected a token id"},
      {"/model/vocab/a", "1", "another token has the id 1"},
      {"/model/merges", "{}", "model.merges: expected an array"},
      {"/model/merges/0", "\"a b\"", "model.merges[1]: expected a merge"},
      {"/model/merges/0", "[\"a\"]", "model.merges[0]"},
      {"/model/merges/0", "[\"a\", \"gone\"]", "lacks \"gone\""},
      {"/model/merges/0", "[\"z\", \"q\"]", "lacks \"zq\""},
      {"/model/merges", "[\"a b c\"]", "expected two tokens"},
      {"/model/merges", "[\"ab\"]", "expected two tokens"},
      {"/model/ignore_merges", "3", "model.ignore_merges"},
      {"/added_tokens", "{}", "added_tokens: expected an array"},
      {"/added_tokens/0/content", "5", "added_tokens[0].content"},
      {"/added_tokens/0/lstrip", "null", "added_tokens[0].lstrip"},
      {"/post_processor",
       R"({"type": "TemplateProcessing", "special_tokens": {},
           "single": [{"SpecialToken": {"id": "x", "type_id": 0}}]})",
       "post_processor.special_tokens.x: missing"},
      {"/post_processor",
       R"({"type": "TemplateProcessing", "special_tokens": {},
           "single": [{"Sequence": {"id": "B", "type_id": 0}}]})",
       "expected \"A\""},
      {"/pre_tokenizer", R"({"type": "ByteLevel"})", "add_prefix_space"},
  };
  json original = document;
  for (const Change &change : changes) {
    document = original;
    document[json::json_pointer(change.pointer)] = json::parse(change.value);
    EXPECT_TRUE(refuses(MOEC_E_TOKENIZER, change.message))
        << change.pointer << " = " << change.value;
  }
  document = original;
  document["added_tokens"].push_back(original["added_tokens"][1]);
  document["added_tokens"][2]["special"] = false;
  EXPECT_TRUE(refuses(MOEC_E_TOKENIZER, "added twice in different ways"));
  document = "text";
  EXPECT_TRUE(refuses(MOEC_E_TOKENIZER, "expected an object"));
  for (std::string text : {"", "{", "[1,", "{\"a\":1,\"a\":2}"}) {
    moec_tokenizer *tokenizer = nullptr;
    EXPECT_TRUE(
        fails(moec_tokenizer_create(text.data(), text.size(), &tokenizer),
              MOEC_E_TOKENIZER, "tokenizer.json: "));
  }
}

TEST_F(Gpt2, TravelsInTheArtifact) {
  FakeArtifact artifact;
  {
    Handle<moec_model> model = openModel(artifact);
    moec_tokenizer *tokenizer = nullptr;
    EXPECT_TRUE(fails(moec_model_tokenizer(model.get(), &tokenizer),
                      MOEC_E_ENTRY, "give token ids"));
  }
  artifact.addFile("tokenizer.json", document.dump());
  artifact.write();
  Handle<moec_model> model = openModel(artifact);
  moec_tokenizer *first = nullptr, *second = nullptr;
  ASSERT_TRUE(succeeds(moec_model_tokenizer(model.get(), &first)));
  ASSERT_TRUE(succeeds(moec_model_tokenizer(model.get(), &second)));
  moec_tokenizer_destroy(first);
  model.reset();
  Handle<moec_tokenizer> owner(second);
  EXPECT_EQ(decode(second, encode(second, "Hello"), true), "Hello");
}

TEST_F(Gpt2, ADamagedOneInTheArtifactIsNotUsed) {
  FakeArtifact artifact;
  std::string text = document.dump();
  artifact.addFile("tokenizer.json", text);
  artifact.write();
  text[text.size() / 2] ^= 1;
  writeFile(artifact.file("tokenizer.json"), text);
  Handle<moec_model> model = openModel(artifact);
  moec_tokenizer *tokenizer = nullptr;
  EXPECT_TRUE(fails(moec_model_tokenizer(model.get(), &tokenizer),
                    MOEC_E_CHECKSUM, "tokenizer.json"));
}

} // namespace
