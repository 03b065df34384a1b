//===- Guard.cpp - Work that leaves nothing behind when stopped -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A process that is being stopped cannot safely remove files that its other
// threads are writing, and one that crashed cannot do anything. So a child does
// the work, and the parent, which holds nothing, cleans up after it.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Guard.h"

#include <cerrno>
#include <csignal>
#include <cstdio>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace moec;

static sigset_t watchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD})
    sigaddset(&set, signal);
  return set;
}

/// Waits for the child; a signal to end that comes meanwhile is passed on as
/// SIGKILL and returned.
static int waitFor(pid_t child, const sigset_t &watched, int &status) {
  int stoppedBy = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    int signal = 0;
    if (sigwait(&watched, &signal) != 0 || signal == SIGCHLD)
      continue;
    stoppedBy = signal;
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
      continue;
    break;
  }
  return stoppedBy;
}

int driver::runGuarded(const std::function<int()> &work,
                       const std::function<void(int)> &cleanUp,
                       const std::function<int(int)> &crashed) {
  sigset_t watched = watchedSignals(), before;
  sigprocmask(SIG_BLOCK, &watched, &before);
  std::fflush(nullptr);
  pid_t parent = getpid();
  pid_t child = fork();
  if (child < 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return work();
  }
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int code = getppid() == parent ? work() : 1;
    std::fflush(nullptr);
    _exit(code);
  }
  int status = 0;
  int stoppedBy = waitFor(child, watched, status);
  if (stoppedBy || WIFSIGNALED(status))
    cleanUp(child);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (!stoppedBy && WIFSIGNALED(status)) {
    // Ctrl-C in a terminal reaches the child too, perhaps first.
    int signal = WTERMSIG(status);
    if (signal != SIGINT && signal != SIGTERM && signal != SIGHUP)
      return crashed(signal);
    stoppedBy = signal;
  }
  if (!stoppedBy)
    return WEXITSTATUS(status);
  signal(stoppedBy, SIG_DFL);
  raise(stoppedBy);
  return 128 + stoppedBy;
}
