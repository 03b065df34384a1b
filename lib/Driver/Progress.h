//===- Progress.h - Shows that work goes on ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_PROGRESS_H
#define MOEC_LIB_DRIVER_PROGRESS_H

#include "lib/Driver/Ticker.h"

#include <cstdint>
#include <cstdio>
#include <string>

namespace moec::driver {

/// Draws a bar, or writes a line when a phase begins (of JSON also when it
/// ends) and at least every five seconds while it lasts, also when nobody
/// reports anything meanwhile.
class Progress {
public:
  enum class Style { Bar, Plain, Json };

  Progress(std::FILE *stream, Style style);
  /// Removes the bar.
  ~Progress();

  void update(const std::string &phase, const std::string &detail,
              uint64_t done, uint64_t total, bool inBytes);

private:
  using Clock = std::chrono::steady_clock;

  /// How long nothing may be shown.
  std::chrono::milliseconds pause() const;
  void beat();
  void endPhase();
  /// `state`: "begins", "runs" or "ends".
  void show(const char *state);
  std::string counted() const;
  double secondsLeft() const;

  std::FILE *stream;
  Style style;
  std::string phase, detail;
  uint64_t done = 0, total = 0;
  bool inBytes = false;
  Clock::time_point phaseBegin, lastShown;
  std::mutex mutex;
  Ticker heart;
};

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_PROGRESS_H
