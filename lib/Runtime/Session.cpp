//===- Session.cpp - Sequences in progress --------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step is checked as a whole, then the block table is prepared, the entry
// runs, and the lengths grow. Nothing after the checks can fail, so that a step
// happens entirely or not at all.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Session.h"

#include "lib/Runtime/Running.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace moec::runtime {

namespace {

constexpr int32_t mostThreads = 1024;

int64_t roundUp(int64_t bytes) { return (bytes + 63) / 64 * 64; }

Status limitStatus(const char *name, int32_t wanted, int32_t most) {
  return Status(MOEC_E_ARGUMENT, std::string("session option ") + name +
                                     " is " + std::to_string(wanted) +
                                     ", it must be from 0 (the limit) to " +
                                     std::to_string(most));
}

/// A recurrent state is that of a sequence's end.
Status keepsNoPrefix(const std::string &what, int32_t held, int32_t wanted) {
  return Status(MOEC_E_ARGUMENT,
                what + " cannot keep " + std::to_string(wanted) + " of " +
                    std::to_string(held) +
                    " tokens: the model has layers that remember a sequence "
                    "only as it is now; keep all, or none");
}

} // namespace

Result<SessionLimits> resolveLimits(const Model &model,
                                    const SessionLimits &wanted) {
  if (!model.target())
    return Status(
        MOEC_E_ARGUMENT,
        "the model was opened with MOEC_MODEL_INSPECT and cannot run");
  const Limits &limits = model.manifest().limits;
  SessionLimits result = wanted;
  const struct {
    const char *name;
    int32_t *value;
    int32_t most;
  } options[] = {{"threads", &result.threads, mostThreads},
                 {"context", &result.context, limits.context},
                 {"step_tokens", &result.stepTokens, limits.stepTokens},
                 {"sequences", &result.sequences, limits.sequences}};
  for (const auto &option : options) {
    if (*option.value < 0 || *option.value > option.most)
      return limitStatus(option.name, *option.value, option.most);
    if (*option.value == 0)
      *option.value = option.most;
  }
  if (wanted.threads == 0)
    result.threads = std::min(availableCpus(), mostThreads);
  return result;
}

Result<SessionLimits> Session::resolve(const Model &model,
                                       const SessionLimits &wanted) {
  if (model.target() && !model.step())
    return Status(MOEC_E_ENTRY, "the artifact is no language model: it has no "
                                "entry \"step\"; call its functions with "
                                "moec_function_create instead");
  return resolveLimits(model, wanted);
}

uint64_t Session::memory(const Model &model, const SessionLimits &limits) {
  uint64_t blocks = uint64_t(limits.sequences) * blocksFor(limits.context);
  uint64_t bytes = uint64_t(model.step()->arena.at(
      {limits.stepTokens, limits.sequences, limits.stepTokens}));
  for (const StateBuffer &buffer : model.manifest().state.buffers)
    bytes += blocks * buffer.unitBytes;
  for (const StateBuffer &buffer : model.manifest().state.recurrent)
    bytes += uint64_t(limits.sequences) * buffer.unitBytes;
  return bytes;
}

Result<std::unique_ptr<Session>>
Session::create(std::shared_ptr<const Model> model, const SessionLimits &wanted,
                uint64_t available) {
  Result<SessionLimits> limits = resolve(*model, wanted);
  if (!limits)
    return limits.status();
  uint64_t needed = memory(*model, *limits);
  if (needed > available)
    return Status(MOEC_E_MEMORY,
                  "the session can need " + std::to_string(needed) +
                      " bytes, the machine has " + std::to_string(available) +
                      " available; lower the session's context, sequences or "
                      "step_tokens");
  std::unique_ptr<Session> session(new Session(std::move(model), *limits));
  Status status = session->reserve();
  if (!status.ok())
    return status;
  Result<std::unique_ptr<ThreadPool>> pool =
      ThreadPool::create(limits->threads);
  if (!pool)
    return pool.status();
  session->threads = std::move(*pool);
  session->host = {session->threads.get(), runParallel};
  return session;
}

Session::Session(std::shared_ptr<const Model> model,
                 const SessionLimits &limits)
    : artifact(std::move(model)), bounds(limits),
      blocks(limits.sequences, int32_t(blocksFor(limits.context)),
             int32_t(blocksFor(artifact->manifest().limits.context))),
      isUsed(limits.sequences, 0) {}

