//===- Generate.h - The generation loop -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prefill, then one token after the other.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_GENERATE_H
#define MOEC_LIB_RUNTIME_GENERATE_H

#include "lib/Runtime/Sampler.h"
#include "lib/Runtime/Session.h"

namespace moec::runtime {

struct Generation {
  int32_t newTokens = 0;
  moec_finish finish = MOEC_FINISH_LENGTH;
};

struct GenerateOptions {
  int32_t slot = 0;
  int32_t maxNewTokens = 0;
  bool ignoreEos = false;
  Sampler *sampler = nullptr; ///< Null: greedy.
  moec_token_fn onToken = nullptr;
  void *user = nullptr;
};

/// See moec_generate.
Result<Generation> generate(Session &session, std::span<const int32_t> prompt,
                            const GenerateOptions &options);

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_GENERATE_H
