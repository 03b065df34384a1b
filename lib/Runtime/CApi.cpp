//===- CApi.cpp - Errors, models and sessions in C ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks what C cannot and passes on.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/CApi.h"

#include "lib/Runtime/Memory.h"

#include <cstdlib>

using namespace moec::runtime;

namespace {

moec_error &memoryError() {
  // Short enough to be stored without an allocation.
  static moec_error error{MOEC_E_MEMORY, "out of memory"};
  return error;
}

} // namespace

moec_error *moec::runtime::outOfMemory() noexcept { return &memoryError(); }

moec_error *moec::runtime::toError(const Status &status) noexcept {
  if (status.ok())
    return nullptr;
  try {
    return new moec_error{status.code(), status.message()};
  } catch (const std::bad_alloc &) {
    return outOfMemory();
  }
}

const char *moec_version(void) { return MOEC_VERSION_TEXT; }

moec_code moec_error_code(const moec_error *error) {
  return error ? error->code : MOEC_OK;
}

const char *moec_error_message(const moec_error *error) {
  return error ? error->message.c_str() : "";
}

int moec_error_exit_code(const moec_error *error) {
  return error ? int(error->code) / 100 : 0;
}

void moec_error_free(moec_error *error) {
  if (error != &memoryError())
    delete error;
}

void moec_free(void *memory) { std::free(memory); }

moec_error *moec_model_open(const char *path, const moec_model_options *options,
                            moec_model **model) {
  return guarded([&]() -> Status {
    if (!path || !model)
      return isNull(path ? "model" : "path");
    moec_model_options given;
    Status status = readStruct(options, given);
    if (!status.ok())
      return status;
    if (given.flags & ~uint32_t(MOEC_MODEL_INSPECT))
      return Status(MOEC_E_ARGUMENT,
                    "unknown flags " + std::to_string(given.flags));
    Model::Options chosen{(given.flags & MOEC_MODEL_INSPECT) != 0,
                          given.target ? given.target : ""};
    Result<std::shared_ptr<Model>> opened =
        Model::open(path, chosen, CpuFeatures::ofThisMachine());
    if (opened)
      *model = new moec_model{*opened};
    return opened.status();
  });
}

void moec_model_close(moec_model *model) { delete model; }

moec_error *moec_model_get_info(const moec_model *model,
                                moec_model_info *info) {
  return guarded([&]() -> Status {
    if (!model || !info)
      return isNull(model ? "info" : "model");
    const Model &opened = *model->value;
    const Manifest &manifest = opened.manifest();
    moec_model_info result = {};
    result.family = manifest.model.family.c_str();
    result.dtype = manifest.model.dtype.c_str();
    result.target = opened.target() ? opened.target()->name.c_str() : nullptr;
    result.vocabulary = manifest.model.vocabulary;
    result.layers = manifest.model.layers;
    result.hidden = manifest.model.hidden;
    result.context = manifest.limits.context;
    result.step_tokens = manifest.limits.stepTokens;
    result.sequences = manifest.limits.sequences;
    result.bos = manifest.model.bos.value_or(-1);
    result.eos_count = int32_t(manifest.model.eos.size());
    result.eos = manifest.model.eos.data();
    result.moe_layers = manifest.model.moeLayers.data();
    result.experts = manifest.model.experts.data();
    result.experts_per_token = manifest.model.expertsPerToken.data();
    result.moe_layer_count = int32_t(manifest.model.moeLayers.size());
    result.tap_count = opened.step() ? int32_t(opened.step()->taps.size()) : 0;
    result.weights_bytes = manifest.weights.bytes;
    result.state_bytes = manifest.state.bytes;
    return writeStruct(result, info);
  });
}

const char *moec_model_manifest(const moec_model *model, size_t *size) {
  if (size)
    *size = model ? model->value->manifestText().size() : 0;
  return model ? model->value->manifestText().data() : nullptr;
}

