//===- Console.h - What the command line tool says --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Results go to one stream, diagnostics and progress to another, so that a
// result can be piped. The tool decides which streams these are.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_CONSOLE_H
#define MOEC_LIB_DRIVER_CONSOLE_H

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace moec::driver {

class Progress;

/// Why a verb gives up: an exit code, and a diagnostic with a stable code.
/// Thrown by the verbs and caught where the command line calls them.
struct Failure {
  int exitCode;
  std::string code; ///< "MOE0101", or empty.
  std::string message;
};

class Console {
public:
  Console(std::FILE *results, std::FILE *messages);
  ~Console();

  /// -1: errors only, 0: also warnings and notes, 1: everything.
  int verbosity = 0;
  /// auto, bar, plain, json or none.
  std::string progressMode = "auto";
  /// auto (on a terminal), always or never.
  std::string colorMode = "auto";

  void print(std::string_view text);
  void flush();
  /// Whether all results have reached their stream.
  bool resultsArrived();

  /// "error: [MOE0101] text".
  void diagnose(std::string_view kind, std::string_view code,
                std::string_view text);
  void report(const Failure &failure);
  /// A line for whoever watches; not with -q.
  void note(std::string_view text);
  /// The same, only with -v.
  void detail(std::string_view text);

  /// What is under way; `done` of `total`, or 0 where nothing is counted.
  void progress(const std::string &phase, const std::string &detail,
                uint64_t done, uint64_t total, bool inBytes = false);
  /// The work whose progress was shown is over.
  void endProgress();

private:
  bool hasColor() const;

  std::FILE *results;
  std::FILE *messages;
  std::unique_ptr<Progress> shown;
};

/// "1.5 GiB".
std::string bytesText(double bytes);
/// Like printf, into a string.
std::string format(const char *pattern, ...)
    __attribute__((format(printf, 1, 2)));
/// Resident memory of this process, now and at its peak, in bytes.
uint64_t residentBytes();
uint64_t peakResidentBytes();
/// Resident memory that no file backs.
uint64_t anonymousBytes();

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_CONSOLE_H
