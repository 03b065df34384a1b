/*===- Runtime.h - The C interface of the runtime -----------------------===*\
|*
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

/* The runtime library of moec: loads an artifact and runs it.
 *
 * A stable C ABI (C11) that depends on nothing of LLVM. Link with -lmoec.
 *
 * Errors. A function that can fail returns `moec_error *`: null when it
 * succeeded, otherwise an object that says what went wrong and that the caller
 * owns and frees with moec_error_free(). When a function fails, it leaves its
 * results as they were and the state of a session as it was, unless its
 * comment says otherwise. Nothing here ends the process or prints.
 *
 * Threads. A `moec_model` and a `moec_tokenizer` are immutable: any number of
 * threads may use one at once. A `moec_session`, a `moec_function`, a
 * `moec_sampler` and a `moec_decoder` belong to one thread at a time; two
 * sessions of one model may run in two threads at once. Handles may be
 * destroyed in any order: what they share lives as long as one of them needs
 * it.
 *
 * Structs that begin with `struct_size` are versioned by it: set it to the
 * struct's sizeof and every other byte to zero for the defaults, for example
 * `moec_session_options options = {.struct_size = sizeof(options)};`. A library
 * that is newer takes members that the caller does not know as zero; one that
 * is older refuses members that it does not know unless they are zero. For
 * results (moec_model_info, moec_view, moec_argument, moec_generation) set
 * struct_size likewise; as much is filled in.
 *
 * Text is UTF-8, with a length, and not null-terminated unless stated.
 */
#ifndef MOEC_RUNTIME_H
#define MOEC_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MOEC_API __attribute__((visibility("default")))
#define MOEC_CHECK __attribute__((warn_unused_result))
#else
#define MOEC_API
#define MOEC_CHECK
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Versions and errors ------------------------------------------------------ */

/* The version of this library, "major.minor.patch", null-terminated. */
MOEC_API const char *moec_version(void);

typedef struct moec_error moec_error;

/* What went wrong. Dividing by 100 gives the exit code that the tools use:
 * 1 what the caller gave, 3 unsupported, 4 a limit, 6 a damaged artifact, 70 a
 * fault of the program. Codes keep their number forever. */
typedef enum moec_code {
  MOEC_OK = 0,

  MOEC_E_ARGUMENT = 101,  /* an argument breaks a rule of the function */
  MOEC_E_NOT_FOUND = 102, /* no artifact at this path, or it cannot be read */
  MOEC_E_TOKEN_ID = 103,  /* a token id is not in the vocabulary */
  MOEC_E_SLOT = 104,      /* no such slot, or it is used twice in one step */
  MOEC_E_TEXT = 105,      /* text that is not UTF-8 */
  MOEC_E_TOKENIZER = 106, /* tokenizer.json contradicts itself */
  MOEC_E_BUSY = 107,      /* another thread is using this session */

  MOEC_E_VERSION = 301,        /* an artifact of another schema or ABI */
  MOEC_E_CPU = 302,            /* this machine lacks features of every target */
  MOEC_E_TOKENIZER_KIND = 303, /* a kind of tokenizer that is not supported */
  MOEC_E_ENTRY = 304,          /* the artifact has no such entry, file or tap */

  MOEC_E_CONTEXT = 401, /* a sequence would outgrow the context */
  MOEC_E_STEP = 402,    /* more tokens in a step than the artifact allows */
  MOEC_E_MEMORY = 403,  /* not enough memory */
  MOEC_E_THREADS = 404, /* the system gives no more threads */

  MOEC_E_MANIFEST = 601, /* manifest.json is malformed */
  MOEC_E_CHECKSUM = 602, /* the bytes of a file are not the ones written */
  MOEC_E_FILE = 603,     /* a file is missing, or of another size */
  MOEC_E_CODE = 604,     /* the code does not load or lacks its entry */
  MOEC_E_PATH = 605,     /* a file name leaves the artifact */

  MOEC_E_INTERNAL = 7001,  /* a fault of this library */
  MOEC_E_NOT_FINITE = 7002 /* the model computed a logit that is not a number */
} moec_code;