Status Session::reserve() {
  Result<Mapping> arenaPages = Mapping::reserve(
      artifact->step()->arena.at(
          {bounds.stepTokens, bounds.sequences, bounds.stepTokens}),
      "the arena");
  if (!arenaPages)
    return arenaPages.status();
  arena = std::move(*arenaPages);
  if (arena.size() > 0)
    ::madvise(arena.data(), arena.size(), MADV_HUGEPAGE);

  Result<Mapping> statePages =
      Mapping::reserve(artifact->manifest().state.bytes, "the state");
  if (!statePages)
    return statePages.status();
  state = std::move(*statePages);

  int64_t perToken = roundUp(int64_t(bounds.stepTokens) * sizeof(int32_t));
  int64_t perSequence =
      roundUp((int64_t(bounds.sequences) + 1) * sizeof(int32_t));
  Result<Mapping> inputPages =
      Mapping::reserve(3 * perToken + 2 * perSequence, "the inputs of a step");
  if (!inputPages)
    return inputPages.status();
  inputs = std::move(*inputPages);
  auto part = [&](int64_t offset) {
    return reinterpret_cast<int32_t *>(inputs.data() + offset);
  };
  ids = part(0);
  positions = part(perToken);
  rows = part(2 * perToken);
  offsets = part(3 * perToken);
  slots = part(3 * perToken + perSequence);
  copies.reserve(bounds.sequences);
  return Status();
}

Status Session::checkSlot(int32_t slot) const {
  if (slot >= 0 && slot < bounds.sequences)
    return Status();
  return Status(MOEC_E_SLOT,
                "slot " + std::to_string(slot) +
                    " does not exist, the session has slots 0 to " +
                    std::to_string(bounds.sequences - 1));
}

Status Session::checkTokens(int32_t slot, const int32_t *ids,
                            size_t count) const {
  if (!ids || count == 0)
    return Status(MOEC_E_ARGUMENT, "slot " + std::to_string(slot) +
                                       " is given no tokens, at least 1 is "
                                       "needed");
  int32_t held = blocks.length(slot);
  if (count > size_t(bounds.context - held))
    return Status(MOEC_E_CONTEXT,
                  "slot " + std::to_string(slot) + " holds " +
                      std::to_string(held) + " tokens and would get " +
                      std::to_string(count) + " more, the context is " +
                      std::to_string(bounds.context) +
                      "; truncate it, or compile with a larger --max-context");
  int32_t vocabulary = artifact->manifest().model.vocabulary;
  for (size_t i = 0; i < count; ++i)
    if (ids[i] < 0 || ids[i] >= vocabulary)
      return Status(MOEC_E_TOKEN_ID, "token " + std::to_string(i) +
                                         " of slot " + std::to_string(slot) +
                                         " has id " + std::to_string(ids[i]) +
                                         ", the vocabulary is 0 to " +
                                         std::to_string(vocabulary - 1));
  return Status();
}

Status Session::checkStep(const moec_step &step, StepSize &size) {
  if (!step.sequences || step.sequence_count < 1)
    return Status(MOEC_E_ARGUMENT, "a step needs at least one sequence");
  if (step.sequence_count > bounds.sequences)
    return Status(MOEC_E_STEP, "the step has " +
                                   std::to_string(step.sequence_count) +
                                   " sequences, the limit is " +
                                   std::to_string(bounds.sequences));
  size.sequences = step.sequence_count;
  Status status;
  for (int64_t i = 0; i < size.sequences && status.ok(); ++i) {
    const moec_sequence &sequence = step.sequences[i];
    status = checkSlot(sequence.slot);
    if (!status.ok())
      break;
    if (isUsed[sequence.slot])
      status = Status(MOEC_E_SLOT, "slot " + std::to_string(sequence.slot) +
                                       " occurs twice in the step");
    else
      status = checkTokens(sequence.slot, sequence.ids,
                           size_t(std::max(sequence.count, 0)));
    isUsed[sequence.slot] = 1;
    size.tokens += sequence.count;
  }
  std::fill(isUsed.begin(), isUsed.end(), 0);
  if (!status.ok())
    return status;
  if (size.tokens > bounds.stepTokens)
    return Status(MOEC_E_STEP,
                  "the step has " + std::to_string(size.tokens) +
                      " tokens, the limit is " +
                      std::to_string(bounds.stepTokens) +
                      "; split it, or compile with a larger --max-step-tokens");
  return checkRows(step, size);
}

