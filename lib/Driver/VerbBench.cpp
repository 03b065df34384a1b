//===- VerbBench.cpp - moec bench -----------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tokens per second: prefill of prompts of given lengths from an empty
// sequence, and decode of single tokens after a short prompt. Every measurement
// is repeated after one that does not count.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Handles.h"
#include "lib/Driver/Verbs.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>

using namespace moec;
using namespace moec::driver;

namespace {
struct BenchOptions {
  std::string artifact;
  std::vector<int32_t> prompts{1, 32, 128, 512};
  int32_t newTokens = 32;
  int32_t repetitions = 5;
  std::vector<int32_t> threads{0};
};

struct Measurement {
  std::string what;
  int32_t tokens, threads;
  double median, least, most; ///< Tokens per second.
};

class Bench {
public:
  Bench(const BenchOptions &options, Command &command)
      : options(options), command(command), model(options.artifact) {}

  int run() {
    for (int32_t threads : options.threads) {
      Session session(model, threads);
      for (int32_t tokens : options.prompts)
        measure("prefill", tokens, session, [&] {
          session.reset();
          Ids ids = randomIds(tokens);
          return seconds([&] { prefill(session, ids); });
        });
      if (options.newTokens > 0)
        measure("decode", options.newTokens, session, [&] {
          session.reset();
          prefill(session, randomIds(decodeFrom));
          Ids ids = randomIds(options.newTokens);
          return seconds([&] {
            for (int32_t id : ids)
              session.step({&id, 1}, MOEC_ROWS_LAST);
          });
        });
    }
    command.console.endProgress();
    print();
    return 0;
  }

private:
  /// Positions before the first decoded token.
  static constexpr int32_t decodeFrom = 16;

  Ids randomIds(int32_t count) {
    Ids ids(count);
    for (int32_t &id : ids)
      id = random() % model.info().vocabulary;
    return ids;
  }

  static double seconds(const std::function<void()> &work) {
    auto begin = std::chrono::steady_clock::now();
    work();
    std::chrono::duration<double> spent =
        std::chrono::steady_clock::now() - begin;
    return spent.count();
  }

  static void prefill(Session &session, const Ids &ids) {
    const float *logits = nullptr;
    check(moec_session_prefill(session.get(), 0, ids.data(), ids.size(),
                               &logits));
  }

  void measure(const char *what, int32_t tokens, Session &session,
               const std::function<double()> &once) {
    std::vector<double> rates;
    for (int32_t i = 0; i <= options.repetitions; ++i) {
      command.console.progress(
          format("%s %d, %d threads", what, tokens, session.threads()), "", i,
          options.repetitions);
      double spent = once();
      if (i > 0)
        rates.push_back(tokens / spent);
    }
    std::sort(rates.begin(), rates.end());
    size_t half = rates.size() / 2;
    double median =
        rates.size() % 2 ? rates[half] : (rates[half - 1] + rates[half]) / 2;
    results.push_back(
        {what, tokens, session.threads(), median, rates.front(), rates.back()});
  }

  void print() const {
    Console &console = command.console;
    if (command.json()) {
      nlohmann::json list = nlohmann::json::array();
      for (const Measurement &m : results)
        list.push_back({{"what", m.what},
                        {"tokens", m.tokens},
                        {"threads", m.threads},
                        {"tokens_per_second", m.median},
                        {"min", m.least},
                        {"max", m.most}});
      nlohmann::json result{{"target", model.info().target},
                            {"dtype", model.info().dtype},
                            {"repetitions", options.repetitions},
                            {"results", list}};
      console.print(result.dump(2) + "\n");
      return;
    }
    console.print("what      tokens  threads   tokens/s  [min - max]\n");
    for (const Measurement &m : results)
      console.print(format("%-8s %7d %8d %10.1f  [%.1f - %.1f]\n",
                           m.what.c_str(), m.tokens, m.threads, m.median,
                           m.least, m.most));
  }

  const BenchOptions &options;
  Command &command;
  Model model;
  std::mt19937 random{1};
  std::vector<Measurement> results;
};
} // namespace

void driver::addBenchVerb(CLI::App &app, Command &command) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App *verb =
      app.add_subcommand("bench", "Measure the speed of an artifact");
  verb->add_option("artifact", options->artifact, "NAME.moec")->required();
  verb->add_option("-p,--prompts", options->prompts,
                   "lengths of prompts, separated by commas")
      ->delimiter(',')
      ->capture_default_str()
      ->check(atLeast(1));
  verb->add_option("-n,--new-tokens", options->newTokens,
                   "tokens to decode; 0: none")
      ->capture_default_str()
      ->check(atLeast(0));
  verb->add_option("-r,--repetitions", options->repetitions, "")
      ->capture_default_str()
      ->check(atLeast(1));
  verb->add_option("--threads", options->threads,
                   "numbers of threads, separated by commas; 0: one for each "
                   "CPU")
      ->delimiter(',')
      ->capture_default_str()
      ->check(atLeast(0));
  addFormat(*verb, command);
  onRun(*verb, command,
        [options, &command] { return Bench(*options, command).run(); });
}
