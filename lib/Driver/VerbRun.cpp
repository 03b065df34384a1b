//===- VerbRun.cpp - moec run ---------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Generates from a prompt, and writes logits and chosen experts of its tokens.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/FunctionCall.h"
#include "lib/Driver/Tensors.h"
#include "lib/Driver/Verbs.h"
#include "lib/Weights/SafetensorsWriter.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

using namespace moec;
using namespace moec::driver;
using weights::SafetensorsWriter;

using Clock = std::chrono::steady_clock;

namespace {
struct RunOptions {
  std::string artifact;
  std::optional<std::string> prompt, ids;
  std::optional<int32_t> maxNewTokens;
  int32_t threads = 0;
  moec_sampling sampling{};
  bool ignoreEos = false, stats = false;
  std::string logits, experts;
  /// Of an artifact of functions: safetensors files, and which one.
  std::string inputs, outputs, function;
};

class Runner {
public:
  Runner(const RunOptions &options, Command &command)
      : options(options), command(command), model(options.artifact),
        session(model, options.threads) {
    if (options.prompt)
      tokenizer.emplace(model);
  }

  int run() {
    loaded = Clock::now();
    Ids ids = options.ids ? parseIds(*options.ids)
                          : tokenizer->encode(*options.prompt);
    if (ids.empty())
      throw Failure{1, "MOE0141",
                    "--prompt: the text has no tokens; give at least one"};
    if (!options.logits.empty() || !options.experts.empty())
      record(ids);
    generate(ids);
    printResult();
    if (options.stats)
      printStats(ids.size());
    return 0;
  }

private:
  int32_t maxNewTokens() const {
    bool recorded = !options.logits.empty() || !options.experts.empty();
    return options.maxNewTokens.value_or(recorded ? 0 : 128);
  }

  void record(const Ids &ids);
  void keepExperts(std::vector<Ids> &chosen);
  void writeExperts(const std::vector<Ids> &chosen, size_t positions);
  void generate(const Ids &ids);
  void onToken(int32_t id);
  void printResult();
  void printStats(size_t promptTokens);

  double since(Clock::time_point begin, Clock::time_point end) const {
    return std::chrono::duration<double>(end - begin).count();
  }

  const RunOptions &options;
  Command &command;
  Clock::time_point began = Clock::now(), loaded, generating, first, last;
  Model model;
  Session session;
  std::optional<Tokenizer> tokenizer;
  std::optional<TextStream> stream;
  Ids made;
  std::string text;
  moec_generation outcome{};
};
} // namespace

static SafetensorsWriter createFile(const std::string &path,
                                    SafetensorsWriter::Declaration tensor) {
  auto writer = SafetensorsWriter::create(path, {&tensor, 1});
  if (!writer)
    require(writer.status());
  return std::move(*writer);
}

/// Runs the ids in steps as long as the artifact allows, and forgets them.
void Runner::record(const Ids &ids) {
  uint64_t vocabulary = model.info().vocabulary;
  std::optional<SafetensorsWriter> logits;
  if (!options.logits.empty())
    logits.emplace(
        createFile(options.logits,
                   {"logits", weights::DType::F32, {ids.size(), vocabulary}}));
  std::vector<Ids> chosen(model.info().moe_layer_count);
  size_t limit = session.stepTokens();
  for (size_t at = 0; at < ids.size(); at += limit) {
    size_t count = std::min(limit, ids.size() - at);
    const float *rows = session.step(std::span(ids).subspan(at, count),
                                     logits ? MOEC_ROWS_ALL : 0);
    if (logits)
      require(
          logits->append(0, std::span<const float>(rows, count * vocabulary)));
    if (!options.experts.empty())
      keepExperts(chosen);
    command.console.progress("positions", "", at + count, ids.size());
  }
  command.console.endProgress();
  if (logits)
    require(logits->finish());
  if (!options.experts.empty())
    writeExperts(chosen, ids.size());
  session.reset();
}