const char *moec_model_tap_name(const moec_model *model, int32_t index) {
  const Entry *step = model ? model->value->step() : nullptr;
  if (!step || index < 0 || size_t(index) >= step->taps.size())
    return nullptr;
  return step->taps[size_t(index)].type.name.c_str();
}

moec_error *moec_model_check_weights(const moec_model *model) {
  return guarded([&]() -> Status {
    return model ? model->value->checkFiles() : isNull("model");
  });
}

moec_error *moec_session_memory(const moec_model *model,
                                const moec_session_options *options,
                                uint64_t *bytes) {
  return guarded([&]() -> Status {
    if (!model || !bytes)
      return isNull(model ? "bytes" : "model");
    moec_session_options given;
    Status status = readStruct(options, given);
    if (!status.ok())
      return status;
    Result<SessionLimits> limits =
        Session::resolve(*model->value, limitsOf(given));
    if (limits)
      *bytes = Session::memory(*model->value, *limits);
    return limits.status();
  });
}

moec_error *moec_session_create(const moec_model *model,
                                const moec_session_options *options,
                                moec_session **session) {
  return guarded([&]() -> Status {
    if (!model || !session)
      return isNull(model ? "session" : "model");
    moec_session_options given;
    Status status = readStruct(options, given);
    if (!status.ok())
      return status;
    Result<std::unique_ptr<Session>> created =
        Session::create(model->value, limitsOf(given), availableMemory());
    if (created)
      *session = new moec_session{std::move(*created)};
    return created.status();
  });
}

void moec_session_destroy(moec_session *session) { delete session; }

void moec_session_limits(const moec_session *session, int32_t *threads,
                         int32_t *context, int32_t *step_tokens,
                         int32_t *sequences) {
  SessionLimits limits = session ? session->value->limits() : SessionLimits();
  if (threads)
    *threads = limits.threads;
  if (context)
    *context = limits.context;
  if (step_tokens)
    *step_tokens = limits.stepTokens;
  if (sequences)
    *sequences = limits.sequences;
}

moec_error *moec_session_step(moec_session *session, const moec_step *step,
                              const float **logits) {
  return guarded([&]() -> Status {
    if (!session || !step)
      return isNull(session ? "step" : "session");
    moec_step given;
    Status status = readStruct(step, given);
    if (!status.ok())
      return status;
    Result<const float *> result = session->value->step(given);
    if (result && logits)
      *logits = *result;
    return result.status();
  });
}

moec_error *moec_session_prefill(moec_session *session, int32_t slot,
                                 const int32_t *ids, size_t count,
                                 const float **logits) {
  return guarded([&]() -> Status {
    if (!session)
      return isNull("session");
    Result<const float *> result = session->value->prefill(slot, ids, count);
    if (result && logits)
      *logits = *result;
    return result.status();
  });
}

int32_t moec_session_length(const moec_session *session, int32_t slot) {
  return session ? session->value->length(slot) : -1;
}

moec_error *moec_session_reset(moec_session *session, int32_t slot) {
  return guarded([&]() -> Status {
    return session ? session->value->reset(slot) : isNull("session");
  });
}

moec_error *moec_session_truncate(moec_session *session, int32_t slot,
                                  int32_t length) {
  return guarded([&]() -> Status {
    return session ? session->value->truncate(slot, length) : isNull("session");
  });
}

moec_error *moec_session_fork(moec_session *session, int32_t source,
                              int32_t target, int32_t length) {
  return guarded([&]() -> Status {
    return session ? session->value->fork(source, target, length)
                   : isNull("session");
  });
}

moec_error *moec_session_tap(const moec_session *session, const char *name,
                             moec_view *view) {
  return guarded([&]() -> Status {
    if (!session || !name || !view)
      return isNull(!session ? "session" : name ? "view" : "name");
    moec_view result = {};
    Status status = session->value->tap(name, result);
    return status.ok() ? writeStruct(result, view) : status;
  });
}
