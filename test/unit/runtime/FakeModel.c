/*===- FakeModel.c - A model without arithmetic -------------------------===*\
|*
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

/* A model without arithmetic, which the tests load as if it had been compiled.
 *
 * It keeps every token of a slot in the state, through the block table, and its
 * logits are a hash of all of them: a wrong block, a block that was shared when
 * it should have been copied, or a lost position changes the result. Testing.h
 * computes the same hash from the tokens alone. Version 3 keeps the hash itself
 * instead, for each slot, in a recurrent state behind the blocks.
 */
#include "moec/Artifact.h"

#define VOCABULARY 50
#define BLOCKS_OF_CONTEXT 3 /* context 96 */
#define BLOCKS 12           /* of 4 sequences */
#define BLOCK_BYTES (MOEC_STATE_BLOCK * 4)

struct region {
  const moec_env *env;
  const moec_tensor *in, *out;
};

/* Buffer 0 holds ids, buffer 1, which lies behind it, three times ids plus 1.
 */
static int32_t *stored(const moec_env *env, int buffer, int32_t slot,
                       int32_t position) {
  int32_t block =
      env->block_table[slot * BLOCKS_OF_CONTEXT + position / MOEC_STATE_BLOCK];
  unsigned char *bytes = env->state + (buffer * BLOCKS + block) * BLOCK_BYTES;
  return (int32_t *)bytes + position % MOEC_STATE_BLOCK;
}

static const int32_t *input(const struct region *region, int which) {
  return (const int32_t *)region->in[which].data;
}

static void store_sequence(void *context, int64_t sequence) {
  const struct region *region = context;
  const int32_t *ids = input(region, 0), *positions = input(region, 1),
                *offsets = input(region, 2), *slots = input(region, 3);
  for (int32_t t = offsets[sequence]; t < offsets[sequence + 1]; ++t) {
    *stored(region->env, 0, slots[sequence], positions[t]) = ids[t];
    *stored(region->env, 1, slots[sequence], positions[t]) = 3 * ids[t] + 1;
  }
}

#if FAKE_VERSION != 3
static uint32_t hash_until(const moec_env *env, int32_t slot,
                           int32_t position) {
  uint32_t hash = FAKE_VERSION;
  for (int32_t p = 0; p <= position; ++p)
    hash = hash * 31 + (uint32_t)*stored(env, 0, slot, p) +
           7 * (uint32_t)*stored(env, 1, slot, p);
  return hash;
}
#endif

/* Tap "hashes" i32 [T] lies at the start of the arena. */
static void hash_sequence(void *context, int64_t sequence) {
#if FAKE_VERSION == 3
  const struct region *region = context;
  const int32_t *ids = input(region, 0), *positions = input(region, 1),
                *offsets = input(region, 2), *slots = input(region, 3);
  uint32_t *hash = (uint32_t *)(region->env->state + 2 * BLOCKS * BLOCK_BYTES) +
                   slots[sequence];
  for (int32_t t = offsets[sequence]; t < offsets[sequence + 1]; ++t) {
    if (positions[t] == 0)
      *hash = FAKE_VERSION;
    *hash = *hash * 31 + (uint32_t)ids[t] + 7 * (3 * (uint32_t)ids[t] + 1);
    ((int32_t *)region->env->arena)[t] = (int32_t)*hash;
  }
#else
  const struct region *region = context;
  const int32_t *positions = input(region, 1), *offsets = input(region, 2),
                *slots = input(region, 3);
  int32_t *hashes = (int32_t *)region->env->arena;
  for (int32_t t = offsets[sequence]; t < offsets[sequence + 1]; ++t)
    hashes[t] = (int32_t)hash_until(region->env, slots[sequence], positions[t]);
#endif
}

static void write_row(void *context, int64_t row) {
  const struct region *region = context;
  const int32_t *hashes = (const int32_t *)region->env->arena;
  uint32_t hash = (uint32_t)hashes[input(region, 4)[row]];
  float *logits = (float *)region->out[0].data + row * VOCABULARY;
  for (uint32_t v = 0; v < VOCABULARY; ++v)
    logits[v] =
        (float)((hash ^ (v * 2654435761u)) % 1000 + region->env->weights[v]);
}

#if defined(__x86_64__)
/* Tap "control" i32 [S]: the floating-point control of whoever ran the task;
 * it lies behind 64 bytes for each token. */
static void read_control(void *context, int64_t sequence) {
  const struct region *region = context;
  int32_t *control =
      (int32_t *)(region->env->arena + 64 * region->in[0].shape[0]);
  control[sequence] = (int32_t)(__builtin_ia32_stmxcsr() & 0xFFC0u);
}
#endif

__attribute__((visibility("default"))) void
moec_entry_step(const moec_env *env, const moec_tensor *inputs,
                const moec_tensor *outputs) {
  struct region region = {env, inputs, outputs};
  const moec_host *host = env->host;
  int64_t sequences = inputs[3].shape[0];
  host->parallel(host->handle, store_sequence, &region, sequences);
  host->parallel(host->handle, hash_sequence, &region, sequences);
  host->parallel(host->handle, write_row, &region, inputs[4].shape[0]);
#if defined(__x86_64__)
  host->parallel(host->handle, read_control, &region, sequences);
#endif
}