void Runner::keepExperts(std::vector<Ids> &chosen) {
  for (size_t layer = 0; layer < chosen.size(); ++layer) {
    moec_view view = session.tap(model.expertsTap(layer));
    auto *data = static_cast<const int32_t *>(view.data);
    chosen[layer].insert(chosen[layer].end(), data,
                         data + view.shape[0] * view.shape[1]);
  }
}

void Runner::writeExperts(const std::vector<Ids> &chosen, size_t positions) {
  size_t k = chosen.empty() ? 0 : model.info().experts_per_token[0];
  for (size_t layer = 0; layer < chosen.size(); ++layer)
    if (chosen[layer].size() != positions * k)
      throw Failure{3, "MOE0341",
                    "--experts: the layers choose different numbers of "
                    "experts, which one tensor cannot hold"};
  SafetensorsWriter writer = createFile(
      options.experts,
      {"experts", weights::DType::I32, {chosen.size(), positions, k}});
  for (const Ids &layer : chosen)
    require(writer.append(0, std::as_bytes(std::span(layer))));
  require(writer.finish());
}

void Runner::onToken(int32_t id) {
  last = Clock::now();
  if (made.empty())
    first = last;
  made.push_back(id);
  if (!stream)
    return;
  std::string piece = stream->push(id);
  text += piece;
  if (command.json())
    return;
  command.console.print(piece);
  command.console.flush();
}

void Runner::generate(const Ids &ids) {
  generating = first = last = Clock::now();
  if (maxNewTokens() == 0)
    return;
  moec_sampler *made = nullptr;
  check(moec_sampler_create(&options.sampling, &made));
  std::unique_ptr<moec_sampler, decltype(&moec_sampler_destroy)> sampler(
      made, moec_sampler_destroy);
  if (tokenizer)
    stream.emplace(*tokenizer);
  moec_generate_options generate{};
  generate.struct_size = sizeof(generate);
  generate.max_new_tokens = maxNewTokens();
  generate.ignore_eos = options.ignoreEos;
  generate.sampler = sampler.get();
  // An exception must not pass through the C code that calls back.
  struct Call {
    Runner *runner;
    std::optional<Failure> failure;
  } call{this, {}};
  generate.user = &call;
  generate.on_token = [](void *user, int32_t id) -> int {
    auto *call = static_cast<Call *>(user);
    try {
      call->runner->onToken(id);
    } catch (const Failure &failure) {
      call->failure = failure;
    }
    return call->failure.has_value();
  };
  outcome.struct_size = sizeof(outcome);
  generating = Clock::now();
  check(moec_generate(session.get(), ids.data(), ids.size(), &generate,
                      &outcome));
  if (call.failure)
    throw *call.failure;
}

static const char *finishName(moec_finish finish) {
  switch (finish) {
  case MOEC_FINISH_EOS:
    return "end-of-sequence";
  case MOEC_FINISH_CONTEXT:
    return "context";
  case MOEC_FINISH_STOPPED:
    return "stopped";
  case MOEC_FINISH_LENGTH:
    break;
  }
  return "length";
}

void Runner::printResult() {
  Console &console = command.console;
  std::string rest = stream ? stream->finish() : "";
  text += rest;
  if (command.json()) {
    nlohmann::json result{{"ids", made},
                          {"finish", finishName(outcome.finish)}};
    if (tokenizer)
      result["text"] = text;
    console.print(result.dump() + "\n");
    return;
  }
  if (stream) {
    console.print(rest + "\n");
  } else if (!made.empty()) {
    std::string line;
    for (int32_t id : made)
      line += (line.empty() ? "" : " ") + std::to_string(id);
    console.print(line + "\n");
  }
  if (outcome.finish == MOEC_FINISH_CONTEXT)
    console.note("note: the context of " +
                 std::to_string(model.info().context) + " positions is full");
}

