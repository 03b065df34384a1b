/*===- Function.h - Functions of artifacts in C -------------------------===*\
|*
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

/* The part of the runtime's interface that calls functions on tensors; the
 * rules of Runtime.h hold here too.
 */
#ifndef MOEC_FUNCTION_H
#define MOEC_FUNCTION_H

#include "moec/Runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An artifact that is compiled from a module (docs/architectures.md) is no
 * language model but a set of functions on tensors without state: a layer of
 * another framework, for example. They need no session. A `moec_function`
 * belongs to one thread at a time, like a session. */
typedef struct moec_function moec_function;

/* Name of function `index`, in alphabetical order, null-terminated; null when
 * there is none of this index, or with MOEC_MODEL_INSPECT. */
MOEC_API const char *moec_model_function_name(const moec_model *model,
                                              int32_t index);

/* `name` is null-terminated; of the options, threads and step_tokens (the
 * largest T of a call) count. `options` may be null.
 * Fails with MOEC_E_ENTRY when there is no such function, or when it works on
 * the state of sequences; _MEMORY, _THREADS, _ARGUMENT. */
MOEC_API moec_error *moec_function_create(const moec_model *model,
                                          const char *name,
                                          const moec_session_options *options,
                                          moec_function **function) MOEC_CHECK;

/* Null is allowed. */
MOEC_API void moec_function_destroy(moec_function *function);

/* What a function takes or gives. Strings live as long as the model. */
typedef struct moec_argument {
  size_t struct_size;
  const char *name; /* null-terminated */
  moec_dtype dtype;
  int32_t rank;
  int64_t shape[MOEC_MAX_RANK]; /* -1: the T of a call */
  int64_t below; /* of i32: elements are from 0 to below it; 0: any */
} moec_argument;

/* Each pointer may be null. */
MOEC_API void moec_function_counts(const moec_function *function,
                                   int32_t *inputs, int32_t *outputs);
MOEC_API moec_error *moec_function_input(const moec_function *function,
                                         int32_t index,
                                         moec_argument *argument) MOEC_CHECK;
MOEC_API moec_error *moec_function_output(const moec_function *function,
                                          int32_t index,
                                          moec_argument *argument) MOEC_CHECK;

/* A dense row-major tensor of the caller, as a DLTensor of the CPU without
 * strides describes it. `data` is aligned to its elements. */
typedef struct moec_array {
  void *data;
  moec_dtype dtype;
  int32_t rank;
  const int64_t *shape; /* [rank] */
} moec_array;

/* Calls a function. T, from 1 to the limit, is what all arrays agree on. Inputs
 * are not written; outputs, which are the caller's memory and overlap nothing,
 * are written as a whole. Everything is checked before anything is written.
 * Fails with MOEC_E_ARGUMENT (a number, type, shape or element that the
 * function does not take), _STEP (T beyond the limit), _BUSY. */
MOEC_API moec_error *moec_function_call(moec_function *function,
                                        const moec_array *inputs,
                                        size_t input_count,
                                        const moec_array *outputs,
                                        size_t output_count) MOEC_CHECK;

/* Name of tap `index` of a function, null-terminated; null when there is none
 * of this index. There are taps where --taps was given to the compiler, and
 * they are values of ops, named by the line of the module. */
MOEC_API const char *moec_function_tap_name(const moec_function *function,
                                            int32_t index);

/* A tap's value of the last call; valid until the next call. Fails with
 * MOEC_E_ENTRY when there is no tap of this (null-terminated) name,
 * MOEC_E_ARGUMENT before the first call. */
MOEC_API moec_error *moec_function_tap(const moec_function *function,
                                       const char *name,
                                       moec_view *view) MOEC_CHECK;

#ifdef __cplusplus
}
#endif
#endif /* MOEC_FUNCTION_H */
