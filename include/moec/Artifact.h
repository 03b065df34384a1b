/*===- Artifact.h - The calling convention of artifacts -----------------===*\
|*
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

/* The calling convention between the code that the compiler emits and the
 * runtime that loads it.
 *
 * Both sides include this header and nothing else of each other. It needs only
 * C. A change of any struct here is a change of MOEC_ABI_VERSION, which the
 * artifact's manifest records and the loader compares before it maps code.
 */
#ifndef MOEC_ARTIFACT_H
#define MOEC_ARTIFACT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the structs below. */
#define MOEC_ABI_VERSION 1

/* Version of manifest.json; docs/artifact.md describes its fields. */
#define MOEC_SCHEMA_VERSION 2

/* Positions per block of a key-value state. A block is the unit that the block
 * table maps. */
#define MOEC_STATE_BLOCK 32

/* One task of a parallel region: `context` is the region's, `task` counts from
 * 0. */
typedef void (*moec_task_fn)(void *context, int64_t task);

/* What generated code may call. There is nothing else: no libc, no libm. */
typedef struct moec_host {
  /* The runtime's own, passed back unchanged. */
  void *handle;
  /* Runs fn(context, 0) .. fn(context, tasks - 1), in any order, on any
   * threads, each once, and returns when all are done. Everything written
   * before the call is visible to every task, and everything that a task wrote
   * is visible after it. tasks may be 0. */
  void (*parallel)(void *handle, moec_task_fn fn, void *context, int64_t tasks);
} moec_host;

/* A dense row-major tensor: `shape` has one entry per dimension, as the
 * manifest declares them. */
typedef struct moec_tensor {
  void *data;
  const int64_t *shape;
} moec_tensor;

/* The memory that an entry works on. All pointers are aligned to 64 bytes at
 * least. */
typedef struct moec_env {
  const moec_host *host;
  const unsigned char *weights; /* the artifact's weights, mapped read-only */
  unsigned char *arena; /* scratch; size by the manifest's arena formula */
  unsigned char
      *state; /* the session's state pool, or null when there is none */
  /* [sequences, blocks of the context]: where the positions of a slot are
   * stored, as indices into the pool of blocks; an entry is read only where a
   * position below the slot's length maps to it */
  const int32_t *block_table;
} moec_env;

/* An entry of the artifact. Inputs and outputs are in the manifest's order.
 * Arguments are checked by the runtime, not by the entry: token ids below the
 * vocabulary, positions below the context, slots below the sequences,
 * everything within the limits. */
typedef void (*moec_entry_fn)(const moec_env *env, const moec_tensor *inputs,
                              const moec_tensor *outputs);

#ifdef __cplusplus
}
#endif
#endif /* MOEC_ARTIFACT_H */