/* MOEC_OK for null. */
MOEC_API moec_code moec_error_code(const moec_error *error);

/* One line, null-terminated, without a final period or newline: what, where,
 * the limit and the actual value, what to change. Lives as long as the error.
 * "" for null. */
MOEC_API const char *moec_error_message(const moec_error *error);

/* moec_error_code() / 100: the exit code of the tools. 0 for null. */
MOEC_API int moec_error_exit_code(const moec_error *error);

/* Null is allowed. */
MOEC_API void moec_error_free(moec_error *error);

/* Frees what a function of this header documents as "free with moec_free".
 * Null is allowed. */
MOEC_API void moec_free(void *memory);

/* Models ------------------------------------------------------------------- */

typedef struct moec_model moec_model;

enum {
  /* Open the manifest only, on any CPU: no code is loaded, no session can be
   * created. For looking into an artifact. */
  MOEC_MODEL_INSPECT = 1
};

typedef struct moec_model_options {
  size_t struct_size;
  uint32_t flags; /* MOEC_MODEL_INSPECT or 0 */
  /* Name of the target to use, null-terminated; null takes the best one that
   * this machine can run. */
  const char *target;
} moec_model_options;

/* Opens the artifact in the directory `path` (null-terminated). Checks the
 * manifest's checksum, schema and ABI version, the sizes of all files, the CPU
 * and the checksum of the chosen code, and only then maps code. Weights are
 * mapped, not read. `options` may be null.
 * Fails with MOEC_E_NOT_FOUND, _VERSION, _CPU, _ENTRY, _MEMORY, _MANIFEST,
 * _CHECKSUM, _FILE, _CODE, _PATH, _ARGUMENT. */
MOEC_API moec_error *moec_model_open(const char *path,
                                     const moec_model_options *options,
                                     moec_model **model) MOEC_CHECK;

/* Null is allowed. Sessions of the model live on. */
MOEC_API void moec_model_close(moec_model *model);

/* Pointers live as long as the model; strings are null-terminated. */
typedef struct moec_model_info {
  size_t struct_size;
  const char *family; /* "qwen3_moe" */
  const char *dtype;  /* of the weights: "f32" or "bf16" */
  const char *target; /* the chosen target; null with MOEC_MODEL_INSPECT */
  int32_t vocabulary; /* token ids are below it */
  int32_t layers;
  int32_t hidden;
  int32_t context;     /* positions of a slot at most */
  int32_t step_tokens; /* tokens of a step at most */
  int32_t sequences;   /* slots */
  int32_t bos;         /* begin-of-sequence token, -1: none */
  int32_t eos_count;
  const int32_t *eos;               /* [eos_count] end-of-sequence tokens */
  const int32_t *moe_layers;        /* [moe_layer_count] ascending */
  const int32_t *experts;           /* [moe_layer_count] that a MoE layer has */
  const int32_t *experts_per_token; /* [moe_layer_count] that it chooses */
  int32_t moe_layer_count;
  int32_t tap_count; /* 0 with MOEC_MODEL_INSPECT */
  uint64_t weights_bytes;
  uint64_t state_bytes; /* of all slots at the full context */
} moec_model_info;

MOEC_API moec_error *moec_model_get_info(const moec_model *model,
                                         moec_model_info *info) MOEC_CHECK;

/* The bytes of manifest.json; they live as long as the model. */
MOEC_API const char *moec_model_manifest(const moec_model *model, size_t *size);

/* Name of tap `index` below tap_count, null-terminated; null when there is none
 * of this index. */
MOEC_API const char *moec_model_tap_name(const moec_model *model,
                                         int32_t index);

/* Reads every file of the artifact that moec_model_open() does not read (the
 * weights, the code of other targets, the tokenizer) and compares checksums.
 * Fails with MOEC_E_CHECKSUM or _FILE, naming the first file that differs. */
