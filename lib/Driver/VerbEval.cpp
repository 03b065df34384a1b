//===- VerbEval.cpp - moec eval -------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Perplexity: the exponential of the mean negative log likelihood of every
// token but the first of each row, each row from an empty sequence.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Handles.h"
#include "lib/Driver/Tensors.h"
#include "lib/Driver/Verbs.h"
#include "lib/Weights/NewFile.h"
#include "lib/Weights/SafetensorsFile.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

using namespace moec;
using namespace moec::driver;

namespace {
struct EvalOptions {
  std::string artifact, tokens, expertsCount;
  std::vector<std::string> domains;
  int32_t threads = 0;
};

struct Likelihood {
  double negativeLog = 0;
  int64_t tokens = 0;

  double perplexity() const { return std::exp(negativeLog / tokens); }
};

/// The rows of a file.
struct Rows {
  Ids ids;
  size_t count = 0, length = 0;
  /// Of each row; empty when the file does not say.
  Ids domains;

  std::span<const int32_t> row(size_t i) const {
    return std::span(ids).subspan(i * length, length);
  }
};

class Evaluation {
public:
  Evaluation(const EvalOptions &options, Command &command)
      : options(options), command(command), model(options.artifact),
        session(model, options.threads) {}

  int run();

private:
  std::string domainName(int32_t domain) const;
  void add(std::span<const int32_t> ids, const std::string &domain);
  void addStep(std::span<const int32_t> ids, size_t at, size_t count,
               const float *logits, const std::string &domain);
  void countExperts(const std::string &domain);
  void countExpert(std::vector<int64_t> &counts, int32_t id) const;
  void writeCounts() const;
  void print() const;

  const EvalOptions &options;
  Command &command;
  Model model;
  Session session;
  Likelihood all;
  std::map<std::string, Likelihood> byDomain;
  /// Of each MoE layer and domain ("all" among them): how often each expert
  /// was chosen.
  std::map<int32_t, std::map<std::string, std::vector<int64_t>>> chosen;
};
} // namespace

static Rows readRows(const std::string &path) {
  weights::SafetensorsFile file = openTensors(path);
  const weights::TensorInfo &tokens = findTensor(file, "tokens");
  Rows rows;
  rows.ids = readIntegers(file, tokens, 2);
  rows.count = tokens.shape[0];
  rows.length = tokens.shape[1];
  if (rows.count == 0 || rows.length < 2)
    throw Failure{1, "MOE0143",
                  path + ": tensor 'tokens' is [" + std::to_string(rows.count) +
                      ", " + std::to_string(rows.length) +
                      "]; at least one row of two tokens is needed"};
  if (const weights::TensorInfo *domain = file.find("domain")) {
    rows.domains = readIntegers(file, *domain, 1);
    if (rows.domains.size() != rows.count)
      throw Failure{1, "MOE0143",
                    path + ": tensor 'domain' has " +
                        std::to_string(rows.domains.size()) + " elements for " +
                        std::to_string(rows.count) + " rows"};
  }
  return rows;
}

std::string Evaluation::domainName(int32_t domain) const {
  if (domain >= 0 && size_t(domain) < options.domains.size())
    return options.domains[domain];
  return std::to_string(domain);
}

static double negativeLogLikelihood(const float *logits, int32_t vocabulary,
                                    int32_t id) {
  double most = *std::max_element(logits, logits + vocabulary);
  double sum = 0;
  for (int32_t i = 0; i < vocabulary; ++i)
    sum += std::exp(logits[i] - most);
  return most + std::log(sum) - logits[id];
}

/// Adds what tokens `at` to `at + count` of a row say of their successors.
void Evaluation::addStep(std::span<const int32_t> ids, size_t at, size_t count,
                         const float *logits, const std::string &domain) {
  int32_t vocabulary = model.info().vocabulary;
  for (size_t i = 0; i < count && at + i + 1 < ids.size(); ++i) {
    int32_t next = ids[at + i + 1];
    if (next < 0 || next >= vocabulary)
      throw Failure{1, "MOE1103",
                    options.tokens + ": token id " + std::to_string(next) +
                        " is not below the vocabulary's size, " +
                        std::to_string(vocabulary)};
    double value =
        negativeLogLikelihood(logits + i * vocabulary, vocabulary, next);
    for (Likelihood *sum : {&all, domain.empty() ? nullptr : &byDomain[domain]})
      if (sum) {
        sum->negativeLog += value;
        ++sum->tokens;
      }
  }
}

