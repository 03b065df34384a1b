//===- Session.h - Sequences in progress ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Owns what a model needs to run: arena, state, block table and threads.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_SESSION_H
#define MOEC_LIB_RUNTIME_SESSION_H

#include "lib/Runtime/Blocks.h"
#include "lib/Runtime/Files.h"
#include "lib/Runtime/Model.h"
#include "lib/Runtime/Threads.h"

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace moec::runtime {

struct SessionLimits {
  int32_t threads = 0, context = 0, stepTokens = 0, sequences = 0;
};

/// Replaces zeros by what the model and the machine allow.
Result<SessionLimits> resolveLimits(const Model &model,
                                    const SessionLimits &wanted);

/// The value of a tap of an entry, in the arena of its last run.
Status readTap(const Entry &entry, const uint8_t *arena,
               const std::optional<StepSize> &last, std::string_view name,
               moec_view &view);

class Session {
public:
  /// As above, for an artifact that must be a language model.
  static Result<SessionLimits> resolve(const Model &model,
                                       const SessionLimits &wanted);
  /// Bytes of state and arena that a session of resolved limits can touch.
  static uint64_t memory(const Model &model, const SessionLimits &limits);

  static Result<std::unique_ptr<Session>>
  create(std::shared_ptr<const Model> model, const SessionLimits &wanted,
         uint64_t available);

  /// See moec_session_step. The result is null when there are no rows.
  Result<const float *> step(const moec_step &step);
  Result<const float *> prefill(int32_t slot, const int32_t *ids, size_t count);

  Status reset(int32_t slot);
  Status truncate(int32_t slot, int32_t length);
  Status fork(int32_t source, int32_t target, int32_t length);

  /// -1 when there is no such slot.
  int32_t length(int32_t slot) const;
  Status tap(std::string_view name, moec_view &view) const;

  const Model &model() const { return *artifact; }
  const SessionLimits &limits() const { return bounds; }

private:
  Session(std::shared_ptr<const Model> model, const SessionLimits &limits);

  Status reserve();
  Result<const float *> stepInUse(const moec_step &step);
  Status checkSlot(int32_t slot) const;
  Status checkTokens(int32_t slot, const int32_t *ids, size_t count) const;
  Status checkStep(const moec_step &step, StepSize &size);
  Status checkRows(const moec_step &step, StepSize &size) const;
  Status growLogits(int64_t rows);
  void gather(const moec_step &step, const StepSize &size);
  void gatherRows(const moec_step &step, const StepSize &size);
  void copyBlocks();
  bool isRecurrent() const {
    return !artifact->manifest().state.recurrent.empty();
  }
  void runEntry(const StepSize &size);

  std::shared_ptr<const Model> artifact;
  SessionLimits bounds;
  std::unique_ptr<ThreadPool> threads;
  moec_host host = {};
  BlockTable blocks;
  Mapping arena, state, logits, inputs;
  // The inputs of the entry, in `inputs`.
  int32_t *ids = nullptr, *positions = nullptr, *offsets = nullptr,
          *slots = nullptr, *rows = nullptr;
  std::vector<char> isUsed; ///< Slots of the step that is being checked.
  std::vector<BlockCopy> copies;
  std::optional<StepSize> last; ///< Of the last step.
  mutable std::atomic<bool> inUse = false;
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_SESSION_H