MOEC_API moec_error *
moec_model_check_weights(const moec_model *model) MOEC_CHECK;

/* Sessions ----------------------------------------------------------------- */

typedef struct moec_session moec_session;

/* Lower limits than the artifact's need less memory. */
typedef struct moec_session_options {
  size_t struct_size;
  int32_t threads;     /* 0: one for each CPU that the process may use */
  int32_t context;     /* positions of a slot; 0: the artifact's limit */
  int32_t step_tokens; /* tokens of a step; 0: the artifact's limit */
  int32_t sequences;   /* slots in use; 0: the artifact's limit */
} moec_session_options;

/* Bytes that such a session can come to need, without the weights and the
 * logits: state of all slots and arena of the largest step. `options` may be
 * null. */
MOEC_API moec_error *moec_session_memory(const moec_model *model,
                                         const moec_session_options *options,
                                         uint64_t *bytes) MOEC_CHECK;

/* Every slot of a new session is empty. Memory of the state and the arena is
 * reserved now and used as it is touched. `options` may be null.
 * Fails with MOEC_E_MEMORY (the machine has less available than
 * moec_session_memory()), _THREADS, _ARGUMENT. */
MOEC_API moec_error *moec_session_create(const moec_model *model,
                                         const moec_session_options *options,
                                         moec_session **session) MOEC_CHECK;

/* Null is allowed. */
MOEC_API void moec_session_destroy(moec_session *session);

/* Limits in force: the artifact's, or the lower ones of the options. Each
 * pointer may be null. */
MOEC_API void moec_session_limits(const moec_session *session, int32_t *threads,
                                  int32_t *context, int32_t *step_tokens,
                                  int32_t *sequences);

/* Tokens that one slot gets in a step. They take the positions that follow the
 * slot's length. */
typedef struct moec_sequence {
  int32_t slot;
  int32_t count;      /* at least 1 */
  const int32_t *ids; /* [count] */
} moec_sequence;

enum {
  MOEC_ROWS_LAST = -1, /* the last token of each sequence, in their order */
  MOEC_ROWS_ALL = -2   /* every token of the step */
};

typedef struct moec_step {
  size_t struct_size;
  const moec_sequence *sequences; /* [sequence_count], of distinct slots */
  int32_t sequence_count;         /* at least 1 */
  /* Whose logits are wanted: either `rows` is an ascending list of row_count
   * distinct indices into the step's tokens, which are counted through all
   * sequences, or it is null and row_count is 0 (none), MOEC_ROWS_LAST or
   * MOEC_ROWS_ALL. */
  int32_t row_count;
  const int32_t *rows;
} moec_step;

/* Runs one step over a ragged batch: prefill of some sequences and decode of
 * others, mixed as one likes. `*logits` becomes f32 [rows, vocabulary],
 * row-major, valid until the next step of the session; `logits` may be null.
 * Everything is checked before anything changes; the slots grow only when the
 * step succeeds.
 * Fails with MOEC_E_ARGUMENT, _TOKEN_ID, _SLOT, _CONTEXT, _STEP, _MEMORY,
 * _BUSY. */
MOEC_API moec_error *moec_session_step(moec_session *session,
                                       const moec_step *step,
                                       const float **logits) MOEC_CHECK;

/* Appends `count` (at least 1) tokens to a slot in as many steps as the step
 * limit asks for. `*logits` becomes f32 [vocabulary], those of the last token;
 * `logits` may be null. Taps are those of the last step. The prompt as a whole
 * is checked before the first step. */
MOEC_API moec_error *moec_session_prefill(moec_session *session, int32_t slot,
                                          const int32_t *ids, size_t count,
                                          const float **logits) MOEC_CHECK;

/* Number of positions that the slot holds; -1 when there is no such slot. */
MOEC_API int32_t moec_session_length(const moec_session *session, int32_t slot);

