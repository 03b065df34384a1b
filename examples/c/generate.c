/*===- generate.c - Stream text from C ----------------------------------===*\
|*
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

/* Continues a text with a model that moec compiled.
 *
 *     generate MODEL.moec PROMPT [MAX_NEW_TOKENS [TEMPERATURE [SEED]]]
 *
 * Prints the prompt and, token by token, what the model makes of it. Needs
 * nothing but libmoec:  cc generate.c -lmoec
 */
#include <moec/Runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reports an error and returns the exit code for it; 0 for none. */
static int failed(moec_error *error) {
  if (!error)
    return 0;
  int code = moec_error_exit_code(error);
  fprintf(stderr, "generate: %s\n", moec_error_message(error));
  moec_error_free(error);
  return code;
}

/* What the callback needs, and what went wrong in it. */
struct output {
  moec_decoder *decoder;
  int code;
};

static int print_token(void *user, int32_t id) {
  struct output *output = user;
  const char *text;
  size_t size;
  output->code = failed(moec_decoder_push(output->decoder, id, &text, &size));
  if (output->code)
    return 1;
  fwrite(text, 1, size, stdout);
  fflush(stdout);
  return 0;
}

static int generate(moec_session *session, moec_decoder *decoder,
                    moec_sampler *sampler, const int32_t *prompt, size_t count,
                    int max_new_tokens) {
  struct output output = {decoder, 0};
  moec_generate_options options = {.struct_size = sizeof(options)};
  options.max_new_tokens = max_new_tokens;
  options.sampler = sampler;
  options.on_token = print_token;
  options.user = &output;
  int code = failed(moec_generate(session, prompt, count, &options, NULL));
  if (code || output.code)
    return code ? code : output.code;

  const char *text;
  size_t size;
  code = failed(moec_decoder_finish(decoder, &text, &size));
  if (!code) {
    fwrite(text, 1, size, stdout);
    putchar('\n');
  }
  return code;
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 6) {
    fprintf(stderr, "usage: generate MODEL.moec PROMPT [MAX_NEW_TOKENS "
                    "[TEMPERATURE [SEED]]]\n");
    return 2;
  }
  int max_new_tokens = argc > 3 ? atoi(argv[3]) : 64;
  moec_sampling sampling = {.struct_size = sizeof(sampling)};
  sampling.temperature = argc > 4 ? strtof(argv[4], NULL) : 0;
  sampling.seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;

  moec_model *model = NULL;
  moec_session *session = NULL;
  moec_tokenizer *tokenizer = NULL;
  moec_decoder *decoder = NULL;
  moec_sampler *sampler = NULL;
  int32_t *prompt = NULL;
  size_t count = 0;

  int code = failed(moec_model_open(argv[1], NULL, &model));
  if (!code)
    code = failed(moec_session_create(model, NULL, &session));
  if (!code)
    code = failed(moec_model_tokenizer(model, &tokenizer));
  if (!code)
    code = failed(moec_decoder_create(tokenizer, 1, &decoder));
  if (!code)
    code = failed(moec_sampler_create(&sampling, &sampler));
  if (!code)
    code = failed(moec_tokenizer_encode(tokenizer, argv[2], strlen(argv[2]), 1,
                                        &prompt, &count));
  if (!code) {
    fputs(argv[2], stdout);
    code = generate(session, decoder, sampler, prompt, count, max_new_tokens);
  }

  moec_free(prompt);
  moec_sampler_destroy(sampler);
  moec_decoder_destroy(decoder);
  moec_tokenizer_destroy(tokenizer);
  moec_session_destroy(session);
  moec_model_close(model);
  return code;
}
