/*===- Compiler.h - The C interface of the compiler ---------------------===*\
|*
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

/* Compiles a checkpoint, or a module of functions on tensors
 * (docs/architectures.md), to an artifact, from within a program. A stable C
 * ABI (C11). Link with -lmoec-compiler, which loads LLVM; a program that only
 * runs models needs Runtime.h and -lmoec alone.
 *
 * The work is done in a child process: what LLVM does not survive, this process
 * does, and gets a status. So the program may have any threads and may compile
 * several models at once; but while a thread of the program itself is inside of
 * LLVM, forking is not safe. Nothing here ends the process or prints.
 *
 * Structs begin with `struct_size` and are versioned by it as in Runtime.h.
 * Texts are UTF-8 and null-terminated.
 */
#ifndef MOEC_COMPILER_H
#define MOEC_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MOEC_COMPILER_API __attribute__((visibility("default")))
#else
#define MOEC_COMPILER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this library, "major.minor.patch". */
MOEC_COMPILER_API const char *moec_compiler_version(void);

/* How a compilation ended: the exit codes of `moec compile`. Numbers are kept
 * forever. */
typedef enum moec_compile_status {
  MOEC_COMPILE_OK = 0,
  MOEC_COMPILE_INPUT = 1,       /* something is wrong with what is compiled */
  MOEC_COMPILE_USAGE = 2,       /* something is wrong with the options */
  MOEC_COMPILE_UNSUPPORTED = 3, /* a model or a target that is not supported */
  MOEC_COMPILE_RESOURCES = 4,   /* not enough memory, or the disk is full */
  MOEC_COMPILE_INTERNAL = 70,   /* a fault of the compiler */
  MOEC_COMPILE_STOPPED = 130    /* on_progress wanted it */
} moec_compile_status;

typedef enum moec_severity {
  MOEC_SEVERITY_ERROR = 0,
  MOEC_SEVERITY_WARNING = 1,
  MOEC_SEVERITY_REMARK = 2,
  MOEC_SEVERITY_NOTE = 3 /* belongs to the message before it */
} moec_severity;

typedef struct moec_compile_options {
  size_t struct_size;
  /* A Hugging Face directory, or a module: a file whose name ends in .mlir. */
  const char *checkpoint;
  /* The artifact to write, NAME.moec. An artifact that is there is replaced;
   * anything else is not. */
  const char *output;
  /* "f32" or "bf16"; null: what the checkpoint has. */
  const char *dtype;
  /* As --target of the tool: "cpu", "cpu:native", "cpu:znver4", ...; none: one
   * target, "cpu". */
  const char *const *targets;
  size_t target_count;
  /* 0 for the defaults of the tool. */
  int64_t max_context;
  int64_t max_sequences;
  int64_t max_step_tokens;
  /* A family file to use instead of the built-in ones; null: none. */
  const char *arch_spec;
  /* Called for each message, in the calling thread, before moec_compile()
   * returns. `code` is a stable code such as "MOE0301", or "". May be null. */
  void (*on_message)(void *user, moec_severity severity, const char *code,
                     const char *text);
  /* Called as the work proceeds, in the calling thread: what is under way, and
   * bytes done of a total where bytes are counted, else 0. Any other result
   * than 0 stops the compilation. May be null. */
  int (*on_progress)(void *user, const char *phase, uint64_t done,
                     uint64_t total);
  void *user;
  /* Of a module: the safetensors file, or the directory, with the tensors that
   * it loads; null: it loads none. What a call takes and gives is in the
   * artifact (Function.h). */
  const char *params;
  /* As --activations of the tool: "f32", or "bf16" to round the inputs of the
   * products of bf16 weights where a target multiplies pairs of bf16: half the
   * instructions, and less precise. Null: "f32". */
  const char *activations;
} moec_compile_options;

/* What a run will need. */
typedef struct moec_compile_result {
  size_t struct_size;
  uint64_t weights_bytes; /* mapped from the artifact */
  uint64_t state_bytes;   /* keys and values of all sequences */
  uint64_t arena_bytes;   /* scratch memory of the largest step */
  uint64_t code_bytes;    /* of all targets */
} moec_compile_result;

/* Compiles. Unless it returns MOEC_COMPILE_OK, no artifact is written, nothing
 * half-written is left behind, and `result`, which may be null, stays as it
 * was. */
MOEC_COMPILER_API moec_compile_status
moec_compile(const moec_compile_options *options, moec_compile_result *result);

#ifdef __cplusplus
}
#endif

#endif /* MOEC_COMPILER_H */