/* Empties a slot. */
MOEC_API moec_error *moec_session_reset(moec_session *session,
                                        int32_t slot) MOEC_CHECK;

/* Keeps the first `length` positions of a slot, at most its length. Models with
 * recurrent layers (short convolutions, linear attention) remember a sequence
 * only as it is now: of them, all positions are kept or none, else the call
 * fails with MOEC_E_ARGUMENT. */
MOEC_API moec_error *moec_session_truncate(moec_session *session, int32_t slot,
                                           int32_t length) MOEC_CHECK;

/* Makes `target` hold the first `length` positions of `source` (at most its
 * length; -1: all) instead of what it held. The storage is shared; whoever
 * appends first to a block that is shared and not full gets a copy of it; a
 * recurrent state is copied, and as in moec_session_truncate only that of all
 * positions can be.
 * `source` and `target` must differ. */
MOEC_API moec_error *moec_session_fork(moec_session *session, int32_t source,
                                       int32_t target,
                                       int32_t length) MOEC_CHECK;

typedef enum moec_dtype {
  MOEC_F32 = 1,
  MOEC_F16 = 2,
  MOEC_BF16 = 3,
  MOEC_I32 = 4,
  MOEC_I64 = 5,
  MOEC_I8 = 6,
  MOEC_U8 = 7
} moec_dtype;

enum { MOEC_MAX_RANK = 8 };

/* A dense row-major tensor. */
typedef struct moec_view {
  size_t struct_size;
  const void *data;
  moec_dtype dtype;
  int32_t rank;
  int64_t shape[MOEC_MAX_RANK];
} moec_view;

/* A tap's value of the last step; valid until the next step of the session.
 * Tokens are the step's, in its order. Fails with MOEC_E_ENTRY when the
 * artifact has no tap of this (null-terminated) name, MOEC_E_ARGUMENT before
 * the first step. */
MOEC_API moec_error *moec_session_tap(const moec_session *session,
                                      const char *name,
                                      moec_view *view) MOEC_CHECK;

/* Sampling and generation -------------------------------------------------- */

typedef struct moec_sampler moec_sampler;

typedef struct moec_sampling {
  size_t struct_size;
  float temperature; /* 0: greedy, the highest logit, ties to the lowest id */
  int32_t top_k;     /* only the k highest logits; 0: all */
  float top_p;       /* the fewest tokens that have this probability together,
                        in (0, 1]; 0 stands for 1: all */
  uint64_t seed;
} moec_sampling;

/* The order is: divide by the temperature, keep top_k, softmax, keep top_p of
 * that, draw. Equal logits rank by ascending id. Draws come from a
 * std::mt19937_64 seeded with `seed`, one 64-bit number for each token, of
 * which the upper 53 bits make a uniform number in [0, 1). `sampling` may be
 * null: greedy. */
MOEC_API moec_error *moec_sampler_create(const moec_sampling *sampling,
                                         moec_sampler **sampler) MOEC_CHECK;

/* Null is allowed. */
MOEC_API void moec_sampler_destroy(moec_sampler *sampler);

/* Chooses a token from f32 logits [vocabulary]. Fails with MOEC_E_NOT_FINITE
 * when a logit is NaN or positive infinity, or none is above negative
 * infinity. */
MOEC_API moec_error *moec_sampler_sample(moec_sampler *sampler,
                                         const float *logits,
                                         int32_t vocabulary,
                                         int32_t *id) MOEC_CHECK;

/* Called for each new token, the end-of-sequence token included. Nonzero ends
 * the generation after this token. */
typedef int (*moec_token_fn)(void *user, int32_t id);

typedef enum moec_finish {
  MOEC_FINISH_EOS = 1,     /* an end-of-sequence token */
  MOEC_FINISH_LENGTH = 2,  /* max_new_tokens */
  MOEC_FINISH_CONTEXT = 3, /* the slot is full */
  MOEC_FINISH_STOPPED = 4  /* the callback said so */
} moec_finish;

