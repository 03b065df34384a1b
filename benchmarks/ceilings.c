/*===- ceilings.c - What this machine can do at most ----------------------===*\
|*
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

/* Prints, for 1 and for 2 threads, the GFLOP/s of f32 multiply-adds and of
 * products of bf16 pairs (vector instructions; no matrix unit), with 16
 * independent accumulators in registers, and the GB/s of reading 1 GiB of
 * memory in order. The best of five runs of each, as JSON. */

#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ACCUMULATORS = 16, MOST_THREADS = 2 };
static const long kSteps = 8 * 1000 * 1000;
static const size_t kBytes = (size_t)1 << 30;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

/* One thread's share of the bytes. */
struct task {
  char *begin;
  size_t bytes;
};

#define REPEAT(X)                                                              \
  X(0)                                                                         \
  X(1)                                                                         \
  X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

__attribute__((target("avx512f"))) static void *fma512(void *unused) {
  (void)unused;
  __m512 a[ACCUMULATORS], x = _mm512_set1_ps(1e-3f);
  for (int i = 0; i < ACCUMULATORS; ++i)
    a[i] = x;
  for (long n = 0; n < kSteps; ++n) {
#define STEP(i)                                                                \
  __asm__ volatile("vfmadd231ps %1, %1, %0" : "+v"(a[i]) : "v"(x));
    REPEAT(STEP)
#undef STEP
  }
  return NULL;
}

__attribute__((target("avx512f,avx512bf16"))) static void *
dot512(void *unused) {
  (void)unused;
  __m512 a[ACCUMULATORS];
  __m512i x = _mm512_set1_epi32(0x3a833a83);
  for (int i = 0; i < ACCUMULATORS; ++i)
    a[i] = _mm512_setzero_ps();
  for (long n = 0; n < kSteps; ++n) {
#define STEP(i) __asm__ volatile("vdpbf16ps %1, %1, %0" : "+v"(a[i]) : "v"(x));
    REPEAT(STEP)
#undef STEP
  }
  return NULL;
}

__attribute__((target("avx2,fma"))) static void *fma256(void *unused) {
  (void)unused;
  __m256 a[ACCUMULATORS - 4], x = _mm256_set1_ps(1e-3f);
  for (int i = 0; i < ACCUMULATORS - 4; ++i)
    a[i] = x;
  for (long n = 0; n < kSteps; ++n)
    for (int i = 0; i < ACCUMULATORS - 4; ++i)
      __asm__ volatile("vfmadd231ps %1, %1, %0" : "+x"(a[i]) : "x"(x));
  return NULL;
}

/* Four streams: hardware does not prefetch across 4 KiB pages. */
__attribute__((target("avx2"))) static void *readAll(void *argument) {
  struct task *task = argument;
  size_t stream = task->bytes / 4;
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < stream; i += 64)
    for (int s = 0; s < 4; ++s) {
      const char *at = task->begin + s * stream + i;
      _mm_prefetch(at + 2048, _MM_HINT_T0);
      sum = _mm256_xor_si256(sum, _mm256_load_si256((const __m256i *)at));
      sum = _mm256_xor_si256(sum, _mm256_load_si256((const __m256i *)at + 1));
    }
  __asm__ volatile("" ::"x"(sum));
  return NULL;
}

/* Seconds of the best of five runs on `threads` threads. */
static double best(void *(*work)(void *), struct task *tasks, int threads) {
  double least = 1e9;
  for (int run = 0; run < 5; ++run) {
    pthread_t handles[MOST_THREADS];
    double begin = now();
    for (int i = 1; i < threads; ++i)
      pthread_create(&handles[i], NULL, work, &tasks[i]);
    work(&tasks[0]);
    for (int i = 1; i < threads; ++i)
      pthread_join(handles[i], NULL);
    double spent = now() - begin;
    least = spent < least ? spent : least;
  }
  return least;
}

int main(void) {
  char *memory = aligned_alloc(4096, kBytes);
  if (!memory) {
    fprintf(stderr, "error: no memory for a buffer of %zu bytes\n", kBytes);
    return 4;
  }
  memset(memory, 1, kBytes);
  int wide = __builtin_cpu_supports("avx512f");
  int pairs = __builtin_cpu_supports("avx512bf16");
  printf("[");
  for (int threads = 1; threads <= MOST_THREADS; ++threads) {
    struct task tasks[MOST_THREADS];
    for (int i = 0; i < threads; ++i)
      tasks[i] =
          (struct task){memory + i * (kBytes / threads), kBytes / threads};
    double steps = (double)kSteps * threads;
    double f32 =
        wide ? 32.0 * ACCUMULATORS * steps / best(fma512, tasks, threads)
             : 16.0 * (ACCUMULATORS - 4) * steps / best(fma256, tasks, threads);
    double bf16 =
        pairs ? 64.0 * ACCUMULATORS * steps / best(dot512, tasks, threads) : 0;
    double read = kBytes / best(readAll, tasks, threads);
    printf("%s{\"threads\": %d, \"f32_gflops\": %.1f, \"bf16_gflops\": %.1f, "
           "\"read_gbs\": %.1f}",
           threads > 1 ? ", " : "", threads, f32 / 1e9, bf16 / 1e9, read / 1e9);
  }
  printf("]\n");
  free(memory);
  return 0;
}