Status Session::checkRows(const moec_step &step, StepSize &size) const {
  if (!step.rows) {
    if (step.row_count != 0 && step.row_count != MOEC_ROWS_LAST &&
        step.row_count != MOEC_ROWS_ALL)
      return Status(MOEC_E_ARGUMENT, "row_count is " +
                                         std::to_string(step.row_count) +
                                         " without a list of rows");
    size.rows = step.row_count == 0                ? 0
                : step.row_count == MOEC_ROWS_LAST ? size.sequences
                                                   : size.tokens;
    return Status();
  }
  if (step.row_count < 0)
    return Status(MOEC_E_ARGUMENT, "row_count is " +
                                       std::to_string(step.row_count) +
                                       " with a list of rows");
  int32_t least = 0;
  for (int32_t i = 0; i < step.row_count; ++i) {
    if (step.rows[i] < least || step.rows[i] >= size.tokens)
      return Status(MOEC_E_ARGUMENT,
                    "row " + std::to_string(i) + " is " +
                        std::to_string(step.rows[i]) +
                        ", rows must ascend and be below the step's " +
                        std::to_string(size.tokens) + " tokens");
    least = step.rows[i] + 1;
  }
  size.rows = step.row_count;
  return Status();
}

Status Session::growLogits(int64_t rows) {
  size_t bytes =
      size_t(rows) * artifact->manifest().model.vocabulary * sizeof(float);
  if (bytes <= logits.size())
    return Status();
  Result<Mapping> grown = Mapping::reserve(bytes, "the logits");
  if (!grown)
    return grown.status();
  logits = std::move(*grown);
  return Status();
}

void Session::gather(const moec_step &step, const StepSize &size) {
  int32_t token = 0;
  for (int64_t i = 0; i < size.sequences; ++i) {
    const moec_sequence &sequence = step.sequences[i];
    slots[i] = sequence.slot;
    offsets[i] = token;
    std::copy_n(sequence.ids, sequence.count, ids + token);
    for (int32_t j = 0; j < sequence.count; ++j)
      positions[token++] = blocks.length(sequence.slot) + j;
  }
  offsets[size.sequences] = token;
  gatherRows(step, size);
}

void Session::gatherRows(const moec_step &step, const StepSize &size) {
  for (int64_t i = 0; i < size.rows; ++i)
    rows[i] = step.rows                          ? step.rows[i]
              : step.row_count == MOEC_ROWS_LAST ? offsets[i + 1] - 1
                                                 : int32_t(i);
}

void Session::copyBlocks() {
  for (const StateBuffer &buffer : artifact->manifest().state.buffers)
    for (const BlockCopy &copy : copies)
      std::memcpy(state.data() + buffer.offset + copy.to * buffer.unitBytes,
                  state.data() + buffer.offset + copy.from * buffer.unitBytes,
                  buffer.unitBytes);
  copies.clear();
}

void Session::runEntry(const StepSize &size) {
  const int64_t tokens[] = {size.tokens}, offsetCount[] = {size.sequences + 1},
                sequences[] = {size.sequences}, rowCount[] = {size.rows},
                logitShape[] = {size.rows,
                                artifact->manifest().model.vocabulary};
  const moec_tensor in[] = {{ids, tokens},
                            {positions, tokens},
                            {offsets, offsetCount},
                            {slots, sequences},
                            {rows, rowCount}};
  const moec_tensor out[] = {{logits.data(), logitShape}};
  const moec_env env = {&host, artifact->weights(), arena.data(), state.data(),
                        blocks.data()};
  DefaultFloatEnvironment environment;
  artifact->function (*artifact->step())(&env, in, out);
}

Result<const float *> Session::step(const moec_step &step) {
  Use use(inUse);
  if (!use)
    return busy("session");
  return stepInUse(step);
}

