/*===- compile_calls.c - Compilations that do not go well ---------------===*\
|*
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

/* Stops the compiler, and lets its process be killed, as a program that uses
 * it might see it:  compile_calls CHECKPOINT NAME.moec */
#include <moec/Compiler.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether only errors are printed. */
static int only_errors;

static void print_message(void *user, moec_severity severity, const char *code,
                          const char *text) {
  (void)user;
  if (only_errors && severity != MOEC_SEVERITY_ERROR)
    return;
  printf("%d [%s] %s\n", severity, code, text);
}

static int stop_at_weights(void *user, const char *phase, uint64_t done,
                           uint64_t total) {
  (void)user, (void)done, (void)total;
  return strcmp(phase, "weights") == 0;
}

/* The signal that the one child of this process gets once it writes. */
static int kill_at_weights(void *user, const char *phase, uint64_t done,
                           uint64_t total) {
  (void)total;
  if (strcmp(phase, "weights") != 0 || done == 0)
    return 0;
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
  FILE *file = fopen(path, "r");
  int child = 0;
  if (file && fscanf(file, "%d", &child) == 1 && child > 0)
    kill(child, *(int *)user);
  if (file)
    fclose(file);
  return 0;
}

static void report(const char *what, const moec_compile_options *options) {
  moec_compile_status status = moec_compile(options, NULL);
  printf("%s: %d\n", what, status);
  fflush(stdout);
}

/* The compiler does not wait for its caller: on a busy machine it may have
 * finished before it is killed. */
static void report_killed(const char *what,
                          const moec_compile_options *options) {
  moec_compile_status status = MOEC_COMPILE_OK;
  only_errors = 1;
  for (int i = 0; i < 50 && status == MOEC_COMPILE_OK; ++i)
    status = moec_compile(options, NULL);
  only_errors = 0;
  printf("%s: %d\n", what, status);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  moec_compile_options options = {.struct_size = sizeof(options)};
  options.checkpoint = argv[1];
  options.output = argv[2];
  options.on_message = print_message;

  options.on_progress = stop_at_weights;
  report("stopped", &options);

  int number = SIGSEGV;
  options.user = &number;
  options.on_progress = kill_at_weights;
  report_killed("crashed", &options);
  number = SIGKILL;
  report_killed("killed", &options);

  options.on_progress = NULL;
  const char *targets[] = {"cpu:none"};
  options.targets = targets;
  options.target_count = 1;
  report("target", &options);
  options.target_count = 0;
  options.params = "params.safetensors";
  report("params", &options);
  options.params = NULL;
  options.activations = "f16";
  report("activations", &options);
  options.activations = NULL;
  options.output = NULL;
  report("output", &options);
  options.struct_size = 1;
  report("size", &options);
  struct {
    moec_compile_options options;
    int later;
  } newer = {.options = {.struct_size = sizeof(newer)}, .later = 1};
  newer.options.on_message = print_message;
  moec_compile_status status = moec_compile(&newer.options, NULL);
  printf("newer: %d\n", status);

  /* A program that ignores its children still learns how they did. */
  signal(SIGCHLD, SIG_IGN);
  options.struct_size = sizeof(options);
  options.output = argv[2];
  const char *wide[] = {"cpu:znver4"};
  options.targets = wide;
  options.target_count = 1;
  options.dtype = "bf16";
  options.activations = "bf16";
  report("done", &options);
  return 0;
}