/// An id of -1 chooses nothing, for example beyond a capacity.
void Evaluation::countExpert(std::vector<int64_t> &counts, int32_t id) const {
  if (id == -1)
    return;
  if (id < 0 || id >= int64_t(counts.size()))
    throw Failure{6, "MOE1601",
                  options.artifact + ": a layer chose expert " +
                      std::to_string(id) +
                      ", but by manifest.json it has only " +
                      std::to_string(counts.size())};
  ++counts[id];
}

void Evaluation::countExperts(const std::string &domain) {
  for (int32_t i = 0; i < model.info().moe_layer_count; ++i) {
    moec_view view = session.tap(model.expertsTap(i));
    auto *ids = static_cast<const int32_t *>(view.data);
    auto &layer = chosen[model.info().moe_layers[i]];
    std::vector<std::string> names{"all"};
    if (!domain.empty())
      names.push_back(domain);
    for (const std::string &name : names) {
      std::vector<int64_t> &counts = layer[name];
      counts.resize(model.info().experts[i]);
      for (int64_t j = 0; j < view.shape[0] * view.shape[1]; ++j)
        countExpert(counts, ids[j]);
    }
  }
}

void Evaluation::add(std::span<const int32_t> ids, const std::string &domain) {
  size_t limit = session.stepTokens();
  for (size_t at = 0; at < ids.size(); at += limit) {
    size_t count = std::min(limit, ids.size() - at);
    const float *logits = session.step(ids.subspan(at, count), MOEC_ROWS_ALL);
    addStep(ids, at, count, logits, domain);
    if (!options.expertsCount.empty())
      countExperts(domain);
  }
  session.reset();
}

int Evaluation::run() {
  Rows rows = readRows(options.tokens);
  for (size_t i = 0; i < rows.count; ++i) {
    add(rows.row(i), rows.domains.empty() ? "" : domainName(rows.domains[i]));
    command.console.progress("rows", "", i + 1, rows.count);
  }
  command.console.endProgress();
  if (!options.expertsCount.empty())
    writeCounts();
  print();
  return 0;
}

void Evaluation::writeCounts() const {
  nlohmann::json counts = nlohmann::json::object();
  for (const auto &[layer, domains] : chosen)
    counts["layers." + std::to_string(layer)] = domains;
  require(weights::writeFile(
      options.expertsCount,
      nlohmann::json{{"chosen_experts", counts}}.dump(1) + "\n"));
}

void Evaluation::print() const {
  Console &console = command.console;
  if (command.json()) {
    nlohmann::json perplexity{{"all", all.perplexity()}};
    for (const auto &[name, sum] : byDomain)
      perplexity[name] = sum.perplexity();
    nlohmann::json result{
        {"perplexity", perplexity},
        {"tokens", all.tokens},
        {"negative_log_likelihood", all.negativeLog / all.tokens}};
    console.print(result.dump(2) + "\n");
    return;
  }
  console.print(format("perplexity %.8f\n", all.perplexity()));
  for (const auto &[name, sum] : byDomain)
    console.print(format("  %-16s %.8f\n", name.c_str(), sum.perplexity()));
  console.note(format("%lld tokens", static_cast<long long>(all.tokens)));
}

void driver::addEvalVerb(CLI::App &app, Command &command) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App *verb =
      app.add_subcommand("eval", "Measure the perplexity of an artifact");
  verb->add_option("artifact", options->artifact, "NAME.moec")->required();
  verb->add_option("--tokens", options->tokens,
                   "safetensors file with `tokens`, i32 [rows, length], and "
                   "perhaps `domain`, i32 [rows]")
      ->required();
  verb->add_option("--domains", options->domains,
                   "names of domains 0, 1, ..., separated by commas")
      ->delimiter(',');
  verb->add_option("--experts-count", options->expertsCount,
                   "JSON file for how often each expert was chosen");
  addThreads(*verb, options->threads);
  addFormat(*verb, command);
  onRun(*verb, command,
        [options, &command] { return Evaluation(*options, command).run(); });
}
