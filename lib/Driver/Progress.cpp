//===- Progress.cpp - Shows that work goes on -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Progress.h"
#include "lib/Driver/Console.h"

#include <nlohmann/json.hpp>

using namespace moec;
using namespace moec::driver;
using namespace std::chrono_literals;

static double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

Progress::Progress(std::FILE *stream, Style style)
    : stream(stream), style(style), heart(mutex, pause(), [this] { beat(); }) {}

Progress::~Progress() {
  heart.stop();
  endPhase();
  if (style == Style::Bar)
    std::fputs("\r\033[K", stream);
  std::fflush(stream);
}

void Progress::update(const std::string &newPhase, const std::string &newDetail,
                      uint64_t newDone, uint64_t newTotal, bool newInBytes) {
  std::lock_guard lock(mutex);
  bool begins = newPhase != phase;
  if (begins) {
    endPhase();
    phase = newPhase;
    phaseBegin = Clock::now();
  }
  detail = newDetail;
  done = newDone;
  total = newTotal;
  inBytes = newInBytes;
  if (begins || (style == Style::Bar && Clock::now() - lastShown > 100ms))
    show(begins ? "begins" : "runs");
}

/// Programs learn how long a phase took; people see that another one begins.
void Progress::endPhase() {
  if (style == Style::Json && !phase.empty())
    show("ends");
}

std::chrono::milliseconds Progress::pause() const {
  return style == Style::Bar ? 200ms : 5000ms;
}

void Progress::beat() {
  if (!phase.empty() && Clock::now() - lastShown >= pause() / 2)
    show("runs");
}

double Progress::secondsLeft() const {
  if (done == 0 || total <= done)
    return 0;
  return seconds(Clock::now() - phaseBegin) * (total - done) / done;
}

/// "12.0 MiB of 1.5 GiB", "3 of 120", or nothing.
std::string Progress::counted() const {
  if (total == 0)
    return "";
  if (inBytes)
    return "  " + bytesText(done) + " of " + bytesText(total);
  return "  " + std::to_string(done) + " of " + std::to_string(total);
}

void Progress::show(const char *state) {
  lastShown = Clock::now();
  double elapsed = seconds(lastShown - phaseBegin);
  uint64_t resident = residentBytes();
  if (style == Style::Json) {
    nlohmann::json line{{"phase", phase},   {"state", state},
                        {"detail", detail}, {"done", done},
                        {"total", total},   {"seconds", elapsed},
                        {"rss", resident},  {"eta", secondsLeft()}};
    std::fprintf(stream, "%s\n", line.dump().c_str());
    std::fflush(stream);
    return;
  }
  std::string text = format("%-22s", phase.c_str()) + counted();
  if (elapsed >= 1)
    text += format("  %.0fs", elapsed);
  text += "  rss " + bytesText(resident);
  if (double left = secondsLeft(); left >= 1)
    text += format("  eta %.0fs", left);
  if (style == Style::Plain) {
    std::fprintf(stream, "%s\n", text.c_str());
  } else {
    constexpr uint64_t width = 24;
    uint64_t filled = total ? width * done / total : 0;
    std::string bar(filled, '#');
    bar.resize(width, '.');
    std::fprintf(stream, "\r\033[K[%s] %s", bar.c_str(), text.c_str());
  }
  std::fflush(stream);
}
