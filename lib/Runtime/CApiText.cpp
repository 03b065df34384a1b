//===- CApiText.cpp - Sampling, generation and text in C ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks what C cannot and passes on.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/CApi.h"

#include "lib/Runtime/Generate.h"

#include <cstdlib>

using namespace moec::runtime;

namespace {

/// A copy that moec_free releases, with a zero after it.
template <typename T> T *copyOut(const T *data, size_t count) {
  T *copy = static_cast<T *>(std::calloc(count + 1, sizeof(T)));
  if (!copy)
    throw std::bad_alloc();
  std::copy_n(data, count, copy);
  return copy;
}

Status checkSpan(const void *data, size_t count, const char *name) {
  return data || count == 0 ? Status() : isNull(name);
}

void lend(const std::string &piece, const char **text, size_t *size) {
  *text = piece.data();
  *size = piece.size();
}

} // namespace

moec_error *moec_sampler_create(const moec_sampling *sampling,
                                moec_sampler **sampler) {
  return guarded([&]() -> Status {
    if (!sampler)
      return isNull("sampler");
    moec_sampling given;
    Status status = readStruct(sampling, given);
    if (!status.ok())
      return status;
    Result<Sampler> created = Sampler::create(given.temperature, given.top_k,
                                              given.top_p, given.seed);
    if (created)
      *sampler = new moec_sampler{std::move(*created)};
    return created.status();
  });
}

void moec_sampler_destroy(moec_sampler *sampler) { delete sampler; }

moec_error *moec_sampler_sample(moec_sampler *sampler, const float *logits,
                                int32_t vocabulary, int32_t *id) {
  return guarded([&]() -> Status {
    if (!sampler || !logits || !id)
      return isNull(!sampler ? "sampler" : logits ? "id" : "logits");
    if (vocabulary < 1)
      return Status(MOEC_E_ARGUMENT, "vocabulary is " +
                                         std::to_string(vocabulary) +
                                         ", it must be 1 or more");
    Result<int32_t> chosen =
        sampler->value.sample({logits, size_t(vocabulary)});
    if (chosen)
      *id = *chosen;
    return chosen.status();
  });
}

moec_error *moec_generate(moec_session *session, const int32_t *prompt,
                          size_t count, const moec_generate_options *options,
                          moec_generation *result) {
  return guarded([&]() -> Status {
    if (!session || !options)
      return isNull(session ? "options" : "session");
    moec_generate_options given;
    Status status = readStruct(options, given);
    if (!status.ok())
      return status;
    GenerateOptions chosen{given.slot,
                           given.max_new_tokens,
                           given.ignore_eos != 0,
                           given.sampler ? &given.sampler->value : nullptr,
                           given.on_token,
                           given.user};
    Result<Generation> generated =
        generate(*session->value, {prompt, prompt ? count : 0}, chosen);
    if (!generated)
      return generated.status();
    if (!result)
      return Status();
    moec_generation values = {};
    values.new_tokens = generated->newTokens;
    values.finish = generated->finish;
    return writeStruct(values, result);
  });
}

moec_error *moec_tokenizer_create(const char *json, size_t size,
                                  moec_tokenizer **tokenizer) {
  return guarded([&]() -> Status {
    if (!json || !tokenizer)
      return isNull(json ? "tokenizer" : "json");
    Result<std::shared_ptr<const Tokenizer>> parsed =
        Tokenizer::parse({json, size});
    if (parsed)
      *tokenizer = new moec_tokenizer{*parsed};
    return parsed.status();
  });
}

moec_error *moec_model_tokenizer(const moec_model *model,
                                 moec_tokenizer **tokenizer) {
  return guarded([&]() -> Status {
    if (!model || !tokenizer)
      return isNull(model ? "tokenizer" : "model");
    Result<std::shared_ptr<const Tokenizer>> shared = model->value->tokenizer();
    if (shared)
      *tokenizer = new moec_tokenizer{*shared};
    return shared.status();
  });
}

void moec_tokenizer_destroy(moec_tokenizer *tokenizer) { delete tokenizer; }

moec_error *moec_tokenizer_encode(const moec_tokenizer *tokenizer,
                                  const char *text, size_t size,
                                  int add_special_tokens, int32_t **ids,
                                  size_t *count) {
  return guarded([&]() -> Status {
    if (!tokenizer || !ids || !count)
      return isNull(!tokenizer ? "tokenizer" : ids ? "count" : "ids");
    Status status = checkSpan(text, size, "text");
    if (!status.ok())
      return status;
    Result<std::vector<int32_t>> encoded =
        tokenizer->value->encode({text, size}, add_special_tokens != 0);
    if (!encoded)
      return encoded.status();
    *ids = copyOut(encoded->data(), encoded->size());
    *count = encoded->size();
    return Status();
  });
}

moec_error *moec_tokenizer_decode(const moec_tokenizer *tokenizer,
                                  const int32_t *ids, size_t count,
                                  int skip_special_tokens, char **text,
                                  size_t *size) {
  return guarded([&]() -> Status {
    if (!tokenizer || !text || !size)
      return isNull(!tokenizer ? "tokenizer" : text ? "size" : "text");
    Status status = checkSpan(ids, count, "ids");
    if (!status.ok())
      return status;
    TextStream stream(tokenizer->value, skip_special_tokens != 0);
    std::string decoded;
    for (size_t i = 0; i < count; ++i)
      decoded += stream.push(ids[i]);
    decoded += stream.finish();
    *text = copyOut(decoded.data(), decoded.size());
    *size = decoded.size();
    return Status();
  });
}

moec_error *moec_decoder_create(const moec_tokenizer *tokenizer,
                                int skip_special_tokens,
                                moec_decoder **decoder) {
  return guarded([&]() -> Status {
    if (!tokenizer || !decoder)
      return isNull(tokenizer ? "decoder" : "tokenizer");
    *decoder = new moec_decoder{
        TextStream(tokenizer->value, skip_special_tokens != 0)};
    return Status();
  });
}

void moec_decoder_destroy(moec_decoder *decoder) { delete decoder; }

moec_error *moec_decoder_push(moec_decoder *decoder, int32_t id,
                              const char **text, size_t *size) {
  return guarded([&]() -> Status {
    if (!decoder || !text || !size)
      return isNull(!decoder ? "decoder" : text ? "size" : "text");
    lend(decoder->value.push(id), text, size);
    return Status();
  });
}

moec_error *moec_decoder_finish(moec_decoder *decoder, const char **text,
                                size_t *size) {
  return guarded([&]() -> Status {
    if (!decoder || !text || !size)
      return isNull(!decoder ? "decoder" : text ? "size" : "text");
    lend(decoder->value.finish(), text, size);
    return Status();
  });
}
