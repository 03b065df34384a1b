//===- Handles.h - The runtime's objects for the verbs ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Owners of what include/moec/Runtime.h hands out; errors become Failures.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_HANDLES_H
#define MOEC_LIB_DRIVER_HANDLES_H

#include "lib/Driver/Console.h"
#include "moec/Runtime.h"

#include <optional>
#include <span>
#include <vector>

namespace moec::driver {

/// Throws the error, if there is one. Codes of the runtime are MOE1xxx, in
/// which xxx is the number of moec_code (MOE17xx for faults).
void check(moec_error *error);

using Ids = std::vector<int32_t>;

class Model {
public:
  explicit Model(const std::string &path, uint32_t flags = 0);

  moec_model *get() const { return handle.get(); }
  const moec_model_info &info() const { return facts; }
  std::string_view manifest() const;
  /// Of this MoE layer: the name of the tap that tells the chosen experts.
  std::string expertsTap(int32_t moeLayer) const;

private:
  struct Close {
    void operator()(moec_model *model) const { moec_model_close(model); }
  };
  std::unique_ptr<moec_model, Close> handle;
  moec_model_info facts{};
};

class Tokenizer {
public:
  explicit Tokenizer(const Model &model);

  moec_tokenizer *get() const { return handle.get(); }
  Ids encode(const std::string &text) const;

private:
  struct Destroy {
    void operator()(moec_tokenizer *t) const { moec_tokenizer_destroy(t); }
  };
  std::unique_ptr<moec_tokenizer, Destroy> handle;
};

/// Text token by token.
class TextStream {
public:
  explicit TextStream(const Tokenizer &tokenizer);
  std::string push(int32_t id);
  std::string finish();

private:
  struct Destroy {
    void operator()(moec_decoder *d) const { moec_decoder_destroy(d); }
  };
  std::unique_ptr<moec_decoder, Destroy> handle;
};

class Session {
public:
  /// Of one sequence; `threads` 0: one for each CPU.
  Session(const Model &model, int32_t threads);

  moec_session *get() const { return handle.get(); }
  int32_t threads() const;
  int32_t stepTokens() const;

  /// Appends ids to slot 0 in one step. `rows` is MOEC_ROWS_LAST,
  /// MOEC_ROWS_ALL or 0.
  const float *step(std::span<const int32_t> ids, int32_t rows);
  void reset();
  /// The value of a tap in the last step.
  moec_view tap(const std::string &name) const;

private:
  struct Destroy {
    void operator()(moec_session *s) const { moec_session_destroy(s); }
  };
  std::unique_ptr<moec_session, Destroy> handle;
};

/// "5 17 42" or "5,17,42" as numbers.
Ids parseIds(const std::string &text);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_HANDLES_H