typedef struct moec_generate_options {
  size_t struct_size;
  int32_t slot;
  int32_t max_new_tokens;
  int32_t ignore_eos;     /* nonzero: go on after an end-of-sequence token */
  moec_sampler *sampler;  /* null: greedy */
  moec_token_fn on_token; /* may be null */
  void *user;             /* passed to on_token */
} moec_generate_options;

typedef struct moec_generation {
  size_t struct_size;
  int32_t new_tokens;
  moec_finish finish;
} moec_generation;

/* Appends the prompt ids [count] (at least 1) to the slot, then token after
 * token. Afterwards the slot holds everything but the last new token, which
 * nothing has followed yet. With max_new_tokens 0 only the prompt is run.
 * `result` may be null. When it fails, tokens that were reported stay. */
MOEC_API moec_error *moec_generate(moec_session *session, const int32_t *prompt,
                                   size_t count,
                                   const moec_generate_options *options,
                                   moec_generation *result) MOEC_CHECK;

/* Text --------------------------------------------------------------------- */

typedef struct moec_tokenizer moec_tokenizer;

/* From the text of a Hugging Face tokenizer.json: byte-level BPE. Fails with
 * MOEC_E_TOKENIZER_KIND, naming the component, when it is of another kind, and
 * MOEC_E_TOKENIZER when it is broken. */
MOEC_API moec_error *
moec_tokenizer_create(const char *json, size_t size,
                      moec_tokenizer **tokenizer) MOEC_CHECK;

/* The tokenizer that travels in the artifact; it is read at the first call, its
 * checksum is checked. MOEC_E_ENTRY when there is none. */
MOEC_API moec_error *
moec_model_tokenizer(const moec_model *model,
                     moec_tokenizer **tokenizer) MOEC_CHECK;

/* Null is allowed. */
MOEC_API void moec_tokenizer_destroy(moec_tokenizer *tokenizer);

/* `add_special_tokens` nonzero applies the post-processor, which may add, for
 * example, a begin-of-sequence token. Added tokens that occur in the text are
 * recognised either way. `*ids` [*count]: free with moec_free. Fails with
 * MOEC_E_TEXT when the text is not UTF-8. */
MOEC_API moec_error *moec_tokenizer_encode(const moec_tokenizer *tokenizer,
                                           const char *text, size_t size,
                                           int add_special_tokens,
                                           int32_t **ids,
                                           size_t *count) MOEC_CHECK;

/* Ids outside of the vocabulary decode to nothing; bytes that are not UTF-8
 * become U+FFFD. `skip_special_tokens` nonzero leaves out special tokens.
 * `*text` [*size], and a null byte after it: free with moec_free. */
MOEC_API moec_error *moec_tokenizer_decode(const moec_tokenizer *tokenizer,
                                           const int32_t *ids, size_t count,
                                           int skip_special_tokens, char **text,
                                           size_t *size) MOEC_CHECK;

/* Decodes token by token and never gives half a character. */
typedef struct moec_decoder moec_decoder;

MOEC_API moec_error *moec_decoder_create(const moec_tokenizer *tokenizer,
                                         int skip_special_tokens,
                                         moec_decoder **decoder) MOEC_CHECK;

/* Null is allowed. */
MOEC_API void moec_decoder_destroy(moec_decoder *decoder);

/* `*text` [*size]: what is certain by now, possibly nothing; valid until the
 * next call with this decoder. */
MOEC_API moec_error *moec_decoder_push(moec_decoder *decoder, int32_t id,
                                       const char **text,
                                       size_t *size) MOEC_CHECK;

/* What is left when no token follows; the decoder is then as new. The pieces
 * together are what moec_tokenizer_decode() gives. */
MOEC_API moec_error *moec_decoder_finish(moec_decoder *decoder,
                                         const char **text,
                                         size_t *size) MOEC_CHECK;

#ifdef __cplusplus
}
#endif
#endif /* MOEC_RUNTIME_H */
