/*===- compile.c - Compile a checkpoint or a module from C --------------===*\
|*
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

/* Compiles a checkpoint, or a module with the tensors that it loads, to an
 * artifact.
 *
 *     compile CHECKPOINT NAME.moec [TARGET ...]
 *     compile MODULE.mlir NAME.moec PARAMS [TARGET ...]
 *
 * Prints the memory that a run will need. The exit code is that of
 * `moec compile`:  cc compile.c -lmoec-compiler
 */
#include <moec/Compiler.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_message(void *user, moec_severity severity, const char *code,
                          const char *text) {
  static const char *const names[] = {"error", "warning", "remark", "note"};
  (void)user;
  fprintf(stderr, "%s: [%s] %s\n", names[severity], code, text);
}

static int print_progress(void *user, const char *phase, uint64_t done,
                          uint64_t total) {
  (void)user;
  if (total == 0)
    fprintf(stderr, "%s\n", phase);
  else if (done == total)
    fprintf(stderr, "%s: %" PRIu64 " bytes\n", phase, done);
  return 0;
}

static int is_module(const char *name) {
  size_t length = strlen(name);
  return length > 5 && strcmp(name + length - 5, ".mlir") == 0;
}

int main(int argc, char **argv) {
  int first = argc > 1 && is_module(argv[1]) ? 4 : 3;
  if (argc < first) {
    fprintf(stderr,
            "usage: compile CHECKPOINT NAME.moec [TARGET ...]\n"
            "       compile MODULE.mlir NAME.moec PARAMS [TARGET ...]\n");
    return 2;
  }
  moec_compile_options options = {.struct_size = sizeof(options)};
  options.checkpoint = argv[1];
  options.output = argv[2];
  if (first == 4)
    options.params = argv[3];
  options.targets = (const char *const *)(argv + first);
  options.target_count = (size_t)(argc - first);
  options.on_message = print_message;
  options.on_progress = print_progress;
  moec_compile_result result = {.struct_size = sizeof(result)};
  moec_compile_status status = moec_compile(&options, &result);
  if (status == MOEC_COMPILE_OK)
    printf("a run will need %" PRIu64 " bytes\n",
           result.weights_bytes + result.state_bytes + result.arena_bytes);
  return status;
}