void Runner::printStats(size_t promptTokens) {
  Console &console = command.console;
  console.note(
      format("load                 %9.1f ms", since(began, loaded) * 1e3));
  if (!made.empty()) {
    double prefill = since(generating, first);
    console.note(format("time to first token  %9.1f ms (%.1f ms with the load)",
                        prefill * 1e3, (since(began, loaded) + prefill) * 1e3));
    console.note(format("prefill              %9.1f tokens/s (%zu tokens)",
                        promptTokens / prefill, promptTokens));
  }
  if (made.size() > 1)
    console.note(format("decode               %9.1f tokens/s (%zu tokens)",
                        (made.size() - 1) / since(first, last),
                        made.size() - 1));
  console.note("peak memory          " +
               format("%9.1f MiB", peakResidentBytes() / 1048576.0));
}

static void addSamplingOptions(CLI::App &verb, RunOptions &options) {
  moec_sampling &sampling = options.sampling;
  sampling.struct_size = sizeof(sampling);
  verb.add_option("--temperature", sampling.temperature,
                  "0: always the most likely token")
      ->capture_default_str()
      ->check(atLeast(0));
  verb.add_option("--top-k", sampling.top_k,
                  "draw from the K most likely tokens; 0: from all")
      ->capture_default_str()
      ->check(atLeast(0));
  verb.add_option("--top-p", sampling.top_p,
                  "draw from the most likely tokens that have probability P "
                  "together; 0: from all")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  verb.add_option("--seed", sampling.seed, "of the random numbers")
      ->capture_default_str()
      ->check(atLeast(0));
}

static int runFunction(const RunOptions &options) {
  Model model(options.artifact);
  FunctionCall call(model, options.function, options.threads);
  call.readInputs(options.inputs);
  call.run();
  if (!options.outputs.empty())
    call.writeOutputs(options.outputs);
  return 0;
}

void driver::addRunVerb(CLI::App &app, Command &command) {
  auto options = std::make_shared<RunOptions>();
  CLI::App *verb = app.add_subcommand("run", "Generate with an artifact");
  verb->add_option("artifact", options->artifact, "NAME.moec")->required();
  auto *input = verb->add_option_group("input", "what to begin with");
  input->add_option("--prompt", options->prompt, "text; prints text");
  input->add_option("--ids", options->ids,
                    "token ids, as in \"5 17 42\"; prints ids");
  CLI::Option *inputs =
      input->add_option("--inputs", options->inputs,
                        "safetensors file with the inputs of a function");
  input->require_option(1);
  verb->add_option("--outputs", options->outputs,
                   "safetensors file for the outputs of the function")
      ->needs(inputs);
  verb->add_option("--function", options->function,
                   "which function, where the artifact has several")
      ->needs(inputs);
  verb->add_option("--max-new-tokens", options->maxNewTokens,
                   "how many to generate; by default 128, with --logits or "
                   "--experts none")
      ->check(atLeast(0));
  addThreads(*verb, options->threads);
  addSamplingOptions(*verb, *options);
  verb->add_flag("--ignore-eos", options->ignoreEos,
                 "go on after an end-of-sequence token");
  verb->add_option("--logits", options->logits,
                   "file for `logits`, f32 [positions, vocabulary], of the "
                   "given tokens");
  verb->add_option("--experts", options->experts,
                   "file for `experts`, i32 [layers, positions, k], of the "
                   "given tokens");
  verb->add_flag("--stats", options->stats, "times and peak memory, on stderr");
  addFormat(*verb, command);
  onRun(*verb, command, [options, &command] {
    if (!options->logits.empty() && options->logits == options->experts)
      throw Failure{2, "MOE0206",
                    "--logits and --experts name the same file, " +
                        options->logits};
    return options->inputs.empty() ? Runner(*options, command).run()
                                   : runFunction(*options);
  });
}
