//===- Isolated.cpp - Compiling in a process of its own -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LLVM ends its process on errors that it holds for impossible. A library must
// not do that to the program that uses it, so a child compiles and tells its
// parent through a pipe, in lines of JSON, how far it is and how it ended.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Isolated.h"
#include "lib/Weights/Temporaries.h"

#include "llvm/Support/ErrorHandling.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace moec;
using namespace moec::driver;
using nlohmann::json;
using Message = CompileReport::Message;

//===----------------------------------------------------------------------===//
// The child
//===----------------------------------------------------------------------===//

static void writeAll(int pipe, const std::string &text) {
  for (size_t at = 0; at < text.size();) {
    ssize_t count = write(pipe, text.data() + at, text.size() - at);
    if (count < 0 && errno != EINTR)
      return;
    at += std::max<ssize_t>(count, 0);
  }
}

/// Texts may hold any bytes, those that are no UTF-8 are replaced.
static void writeLine(int pipe, const json &line) {
  writeAll(pipe,
           line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

static json toJson(const CompileReport &report) {
  json messages = json::array(), phases = json::array();
  for (const Message &message : report.messages)
    messages.push_back({static_cast<int>(message.kind), message.code,
                        message.text, message.location});
  for (const auto &[phase, seconds] : report.phases)
    phases.push_back({phase, seconds});
  return {{"messages", messages},           {"phases", phases},
          {"weights", report.weightsBytes}, {"state", report.stateBytes},
          {"code", report.codeBytes},       {"arena", report.arenaBytes}};
}

namespace {
class Teller : public CompileListener {
public:
  explicit Teller(int pipe) : pipe(pipe) {}
  void progress(const std::string &phase, const std::string &detail,
                uint64_t done, uint64_t total) override {
    writeLine(pipe, {{"phase", phase},
                     {"detail", detail},
                     {"done", done},
                     {"total", total}});
  }

private:
  int pipe;
};
} // namespace

/// What LLVM calls instead of ending the program.
static void giveUp(void *pipe, const char *reason, bool) {
  CompileReport report;
  report.messages.push_back({Message::Kind::Error, "MOE7002",
                             std::string("LLVM gave up: ") + reason, ""});
  writeLine(*static_cast<int *>(pipe), toJson(report));
  _exit(70);
}

[[noreturn]] static void compileInChild(const CompileOptions &options,
                                        int pipe) {
  // Handlers of the program are no business of the child's.
  for (int signal : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, SIGINT,
                     SIGTERM, SIGHUP, SIGPIPE, SIGCHLD})
    std::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  llvm::remove_fatal_error_handler();
  llvm::install_fatal_error_handler(giveUp, &pipe);
  llvm::remove_bad_alloc_error_handler();
  llvm::install_bad_alloc_error_handler(giveUp, &pipe);
  Teller teller(pipe);
  writeLine(pipe, toJson(compile(options, &teller)));
  _exit(0);
}

//===----------------------------------------------------------------------===//
// The parent
//===----------------------------------------------------------------------===//

static CompileReport toReport(const json &line) {
  CompileReport report;
  for (const json &message : line["messages"])
    report.messages.push_back(
        {static_cast<Message::Kind>(message[0].get<int>()), message[1],
         message[2], message[3]});
  for (const json &phase : line["phases"])
    report.phases.emplace_back(phase[0], phase[1]);
  report.weightsBytes = line["weights"];
  report.stateBytes = line["state"];
  report.codeBytes = line["code"];
  report.arenaBytes = line["arena"];
  return report;
}

static CompileReport failure(Message message) {
  CompileReport report;
  report.messages.push_back(std::move(message));
  return report;
}

static CompileReport noProcess(const char *what) {
  return failure(
      {Message::Kind::Error, "MOE0403",
       std::string("cannot ") + what + " for the compiler: " + strerror(errno),
       ""});
}

/// Reads the lines of the child. False when `keepGoing` wants no more.
static bool listen(int pipe, const KeepGoing &keepGoing,
                   std::optional<CompileReport> &report) {
  std::string text;
  char buffer[4096];
  while (true) {
    ssize_t count = read(pipe, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return true;
    text.append(buffer, count);
    for (size_t end; (end = text.find('\n')) != std::string::npos;
         text.erase(0, end + 1)) {
      // A child that crashed while it wrote leaves part of a line, which is
      // not read; a whole line is sound.
      json line = json::parse(text.substr(0, end), nullptr, false);
      if (line.contains("messages"))
        report = toReport(line);
      else if (line.contains("phase") && keepGoing &&
               !keepGoing(line["phase"], line["detail"], line["done"],
                          line["total"]))
        return false;
    }
  }
}

CompileReport driver::compileIsolated(const CompileOptions &options,
                                      const KeepGoing &keepGoing,
                                      bool &stopped) {
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0)
    return noProcess("make a pipe");
  pid_t parent = getpid();
  pid_t child = fork();
  if (child < 0) {
    CompileReport report = noProcess("start a process");
    close(pipes[0]);
    close(pipes[1]);
    return report;
  }
  if (child == 0) {
    close(pipes[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
      _exit(1);
    compileInChild(options, pipes[1]);
  }
  close(pipes[1]);
  std::optional<CompileReport> report;
  stopped = !listen(pipes[0], keepGoing, report);
  if (stopped)
    kill(child, SIGKILL);
  close(pipes[0]);
  // A program that reaps all children itself leaves no status to wait for.
  int status = 0;
  bool known;
  while (!(known = waitpid(child, &status, 0) == child) && errno == EINTR)
    continue;
  if (report && !stopped)
    return *report;
  weights::removeTemporaries(options.output, child);
  if (stopped)
    return {};
  return failure(known && WIFSIGNALED(status)
                     ? endedBySignal(WTERMSIG(status))
                     : Message{Message::Kind::Error, "MOE7002",
                               "the compiler ended without a result", ""});
}
