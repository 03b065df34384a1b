#!/usr/bin/env python3
"""Measure moec against the machine's own limits, with random weights.

    report.py BUILD [--layers N] [--shape olmoe-1b-7b] [--dtype bf16 f32] [--repetitions R]

Writes the report to stdout; docs/benchmarks.md says what each part measures and where its bounds come from. Ceilings and
everything that is held against them are measured in the same run.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import experts  # noqa: E402
import make_model  # noqa: E402

THREADS = 1, 2
PREFILLS = 1, 32, 128, 512
ROUNDED = ", activations bf16"
# What the project wants of a machine at least, as shares of its ceilings, and milliseconds at most.
EXPERTS_OF_FMA, DECODE_OF_READ, FIRST_TOKEN_MS = 0.6, 0.75, 50


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, text=True,
                          stdout=subprocess.PIPE, **options)


def parameters(config):
    """Weights of a layer's attention, of one expert, and of the output matrix."""
    hidden = config["hidden_size"]
    kv = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    attention = 2 * hidden * hidden + 2 * hidden * kv + hidden * config["num_experts"]
    return attention, 3 * hidden * config["intermediate_size"], hidden * config["vocab_size"]


def work(config, tokens):
    """(floating-point operations, weights that are read) of a step with one wanted row. When routing is uniform,
    n tokens choose E * (1 - (1 - k/E)^n) experts of a layer."""
    attention, expert, head = parameters(config)
    layers, count, k = (config[key] for key in ("num_hidden_layers", "num_experts", "num_experts_per_tok"))
    touched = count * (1 - (1 - k / count) ** tokens)
    operations = 2 * tokens * layers * (attention + k * expert) + 2 * head
    return operations, layers * (attention + touched * expert) + head


