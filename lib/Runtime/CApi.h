//===- CApi.h - The seam between C and C++ ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Handles, and what every function of Runtime.h does alike: no exception
// crosses, a status becomes an error object, versioned structs are copied by
// their size.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_CAPI_H
#define MOEC_LIB_RUNTIME_CAPI_H

#include "lib/Runtime/Function.h"
#include "lib/Runtime/Model.h"
#include "lib/Runtime/Sampler.h"
#include "lib/Runtime/Session.h"
#include "lib/Runtime/Status.h"
#include "lib/Runtime/Structs.h"
#include "lib/Runtime/Tokenizer.h"

#include <memory>
#include <new>
#include <string>

struct moec_error {
  moec_code code;
  std::string message;
};

struct moec_model {
  std::shared_ptr<const moec::runtime::Model> value;
};
struct moec_session {
  std::unique_ptr<moec::runtime::Session> value;
};
struct moec_function {
  std::unique_ptr<moec::runtime::Function> value;
};
struct moec_sampler {
  moec::runtime::Sampler value;
};
struct moec_tokenizer {
  std::shared_ptr<const moec::runtime::Tokenizer> value;
};
struct moec_decoder {
  moec::runtime::TextStream value;
};

namespace moec::runtime {

/// Null for success. Never throws: without memory it returns an object that
/// exists already.
moec_error *toError(const Status &status) noexcept;
moec_error *outOfMemory() noexcept;

/// Runs the body of a function of the C interface.
template <typename Body> moec_error *guarded(Body body) noexcept {
  try {
    return toError(body());
  } catch (const std::bad_alloc &) {
    return outOfMemory();
  } catch (const std::exception &error) {
    return toError(Status(MOEC_E_INTERNAL,
                          std::string("internal error: ") + error.what()));
  } catch (...) {
    return toError(Status(MOEC_E_INTERNAL, "internal error"));
  }
}

inline SessionLimits limitsOf(const moec_session_options &options) {
  return {options.threads, options.context, options.step_tokens,
          options.sequences};
}

inline Status isNull(const char *name) {
  return Status(MOEC_E_ARGUMENT, std::string(name) + " is null");
}

/// The status for a complaint of Structs.h.
inline Status complained(std::string complaint) {
  return complaint.empty() ? Status()
                           : Status(MOEC_E_ARGUMENT, std::move(complaint));
}

template <typename T> Status readStruct(const T *given, T &options) {
  return complained(copyOptions(given, options, moec_version()));
}

template <typename T> Status writeStruct(T result, T *given) {
  return complained(copyResult(result, given));
}

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_CAPI_H