Result<const float *> Session::stepInUse(const moec_step &step) {
  StepSize size;
  Status status = checkStep(step, size);
  if (status.ok())
    status = growLogits(size.rows);
  if (!status.ok())
    return status;
  gather(step, size);
  for (int64_t i = 0; i < size.sequences; ++i)
    blocks.prepare(slots[i], step.sequences[i].count, copies);
  copyBlocks();
  runEntry(size);
  for (int64_t i = 0; i < size.sequences; ++i)
    blocks.commit(slots[i], step.sequences[i].count);
  last = size;
  return size.rows ? reinterpret_cast<const float *>(logits.data()) : nullptr;
}

Result<const float *> Session::prefill(int32_t slot, const int32_t *ids,
                                       size_t count) {
  Use use(inUse);
  if (!use)
    return busy("session");
  Status status = checkSlot(slot);
  if (status.ok())
    status = checkTokens(slot, ids, count);
  if (status.ok())
    status = growLogits(1);
  if (!status.ok())
    return status;
  for (size_t done = 0;;) {
    size_t now = std::min(count - done, size_t(bounds.stepTokens));
    bool isLast = done + now == count;
    moec_sequence part = {slot, int32_t(now), ids + done};
    moec_step step = {sizeof(step), &part, 1, isLast ? MOEC_ROWS_LAST : 0,
                      nullptr};
    Result<const float *> result = stepInUse(step);
    if (isLast || !result)
      return result;
    done += now;
  }
}

Status Session::reset(int32_t slot) { return truncate(slot, 0); }

Status Session::truncate(int32_t slot, int32_t length) {
  Use use(inUse);
  if (!use)
    return busy("session");
  Status status = checkSlot(slot);
  if (!status.ok())
    return status;
  if (length < 0 || length > blocks.length(slot))
    return Status(MOEC_E_ARGUMENT, "slot " + std::to_string(slot) + " holds " +
                                       std::to_string(blocks.length(slot)) +
                                       " tokens and cannot keep " +
                                       std::to_string(length));
  if (length != 0 && length != blocks.length(slot) && isRecurrent())
    return keepsNoPrefix("slot " + std::to_string(slot), blocks.length(slot),
                         length);
  blocks.truncate(slot, length);
  return Status();
}

Status Session::fork(int32_t source, int32_t target, int32_t length) {
  Use use(inUse);
  if (!use)
    return busy("session");
  Status status = checkSlot(source);
  if (status.ok())
    status = checkSlot(target);
  if (!status.ok())
    return status;
  if (source == target)
    return Status(MOEC_E_SLOT, "slot " + std::to_string(source) +
                                   " cannot be forked into itself");
  int32_t held = blocks.length(source);
  if (length < -1 || length > held)
    return Status(MOEC_E_ARGUMENT, "slot " + std::to_string(source) +
                                       " holds " + std::to_string(held) +
                                       " tokens, a fork cannot have " +
                                       std::to_string(length));
  if (length > 0 && length != held && isRecurrent())
    return keepsNoPrefix("a fork of slot " + std::to_string(source), held,
                         length);
  blocks.fork(source, target, length == -1 ? held : length);
  // A sequence that begins anew starts from zeros by itself.
  for (const StateBuffer &buffer : artifact->manifest().state.recurrent)
    std::memcpy(state.data() + buffer.offset + target * buffer.unitBytes,
                state.data() + buffer.offset + source * buffer.unitBytes,
                buffer.unitBytes);
  return Status();
}

int32_t Session::length(int32_t slot) const {
  return checkSlot(slot).ok() ? blocks.length(slot) : -1;
}

Status readTap(const Entry &entry, const uint8_t *arena,
               const std::optional<StepSize> &last, std::string_view name,
               moec_view &view) {
  for (const Tap &tap : entry.taps) {
    if (tap.type.name != name)
      continue;
    if (!last)
      return Status(MOEC_E_ARGUMENT,
                    "a tap has no value before the first step or call");
    view.data = arena + tap.offset.at(*last);
    view.dtype = tap.type.dtype;
    view.rank = int32_t(tap.type.shape.size());
    for (size_t i = 0; i < tap.type.shape.size(); ++i)
      view.shape[i] = tap.type.shape[i].at(*last);
    return Status();
  }
  return Status(
      MOEC_E_ENTRY,
      "the artifact has no tap " + inQuotes(name) +
          (entry.taps.empty() ? "; it has none, compile with --taps" : ""));
}

Status Session::tap(std::string_view name, moec_view &view) const {
  return readTap(*artifact->step(), arena.data(), last, name, view);
}

} // namespace moec::runtime
