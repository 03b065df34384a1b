//===- Handles.cpp - The runtime's objects for the verbs ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Handles.h"

#include <charconv>
#include <cstring>

using namespace moec;
using namespace moec::driver;

void driver::check(moec_error *error) {
  if (!error)
    return;
  int exitCode = moec_error_exit_code(error);
  int code = moec_error_code(error);
  int number = exitCode == 70 ? 1700 + code % 100 : 1000 + code;
  Failure failure{exitCode, format("MOE%04d", number),
                  moec_error_message(error)};
  moec_error_free(error);
  throw failure;
}

Model::Model(const std::string &path, uint32_t flags) {
  moec_model_options options{};
  options.struct_size = sizeof(options);
  options.flags = flags;
  moec_model *opened = nullptr;
  check(moec_model_open(path.c_str(), &options, &opened));
  handle.reset(opened);
  facts.struct_size = sizeof(facts);
  check(moec_model_get_info(opened, &facts));
}

std::string_view Model::manifest() const {
  size_t size = 0;
  const char *text = moec_model_manifest(handle.get(), &size);
  return {text, size};
}

std::string Model::expertsTap(int32_t moeLayer) const {
  return format("layers.%d.experts", facts.moe_layers[moeLayer]);
}

Tokenizer::Tokenizer(const Model &model) {
  moec_tokenizer *made = nullptr;
  check(moec_model_tokenizer(model.get(), &made));
  handle.reset(made);
}

Ids Tokenizer::encode(const std::string &text) const {
  int32_t *ids = nullptr;
  size_t count = 0;
  check(moec_tokenizer_encode(handle.get(), text.data(), text.size(), 1, &ids,
                              &count));
  Ids result(ids, ids + count);
  moec_free(ids);
  return result;
}

TextStream::TextStream(const Tokenizer &tokenizer) {
  moec_decoder *made = nullptr;
  check(moec_decoder_create(tokenizer.get(), 1, &made));
  handle.reset(made);
}

std::string TextStream::push(int32_t id) {
  const char *text = nullptr;
  size_t size = 0;
  check(moec_decoder_push(handle.get(), id, &text, &size));
  return {text, size};
}

std::string TextStream::finish() {
  const char *text = nullptr;
  size_t size = 0;
  check(moec_decoder_finish(handle.get(), &text, &size));
  return {text, size};
}

Session::Session(const Model &model, int32_t threads) {
  moec_session_options options{};
  options.struct_size = sizeof(options);
  options.threads = threads;
  options.sequences = 1;
  moec_session *made = nullptr;
  check(moec_session_create(model.get(), &options, &made));
  handle.reset(made);
}

int32_t Session::threads() const {
  int32_t count = 0;
  moec_session_limits(handle.get(), &count, nullptr, nullptr, nullptr);
  return count;
}

int32_t Session::stepTokens() const {
  int32_t count = 0;
  moec_session_limits(handle.get(), nullptr, nullptr, &count, nullptr);
  return count;
}

const float *Session::step(std::span<const int32_t> ids, int32_t rows) {
  moec_sequence sequence{0, static_cast<int32_t>(ids.size()), ids.data()};
  moec_step step{};
  step.struct_size = sizeof(step);
  step.sequences = &sequence;
  step.sequence_count = 1;
  step.row_count = rows;
  const float *logits = nullptr;
  check(moec_session_step(handle.get(), &step, &logits));
  return logits;
}

void Session::reset() { check(moec_session_reset(handle.get(), 0)); }

moec_view Session::tap(const std::string &name) const {
  moec_view view{};
  view.struct_size = sizeof(view);
  check(moec_session_tap(handle.get(), name.c_str(), &view));
  return view;
}

Ids driver::parseIds(const std::string &text) {
  Ids ids;
  const char *at = text.data(), *end = at + text.size();
  while (true) {
    while (at != end && (*at == ' ' || *at == ',' || *at == '\n'))
      ++at;
    if (at == end)
      break;
    int32_t id = 0;
    auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next != end && !std::strchr(" ,\n", *next)))
      throw Failure{1, "MOE0140",
                    "--ids: expected token ids separated by spaces, found '" +
                        std::string(at, end).substr(0, 20) + "'"};
    ids.push_back(id);
    at = next;
  }
  if (ids.empty())
    throw Failure{1, "MOE0140", "--ids: no token ids given"};
  return ids;
}
