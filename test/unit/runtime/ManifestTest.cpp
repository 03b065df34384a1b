//===- ManifestTest.cpp - What the manifest's parser takes and refuses ----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each refusal changes one thing of a manifest that is accepted as it is.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include "lib/Runtime/Manifest.h"
#include "moec/Artifact.h"

using namespace moec::runtime;
using namespace moec::runtime::testing;
using nlohmann::json;

namespace {

TEST(ManifestTest, ReadsEveryField) {
  Result<Manifest> read = parseManifest(validManifest().dump());
  ASSERT_TRUE(read) << read.status().message();
  EXPECT_EQ(read->model.family, "qwen3_moe");
  EXPECT_EQ(read->model.dtype, "bf16");
  EXPECT_EQ(read->model.vocabulary, 50);
  EXPECT_EQ(read->model.moeLayers, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(read->model.eos, (std::vector<int32_t>{48, 49}));
  EXPECT_EQ(read->model.bos, 0);
  EXPECT_EQ(read->limits.context, 96);
  EXPECT_EQ(read->state.blocks, 12);
  ASSERT_EQ(read->state.buffers.size(), 2u);
  EXPECT_EQ(read->state.buffers[1].offset, 1536u);
  EXPECT_EQ(read->weights.name, "weights/weights.bin");
  const Entry *step = read->targets.at(0).entry("step");
  ASSERT_TRUE(step);
  EXPECT_EQ(step->inputs.at(2).shape.at(0).at({7, 3, 2}), 4);
  EXPECT_EQ(step->outputs.at(0).shape.at(0).at({7, 3, 2}), 2);
  EXPECT_EQ(step->arena.at({7, 3, 2}), 64 * 7 + 64 * 3);
  EXPECT_EQ(step->taps.at(1).offset.at({7, 3, 2}), 64 * 7);
  EXPECT_FALSE(read->targets[0].entry("other"));
}

TEST(ManifestTest, NoBeginOfSequenceTokenIsFine) {
  json manifest = validManifest();
  manifest["model"]["bos"] = nullptr;
  Result<Manifest> read = parseManifest(manifest.dump());
  ASSERT_TRUE(read) << read.status().message();
  EXPECT_FALSE(read->model.bos);
}

TEST(ManifestTest, OtherVersionsAreRefusedBeforeAnythingElse) {
  for (const char *name : {"schema", "abi"}) {
    json manifest = {{"schema", MOEC_SCHEMA_VERSION},
                     {"abi", MOEC_ABI_VERSION}};
    for (int other : {0, 1, MOEC_SCHEMA_VERSION + 1}) {
      if (manifest[name] == other)
        continue;
      json changed = manifest;
      changed[name] = other;
      EXPECT_TRUE(fails(parseManifest(changed.dump()).status(), MOEC_E_VERSION,
                        "the artifact has version " + std::to_string(other)));
    }
  }
}

struct Refusal {
  const char *name;
  const char *pointer; ///< What to change.
  const char *value;   ///< In JSON; empty: remove it.
  moec_code code;
  const char *message;
};

void PrintTo(const Refusal &refusal, std::ostream *out) {
  *out << refusal.name;
}

class ManifestRefusal : public ::testing::TestWithParam<Refusal> {};

TEST_P(ManifestRefusal, IsRefused) {
  const Refusal &refusal = GetParam();
  json manifest = validManifest();
  json::json_pointer pointer(refusal.pointer);
  if (std::string(refusal.value).empty())
    manifest[pointer.parent_pointer()].erase(pointer.back());
  else
    manifest[pointer] = json::parse(refusal.value);
  Result<Manifest> read = parseManifest(manifest.dump());
  EXPECT_TRUE(fails(read.status(), refusal.code, refusal.message));
}

#define STEP "/targets/0/entries/step"
constexpr Refusal refusals[] = {
    {"SchemaMissing", "/schema", "", MOEC_E_MANIFEST, "schema: missing"},
    {"SchemaText", "/schema", "\"1\"", MOEC_E_MANIFEST, "schema: expected"},
    {"UnknownField", "/surprise", "1", MOEC_E_MANIFEST, "\"surprise\""},
    {"UnknownLimit", "/limits/batch", "1", MOEC_E_MANIFEST, "\"batch\""},
    {"ModelMissing", "/model", "", MOEC_E_MANIFEST, "model: missing"},
    {"ModelArray", "/model", "[]", MOEC_E_MANIFEST, "expected an object"},
    {"NoVocabulary", "/model/vocabulary", "0", MOEC_E_MANIFEST,
     "must not be 0 beside an entry"},
    {"BelowZero", "/targets/0/entries/step/inputs/0/below", "0",
     MOEC_E_MANIFEST, "expected an integer from 1"},
    {"BelowOfFloats", "/targets/0/entries/step/outputs/0/below", "5",
     MOEC_E_MANIFEST, "bounds i32 tensors only"},
    {"NegativeVocabulary", "/model/vocabulary", "-5", MOEC_E_MANIFEST,
     "found -5"},
    {"FractionalVocabulary", "/model/vocabulary", "50.5", MOEC_E_MANIFEST,
     "found 50.5"},
    {"HugeVocabulary", "/model/vocabulary", "18446744073709551615",
     MOEC_E_MANIFEST, "model.vocabulary"},
    {"EosBeyond", "/model/eos/1", "50", MOEC_E_MANIFEST, "model.eos[1]"},
    {"BosBeyond", "/model/bos", "50", MOEC_E_MANIFEST, "model.bos"},
    {"MoeLayerBeyond", "/model/moe_layers/1", "2", MOEC_E_MANIFEST,
     "model.moe_layers[1]"},
    {"MoeLayersDescend", "/model/moe_layers", "[1, 0]", MOEC_E_MANIFEST,
     "ascending"},
    {"MoreChosenThanExperts", "/model/experts_per_token", "[2, 7]",
     MOEC_E_MANIFEST,
     "model.experts_per_token[1]: expected an integer from 0 to 6"},
    {"ExpertsOfOneLayerOnly", "/model/experts", "[4]", MOEC_E_MANIFEST,
     "model.experts: expected a number for each of the 2 layers"},
    {"ChosenOfOneLayerOnly", "/model/experts_per_token", "[2]", MOEC_E_MANIFEST,
     "model.experts_per_token: expected a number for each of the 2 layers"},
    {"ExpertsOfMoreLayers", "/model/experts", "[4, 6, 4]", MOEC_E_MANIFEST,
     "model.experts"},
    {"ExpertsAreNoNumber", "/model/experts", "4", MOEC_E_MANIFEST,
     "model.experts"},
    {"NoContext", "/limits/context", "0", MOEC_E_MANIFEST, "limits.context"},
    {"HugeSequences", "/limits/sequences", "65537", MOEC_E_MANIFEST,
     "limits.sequences"},
    {"WrongBlocks", "/state/blocks", "13", MOEC_E_MANIFEST,
     "expected an integer from 12 to 12"},
    {"BufferBeyondPool", "/state/bytes", "3071", MOEC_E_MANIFEST,
     "reach to byte 3072 of a pool of 3071"},
    {"BuffersOverlap", "/state/buffers/1/offset", "1472", MOEC_E_MANIFEST,
     "overlaps"},
    {"BufferOffsetOdd", "/state/buffers/1/offset", "1537", MOEC_E_MANIFEST,
     "multiple of 64"},
    {"BlockBytesOdd", "/state/buffers/1/block_bytes", "100", MOEC_E_MANIFEST,
     "block_bytes one of 64"},
    {"BufferOffsetHuge", "/state/buffers/1/offset", "18446744073709551552",
     MOEC_E_MANIFEST, "state.buffers[1].offset"},
    {"SlotsBeyondPool", "/state/recurrent",
     R"([{"offset": 3072, "slot_bytes": 4}])", MOEC_E_MANIFEST,
     "reach to byte 3088 of a pool of 3072"},
    {"SlotsOverlapBlocks", "/state/recurrent",
     R"([{"offset": 1472, "slot_bytes": 4}])", MOEC_E_MANIFEST, "overlaps"},
    {"SlotOffsetOdd", "/state/recurrent",
     R"([{"offset": 1540, "slot_bytes": 4}])", MOEC_E_MANIFEST,
     "multiple of 64"},
    {"SlotBytesOdd", "/state/recurrent",
     R"([{"offset": 3072, "slot_bytes": 6}])", MOEC_E_MANIFEST,
     "slot_bytes one of 4"},
    {"SlotBytesNone", "/state/recurrent",
     R"([{"offset": 3072, "slot_bytes": 0}])", MOEC_E_MANIFEST,
     "state.recurrent[0].slot_bytes"},
    {"WeightsEscape", "/weights/file", "\"../weights.bin\"", MOEC_E_PATH,
     "not a plain relative path"},
    {"WeightsAbsolute", "/weights/file", "\"/etc/passwd\"", MOEC_E_PATH,
     "not a plain relative path"},
    {"WeightsChecksumShort", "/weights/checksum", "\"abc\"", MOEC_E_MANIFEST,
     "32 hexadecimal digits"},
    {"WeightsChecksumUpper", "/weights/checksum",
     "\"ABCDEF00ABCDEF00ABCDEF00ABCDEF00\"", MOEC_E_MANIFEST,
     "32 hexadecimal digits"},
    {"SegmentBeyond", "/weights/segments/0/bytes", "4937", MOEC_E_MANIFEST,
     "are not in a file of 5000"},
    {"SegmentOffsetBeyond", "/weights/segments/0/offset", "5056",
     MOEC_E_MANIFEST, "are not in a file of 5000"},
    {"SegmentOffsetOdd", "/weights/segments/0/offset", "65", MOEC_E_MANIFEST,
     "not a multiple of 64"},
    {"NoTargets", "/targets", "[]", MOEC_E_MANIFEST, "at least one"},
    {"TargetsObject", "/targets", "{}", MOEC_E_MANIFEST, "expected an array"},
    {"TargetNameEscape", "/targets/0/name", "\"..\"", MOEC_E_MANIFEST,
     "not a target's name"},
    {"CodeEscape", "/targets/0/file", "\"code/../../x.so\"", MOEC_E_PATH,
     "not a plain relative path"},
    {"FeatureNumber", "/targets/0/requires", "[3]", MOEC_E_MANIFEST,
     "requires[0]: expected a string"},
    {"SymbolOdd", STEP "/symbol", "\"a b\"", MOEC_E_MANIFEST,
     "is not a symbol"},
    {"UnknownDtype", STEP "/inputs/0/dtype", "\"f8\"", MOEC_E_MANIFEST,
     "unknown type \"f8\""},
    {"UnknownDimension", STEP "/inputs/0/shape", "[\"Q\"]", MOEC_E_MANIFEST,
     "expected T, S, S+1, R or a number"},
    {"TwoVaryingDimensions", STEP "/taps/0/shape", "[\"T\", \"R\"]",
     MOEC_E_MANIFEST, "at most one dimension may vary"},
    {"TooManyDimensions", STEP "/taps/0/shape", "[1,1,1,1,1,1,1,1,1]",
     MOEC_E_MANIFEST, "at most 8 elements"},
    {"ArenaOdd", STEP "/arena/T", "63", MOEC_E_MANIFEST,
     "not a multiple of 64"},
    {"ArenaHuge", STEP "/arena/T", "1152921504606846976", MOEC_E_MANIFEST,
     "arena.T"},
    {"ArenaUnknown", STEP "/arena/Q", "64", MOEC_E_MANIFEST, "\"Q\""},
    {"TapBeyondArena", STEP "/taps/1/offset/const", "64", MOEC_E_MANIFEST,
     "reaches beyond the arena"},
    {"TapBeyondAtManyTokens", STEP "/taps/0/shape", "[\"T\", 20]",
     MOEC_E_MANIFEST, "reaches beyond the arena"},
    {"TapSizeOverflows", STEP "/taps/0/shape",
     "[16777216, 16777216, 16777216, \"T\"]", MOEC_E_MANIFEST,
     "reaches beyond the arena"},
    {"TapTwice", STEP "/taps/1/name", "\"hashes\"", MOEC_E_MANIFEST,
     "a second tap"},
    {"FileEscape", "/files",
     R"({"a/../b": {"bytes": 1, "checksum": "00000000000000000000000000000000"}})",
     MOEC_E_PATH, "not a plain relative path"},
    {"FileWithoutChecksum", "/files", R"({"a": {"bytes": 1}})", MOEC_E_MANIFEST,
     "checksum: missing"},
};

INSTANTIATE_TEST_SUITE_P(Each, ManifestRefusal, ::testing::ValuesIn(refusals),
                         [](const auto &info) { return info.param.name; });

TEST(ManifestTest, TwoTargetsOfOneNameAreRefused) {
  json manifest = validManifest();
  manifest["targets"].push_back(manifest["targets"][0]);
  EXPECT_TRUE(fails(parseManifest(manifest.dump()).status(), MOEC_E_MANIFEST,
                    "a second target"));
}

TEST(ManifestTest, TooManyBlocksAreRefused) {
  json manifest = validManifest();
  manifest["limits"]["context"] = 1 << 24;
  manifest["limits"]["sequences"] = 1 << 16;
  EXPECT_TRUE(fails(parseManifest(manifest.dump()).status(), MOEC_E_MANIFEST,
                    "can be numbered"));
}

TEST(ManifestTest, TextThatIsNotJson) {
  auto refuses = [](std::string text, const char *message) {
    return fails(parseManifest(text).status(), MOEC_E_MANIFEST, message);
  };
  EXPECT_TRUE(refuses("", "not JSON"));
  EXPECT_TRUE(refuses("{", "not JSON"));
  EXPECT_TRUE(refuses("[]", "expected an object"));
  EXPECT_TRUE(refuses("{} {}", "not JSON"));
  EXPECT_TRUE(refuses("{\"schema\": 1, \"schema\": 1}", "occurs twice"));
  EXPECT_TRUE(refuses("{\"a\": \"\xFF\"}", "not JSON"));
  EXPECT_TRUE(refuses(std::string(100000, '['), "nested deeper than 16"));
  std::string deep;
  for (int i = 0; i < 17; ++i)
    deep += "{\"a\":";
  EXPECT_TRUE(refuses(deep, "nested deeper than 16"));
}

TEST(ManifestTest, LongTextsAreCutInMessages) {
  json manifest = validManifest();
  manifest["targets"][0]["entries"]["step"]["inputs"][0]["dtype"] =
      std::string(5000, 'x') + "\n";
  Result<Manifest> read = parseManifest(manifest.dump());
  ASSERT_FALSE(read);
  EXPECT_LT(read.status().message().size(), 300u);
  EXPECT_EQ(read.status().message().find('\n'), std::string::npos);
}

TEST(PlainRelativeTest, OnlyPlainNames) {
  for (const char *good : {"a", "code/x86-64-v3.so", "a.b/c_d+e-f/..g"})
    EXPECT_TRUE(isPlainRelative(good)) << good;
  for (const char *bad : {"", "/", "/a", "a/", "a//b", ".", "..", "a/.", "a/..",
                          "../a", "./a", "a b", "a\\b", "a\nb", "ä"})
    EXPECT_FALSE(isPlainRelative(bad)) << bad;
  EXPECT_FALSE(isPlainRelative(std::string("a\0b", 3)));
  EXPECT_FALSE(isPlainRelative(std::string(1025, 'a')));
}

} // namespace
