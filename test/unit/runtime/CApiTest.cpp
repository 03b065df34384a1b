//===- CApiTest.cpp - The seam between C and C++ --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Null pointers, versions of structs, and that libmoec.so exports what
// Runtime.h declares and nothing else.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"
#include "moec/Artifact.h"
#include "moec/Function.h"

#include <dlfcn.h>
#include <elf.h>

#include <cstring>
#include <regex>
#include <set>

using namespace moec::runtime;
using namespace moec::runtime::testing;

namespace {

TEST(ErrorTest, NullIsSuccess) {
  EXPECT_EQ(moec_error_code(nullptr), MOEC_OK);
  EXPECT_STREQ(moec_error_message(nullptr), "");
  EXPECT_EQ(moec_error_exit_code(nullptr), 0);
  moec_error_free(nullptr);
  moec_free(nullptr);
  moec_model_close(nullptr);
  moec_session_destroy(nullptr);
  moec_sampler_destroy(nullptr);
  moec_tokenizer_destroy(nullptr);
  moec_decoder_destroy(nullptr);
  moec_function_destroy(nullptr);
}

TEST(FunctionTest, TheStepOfAModelIsNone) {
  FakeArtifact artifact;
  Handle<moec_model> model = openModel(artifact);
  moec_function *function = nullptr;
  Handle<moec_error> error(
      moec_function_create(model.get(), "step", nullptr, &function));
  EXPECT_EQ(moec_error_code(error.get()), MOEC_E_ENTRY);
  error.reset(moec_function_create(model.get(), "none", nullptr, &function));
  EXPECT_EQ(moec_error_code(error.get()), MOEC_E_ENTRY);
  error.reset(moec_function_create(nullptr, "step", nullptr, &function));
  EXPECT_EQ(moec_error_code(error.get()), MOEC_E_ARGUMENT);
  EXPECT_EQ(function, nullptr);
  EXPECT_STREQ(moec_model_function_name(model.get(), 0), "step");
  EXPECT_EQ(moec_model_function_name(model.get(), 1), nullptr);
  moec_view view{};
  view.struct_size = sizeof(view);
  EXPECT_EQ(moec_function_tap_name(nullptr, 0), nullptr);
  error.reset(moec_function_tap(nullptr, "x", &view));
  EXPECT_EQ(moec_error_code(error.get()), MOEC_E_ARGUMENT);
}

TEST(ErrorTest, ExitCodesFollowFromCodes) {
  moec_model *model = nullptr;
  Handle<moec_error> error(moec_model_open("/nonexistent", nullptr, &model));
  EXPECT_EQ(moec_error_code(error.get()), MOEC_E_NOT_FOUND);
  EXPECT_EQ(moec_error_exit_code(error.get()), 1);
  FakeArtifact artifact;
  artifact.manifest["schema"] = MOEC_SCHEMA_VERSION + 1;
  artifact.write();
  error.reset(moec_model_open(artifact.path().c_str(), nullptr, &model));
  EXPECT_EQ(moec_error_exit_code(error.get()), 3);
  writeFile(artifact.file("manifest.json"), "{}");
  error.reset(moec_model_open(artifact.path().c_str(), nullptr, &model));
  EXPECT_EQ(moec_error_exit_code(error.get()), 6);
}

TEST(VersionTest, IsTheProjects) { EXPECT_STREQ(moec_version(), MOEC_VERSION); }

TEST(NullTest, IsRefusedByName) {
  FakeArtifact artifact;
  Handle<moec_model> model = openModel(artifact);
  Handle<moec_session> session = createSession(model.get());
  moec_model *m = nullptr;
  moec_session *s = nullptr;
  moec_tokenizer *t = nullptr;
  moec_decoder *d = nullptr;
  uint64_t bytes = 0;
  size_t size = 0;
  int32_t id = 0, *ids = nullptr;
  char *text = nullptr;
  const char *piece = nullptr;
  moec_view view = {};
  const float logits[] = {1};
  struct {
    moec_error *error;
    const char *name;
  } calls[] = {
      {moec_model_open(nullptr, nullptr, &m), "path"},
      {moec_model_open("x", nullptr, nullptr), "model"},
      {moec_model_get_info(nullptr, nullptr), "model"},
      {moec_model_get_info(model.get(), nullptr), "info"},
      {moec_model_check_weights(nullptr), "model"},
      {moec_session_memory(nullptr, nullptr, &bytes), "model"},
      {moec_session_memory(model.get(), nullptr, nullptr), "bytes"},
      {moec_session_create(nullptr, nullptr, &s), "model"},
      {moec_session_create(model.get(), nullptr, nullptr), "session"},
      {moec_session_step(nullptr, nullptr, nullptr), "session"},
      {moec_session_step(session.get(), nullptr, nullptr), "step"},
      {moec_session_prefill(nullptr, 0, &id, 1, nullptr), "session"},
      {moec_session_reset(nullptr, 0), "session"},
      {moec_session_truncate(nullptr, 0, 0), "session"},
      {moec_session_fork(nullptr, 0, 1, 0), "session"},
      {moec_session_tap(nullptr, "x", &view), "session"},
      {moec_session_tap(session.get(), nullptr, &view), "name"},
      {moec_session_tap(session.get(), "hashes", nullptr), "view"},
      {moec_sampler_create(nullptr, nullptr), "sampler"},
      {moec_sampler_sample(nullptr, logits, 1, &id), "sampler"},
      {moec_generate(nullptr, &id, 1, nullptr, nullptr), "session"},
      {moec_generate(session.get(), &id, 1, nullptr, nullptr), "options"},
      {moec_tokenizer_create(nullptr, 0, &t), "json"},
      {moec_tokenizer_create("{}", 2, nullptr), "tokenizer"},
      {moec_model_tokenizer(nullptr, &t), "model"},
      {moec_model_tokenizer(model.get(), nullptr), "tokenizer"},
      {moec_tokenizer_encode(nullptr, "", 0, 0, &ids, &size), "tokenizer"},
      {moec_tokenizer_decode(nullptr, &id, 1, 0, &text, &size), "tokenizer"},
      {moec_decoder_create(nullptr, 0, &d), "tokenizer"},
      {moec_decoder_push(nullptr, 0, &piece, &size), "decoder"},
      {moec_decoder_finish(nullptr, &piece, &size), "decoder"},
  };
  for (const auto &call : calls)
    EXPECT_TRUE(fails(call.error, MOEC_E_ARGUMENT,
                      std::string(call.name) + " is null"));
  EXPECT_TRUE(fails(moec_session_prefill(session.get(), 0, nullptr, 3, nullptr),
                    MOEC_E_ARGUMENT, "no tokens"));
  EXPECT_EQ(moec_session_length(nullptr, 0), -1);
  EXPECT_EQ(moec_model_manifest(nullptr, nullptr), nullptr);
  EXPECT_EQ(moec_model_tap_name(nullptr, 0), nullptr);
}

TEST(StructSizeTest, OlderCallersKnowFewerMembers) {
  FakeArtifact artifact;
  Handle<moec_model> model = openModel(artifact);
  moec_session_options options = {offsetof(moec_session_options, step_tokens),
                                  1, 64, 9999, 9999};
  Handle<moec_session> session = createSession(model.get(), options);
  int32_t context = 0, stepTokens = 0;
  moec_session_limits(session.get(), nullptr, &context, &stepTokens, nullptr);
  EXPECT_EQ(context, 64);
  EXPECT_EQ(stepTokens, 40);

  moec_model_info info;
  std::memset(&info, 0x55, sizeof(info));
  info.struct_size = offsetof(moec_model_info, layers);
  ASSERT_TRUE(succeeds(moec_model_get_info(model.get(), &info)));
  EXPECT_EQ(info.vocabulary, 50);
  EXPECT_EQ(info.layers, 0x55555555);
}

TEST(StructSizeTest, NewerCallersMayNotUseWhatIsUnknown) {
  FakeArtifact artifact;
  Handle<moec_model> model = openModel(artifact);
  struct {
    moec_session_options known;
    int64_t unknown;
  } options = {{sizeof(options), 1, 0, 0, 0}, 0};
  moec_session *session = nullptr;
  ASSERT_TRUE(
      succeeds(moec_session_create(model.get(), &options.known, &session)));
  moec_session_destroy(session);
  options.unknown = 1;
  EXPECT_TRUE(fails(moec_session_create(model.get(), &options.known, &session),
                    MOEC_E_ARGUMENT, "does not know"));
}

TEST(StructSizeTest, MustBeSet) {
  FakeArtifact artifact;
  Handle<moec_model> model = openModel(artifact);
  moec_session_options options = {};
  moec_session *session = nullptr;
  EXPECT_TRUE(fails(moec_session_create(model.get(), &options, &session),
                    MOEC_E_ARGUMENT, "struct_size is 0"));
  moec_model_info info = {};
  EXPECT_TRUE(fails(moec_model_get_info(model.get(), &info), MOEC_E_ARGUMENT,
                    "struct_size is 0"));
}

/// The names of the dynamic symbols that a shared object defines.
std::set<std::string> exportsOf(const std::string &path) {
  std::string bytes = readFile(path);
  auto header = reinterpret_cast<const Elf64_Ehdr *>(bytes.data());
  auto sections =
      reinterpret_cast<const Elf64_Shdr *>(bytes.data() + header->e_shoff);
  std::set<std::string> names;
  for (int i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_DYNSYM)
      continue;
    const char *texts = bytes.data() + sections[sections[i].sh_link].sh_offset;
    auto symbols = reinterpret_cast<const Elf64_Sym *>(bytes.data() +
                                                       sections[i].sh_offset);
    for (size_t j = 0; j < sections[i].sh_size / sizeof(Elf64_Sym); ++j)
      if (symbols[j].st_shndx != SHN_UNDEF && symbols[j].st_shndx != SHN_ABS)
        names.insert(texts + symbols[j].st_name);
  }
  return names;
}

TEST(SharedLibraryTest, ExportsTheHeadersAndNothingElse) {
  std::string header =
      readFile(MOEC_HEADERS "Runtime.h") + readFile(MOEC_HEADERS "Function.h");
  std::set<std::string> declared;
  std::regex function("MOEC_API[^;(]*?\\b(moec_[a-z_]+)\\(");
  for (std::sregex_iterator it(header.begin(), header.end(), function), end;
       it != end; ++it)
    declared.insert((*it)[1]);
  EXPECT_GT(declared.size(), 30u);
  EXPECT_EQ(exportsOf(MOEC_SHARED_LIBRARY), declared);
}

TEST(SharedLibraryTest, HasAVersionedName) {
  void *library = dlopen(MOEC_SHARED_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  ASSERT_TRUE(library) << dlerror();
  EXPECT_TRUE(dlvsym(library, "moec_version", "MOEC_0"));
  dlclose(library);
  EXPECT_NE(readFile(MOEC_SHARED_LIBRARY).find("libmoec.so.0"),
            std::string::npos);
}

} // namespace
