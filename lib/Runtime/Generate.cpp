//===- Generate.cpp - The generation loop ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prefill, then one token after the other.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Generate.h"

#include <algorithm>

namespace moec::runtime {

static Result<int32_t> choose(const Session &session, Sampler *sampler,
                              const float *logits) {
  std::span<const float> row(
      logits, size_t(session.model().manifest().model.vocabulary));
  return sampler ? sampler->sample(row) : greedyToken(row);
}

Result<Generation> generate(Session &session, std::span<const int32_t> prompt,
                            const GenerateOptions &options) {
  if (options.maxNewTokens < 0)
    return Status(MOEC_E_ARGUMENT, "max_new_tokens is " +
                                       std::to_string(options.maxNewTokens) +
                                       ", it must be 0 or more");
  Generation result;
  Result<const float *> logits =
      session.prefill(options.slot, prompt.data(), prompt.size());
  if (!logits)
    return logits.status();
  const std::vector<int32_t> &eos = session.model().manifest().model.eos;
  while (result.newTokens < options.maxNewTokens) {
    Result<int32_t> id = choose(session, options.sampler, *logits);
    if (!id)
      return id.status();
    ++result.newTokens;
    bool isStopped = options.onToken && options.onToken(options.user, *id) != 0;
    bool isEnd = !options.ignoreEos &&
                 std::find(eos.begin(), eos.end(), *id) != eos.end();
    if (isEnd || isStopped) {
      result.finish = isEnd ? MOEC_FINISH_EOS : MOEC_FINISH_STOPPED;
      return result;
    }
    if (result.newTokens == options.maxNewTokens)
      return result;
    if (session.length(options.slot) == session.limits().context) {
      result.finish = MOEC_FINISH_CONTEXT;
      return result;
    }
    logits = session.prefill(options.slot, &*id, 1);
    if (!logits)
      return logits.status();
  }
  return result;
}

} // namespace moec::runtime