class Report:
    def __init__(self, args):
        self.args = args
        self.build = pathlib.Path(args.build).resolve()
        self.moec, self.folder = self.build / "bin" / "moec", self.build / "bench"
        self.folder.mkdir(exist_ok=True)
        self.ceilings = json.loads(run(self.build / "bin" / "ceilings").stdout)
        self.bounds = []

    def config(self, **changes):
        return dict(make_model.SHAPES[self.args.shape], **changes)

    def checkpoint(self, config):
        """Of these layers and this vocabulary; made once."""
        layers, vocabulary = config["num_hidden_layers"], config["vocab_size"]
        path = self.folder / f"{self.args.shape}-{layers}-{vocabulary}"
        if not (path / "config.json").exists():
            run(sys.executable, HERE / "make_model.py", path, "--shape", self.args.shape,
                "--layers", layers, "--vocabulary", vocabulary)
        return path

    def compile(self, source, *flags):
        artifact = self.folder / "model.moec"
        run(self.moec, "compile", source, "-o", artifact, "--target", "cpu:native", "--progress", "none", *flags)
        return artifact

    def forms(self):
        """(type of the weights, what a row says beside it, further flags) of all artifacts that are measured."""
        for dtype in self.args.dtype:
            yield dtype, "", []
            if dtype == "bf16" and self.ceilings[0]["bf16_gflops"]:
                yield dtype, ROUNDED, ["--activations", "bf16"]

    def limits(self, note, threads):
        """(multiply-adds in GFLOP/s of the best instruction for the types, reading in GB/s)."""
        limit = next(c for c in self.ceilings if c["threads"] == threads)
        return limit["bf16_gflops" if ROUNDED in note else "f32_gflops"], limit["read_gbs"]

    def row(self, dtype, threads, name, tokens, seconds, operations, weights, note=""):
        """Prints a row of rates; returns their shares of the ceilings."""
        middle = statistics.median(seconds)
        flops, read = operations / middle / 1e9, weights * (2 if dtype == "bf16" else 4) / middle / 1e9
        peak, bandwidth = self.limits(note, threads)
        print(f"| {dtype}{note} | {threads} | {name} | {tokens / middle:.1f} "
              f"[{tokens / max(seconds):.1f}-{tokens / min(seconds):.1f}] | {flops:.0f} ({flops / peak:.2f}) | "
              f"{read:.1f} ({read / bandwidth:.2f}) |", flush=True)
        return flops / peak, read / bandwidth

    def heading(self, title, first="step"):
        print(f"\n## {title}\n\n| weights | threads | {first} | tokens/s | GFLOP/s (of the ceiling) | GB/s (of the "
              "ceiling) |\n|---|---|---|---|---|---|", flush=True)

    def bench(self, artifact, config, dtype, prefills, new, repetitions, note=""):
        """Rows of `moec bench`; yields (what, threads, shares)."""
        text = run(self.moec, "bench", artifact, "-p", ",".join(map(str, prefills)), "-n", new,
                   "-r", repetitions, "--threads", ",".join(map(str, THREADS)), "--format", "json").stdout
        for result in json.loads(text)["results"]:
            what = result["what"]
            tokens = result["tokens"] if what == "prefill" else 1
            seconds = [tokens / result[key] for key in ("tokens_per_second", "min", "max")]
            name = f"prefill {tokens}" if what == "prefill" else "decode"
            yield what, result["threads"], self.row(
                dtype, result["threads"], name, tokens, seconds, *work(config, tokens), note)

    def whole_model(self):
        config = self.config(num_hidden_layers=self.args.layers)
        self.heading(f"The whole model, {self.args.layers} layers")
        for dtype, note, flags in self.forms():
            artifact = self.compile(self.checkpoint(config), "--dtype", dtype, *flags)
            rows = self.bench(artifact, config, dtype, PREFILLS, 32, self.args.repetitions, note)
            for what, threads, (_, read) in rows:
                if what == "decode":
                    self.bounds.append(
                        (f"decode, {dtype}{note}, {threads} threads, of reading", read, ">=", DECODE_OF_READ))

    def experts_alone(self):
        config = self.layer()
        _, expert, _ = parameters(config)
        self.heading("The expert matrices of one layer alone", "tokens")
        for dtype, note, flags in self.forms():
            source = self.folder / "experts.mlir"
            source.write_text(experts.module(config, dtype))
            # The module says what its weights are.
            artifact = self.compile(source, "--params", self.checkpoint(config), "--max-step-tokens", max(PREFILLS),
                                    *flags)
            for threads in THREADS:
                for tokens in PREFILLS:
                    seconds, touched = experts.measure(
                        self.build, artifact, config, tokens, threads, self.args.repetitions)
                    flops, _ = self.row(dtype, threads, tokens, tokens, seconds,
                                        2 * tokens * config["num_experts_per_tok"] * expert, touched * expert, note)
                self.bounds.append(
                    (f"expert matrices, {tokens} tokens, {dtype}{note}, {threads} threads, of multiply-adds",
                     flops, ">=", EXPERTS_OF_FMA))

    def layer(self):
        """One layer; the vocabulary is so small that nothing else counts."""
        return self.config(num_hidden_layers=1, vocab_size=512)

    def one_layer(self):
        config = self.layer()
        self.heading("One layer, by its kernels and by the generic lowering")
        for dtype, types, flags in self.forms():
            for note, more, repetitions in (("", [], self.args.repetitions),
                                            (", generic lowering", ["--fallback"], 1)):
                artifact = self.compile(self.checkpoint(config), "--dtype", dtype, *flags, *more)
                list(self.bench(artifact, config, dtype, [32], 0, repetitions, types + note))

    def first_token(self):
        """The bundled model, each time in a new process."""
        artifact = self.compile(HERE.parent / "examples" / "tiny-qwen3-moe")
        times = []
        for _ in range(max(self.args.repetitions, 3)):
            said = run(self.moec, "run", artifact, "--prompt", "47 + 38 =", "--max-new-tokens", 1, "--stats",
                       stderr=subprocess.PIPE).stderr
            times.append(float(re.search(r"\((\d+\.\d+) ms with the load\)", said)[1]))
        middle = statistics.median(times)
        print(f"\n## The bundled model\n\nLoad to first token: {middle:.1f} ms [{min(times):.1f}-{max(times):.1f}]")
        self.bounds.append(("load to first token of the bundled model, ms", middle, "<=", FIRST_TOKEN_MS))

    def print(self):
        print(f"# {self.args.shape}, random weights\n")
        for limit in self.ceilings:
            print(f"- {limit['threads']} threads: f32 {limit['f32_gflops']} GFLOP/s, products of bf16 "
                  f"pairs {limit['bf16_gflops'] or 'none'}, read {limit['read_gbs']} GB/s")
        self.whole_model()
        self.experts_alone()
        self.one_layer()
        self.first_token()
        print("\n## Bounds\n\n| what | measured | bound | |\n|---|---|---|---|")
        for what, value, sign, bound in self.bounds:
            held = value >= bound if sign == ">=" else value <= bound
            print(f"| {what} | {value:.2f} | {sign} {bound} | {'held' if held else 'MISSED'} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--shape", default="olmoe-1b-7b", choices=sorted(make_model.SHAPES))
    parser.add_argument("--dtype", nargs="+", default=["bf16", "f32"])
    parser.add_argument("--repetitions", type=int, default=5)
    Report(parser.parse_args()).print()


if __name__ == "__main__":
    main()
