//===- Console.cpp - What the command line tool says ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Console.h"
#include "lib/Driver/Progress.h"

#include "llvm/Support/Process.h"

#include <cstdarg>
#include <fstream>

#include <unistd.h>

using namespace moec;
using namespace moec::driver;
using llvm::sys::Process;

Console::Console(std::FILE *results, std::FILE *messages)
    : results(results), messages(messages) {}

Console::~Console() = default;

void Console::print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), results);
}

void Console::flush() { std::fflush(results); }

bool Console::resultsArrived() {
  return std::fflush(results) == 0 && !std::ferror(results);
}

bool Console::hasColor() const {
  if (colorMode == "auto")
    return Process::FileDescriptorHasColors(fileno(messages));
  return colorMode == "always";
}

/// Red, magenta or blue.
static const char *colorOf(std::string_view kind) {
  char color = kind == "error" ? 1 : kind == "warning" ? 5 : 4;
  return Process::OutputColor(color, /*bold=*/true, /*bg=*/false);
}

void Console::diagnose(std::string_view kind, std::string_view code,
                       std::string_view text) {
  if (verbosity < 0 && kind != "error")
    return;
  endProgress();
  flush(); // Where both streams are one, their order is kept.
  std::string line = std::string(kind) + ":";
  if (hasColor())
    line = std::string(colorOf(kind)) + line + Process::ResetColor();
  line += " ";
  if (!code.empty())
    line += "[" + std::string(code) + "] ";
  line += text;
  line += "\n";
  std::fputs(line.c_str(), messages);
}

void Console::report(const Failure &failure) {
  diagnose("error", failure.code, failure.message);
}

void Console::note(std::string_view text) {
  if (verbosity < 0)
    return;
  endProgress();
  flush();
  std::fprintf(messages, "%.*s\n", static_cast<int>(text.size()), text.data());
}

void Console::detail(std::string_view text) {
  if (verbosity > 0)
    note(text);
}

void Console::progress(const std::string &phase, const std::string &detail,
                       uint64_t done, uint64_t total, bool inBytes) {
  if (verbosity < 0 || progressMode == "none")
    return;
  if (!shown) {
    bool terminal = isatty(fileno(messages));
    auto style = Progress::Style::Plain;
    if (progressMode == "json")
      style = Progress::Style::Json;
    else if (progressMode == "bar" || (progressMode == "auto" && terminal))
      style = Progress::Style::Bar;
    shown = std::make_unique<Progress>(messages, style);
  }
  shown->update(phase, detail, done, total, inBytes);
}

void Console::endProgress() { shown.reset(); }

//===----------------------------------------------------------------------===//
// Texts
//===----------------------------------------------------------------------===//

std::string driver::format(const char *pattern, ...) {
  va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  int size = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string text(size > 0 ? size : 0, '\0');
  std::vsnprintf(text.data(), text.size() + 1, pattern, again);
  va_end(again);
  return text;
}

std::string driver::bytesText(double bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 4; ++unit)
    bytes /= 1024;
  return format(unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

/// A line of /proc/self/status that counts KiB.
static uint64_t statusBytes(const std::string &name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.compare(0, name.size(), name) == 0)
      return std::strtoull(line.c_str() + name.size(), nullptr, 10) * 1024;
  return 0;
}

uint64_t driver::residentBytes() { return statusBytes("VmRSS:"); }
uint64_t driver::peakResidentBytes() { return statusBytes("VmHWM:"); }
uint64_t driver::anonymousBytes() { return statusBytes("RssAnon:"); }
