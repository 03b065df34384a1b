#!/usr/bin/env python3
"""Measure prefill and decode of a random model against the machine's own limits.

    report.py BUILD [--layers N] [--shape olmoe-1b-7b] [--dtype bf16 f32] [--repetitions R]

Writes the report to stdout. For each number of threads: tokens/s (median), GFLOP/s of all
matrix products and its share of the multiply-add ceiling, GB/s of the weights that a step must read
and its share of the read ceiling. Ceilings and model are measured in the same run. A prefill of n tokens reads
E * (1 - (1 - k/E)^n) experts of every layer when routing is uniform. The ceiling of bf16 is that of the
instruction that the code uses: products of bf16 pairs where the machine has them, else f32.
"""

import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import make_model  # noqa: E402


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def parameters(config):
    """Weights of all layers' attention, of one expert, and of the output matrix."""
    hidden = config["hidden_size"]
    kv = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    attention = 2 * hidden * hidden + 2 * hidden * kv + hidden * config["num_experts"]
    return attention, 3 * hidden * config["intermediate_size"], hidden * config["vocab_size"]


def work(config, tokens, bytes_per_weight):
    """(floating-point operations, bytes of weights) of a step with one wanted row."""
    attention, expert, head = parameters(config)
    layers, experts, k = (config[key] for key in ("num_hidden_layers", "num_experts",
                                                   "num_experts_per_tok"))
    touched = experts * (1 - (1 - k / experts) ** tokens)
    operations = 2 * tokens * layers * (attention + k * expert) + 2 * head
    return operations, bytes_per_weight * (layers * (attention + touched * expert) + head)


def rows(config, results, ceilings, dtype):
    for result in results:
        limit = next(c for c in ceilings if c["threads"] == result["threads"])
        peak = limit["bf16_gflops"] if dtype == "bf16" and limit["bf16_gflops"] else \
            limit["f32_gflops"]
        prefill = result["what"] == "prefill"
        tokens = result["tokens"] if prefill else 1
        median = result["tokens_per_second"]
        operations, size = work(config, tokens, 2 if dtype == "bf16" else 4)
        steps = median / tokens
        flops, read = operations * steps / 1e9, size * steps / 1e9
        name = f"prefill {tokens}" if prefill else "decode"
        yield (f"| {dtype} | {result['threads']} | {name} | {median:.1f} "
               f"[{result['min']:.1f}-{result['max']:.1f}] | {flops:.0f} ({flops / peak:.2f}) | "
               f"{read:.1f} ({read / limit['read_gbs']:.2f}) |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--shape", default="olmoe-1b-7b", choices=sorted(make_model.SHAPES))
    parser.add_argument("--dtype", nargs="+", default=["bf16", "f32"])
    parser.add_argument("--repetitions", type=int, default=5)
    args = parser.parse_args()
    build = pathlib.Path(args.build).resolve()
    moec, folder = build / "bin" / "moec", build / "bench"
    folder.mkdir(exist_ok=True)
    config = dict(make_model.SHAPES[args.shape], num_hidden_layers=args.layers)
    checkpoint = folder / f"{args.shape}-{args.layers}"
    if not (checkpoint / "config.json").exists():
        run(sys.executable, HERE / "make_model.py", checkpoint, "--shape", args.shape,
            "--layers", args.layers)
    ceilings = json.loads(run(build / "bin" / "ceilings"))
    print(f"# {args.shape}, {args.layers} layers, random weights\n")
    for limit in ceilings:
        print(f"- {limit['threads']} threads: f32 {limit['f32_gflops']} GFLOP/s, products of bf16 "
              f"pairs {limit['bf16_gflops'] or 'none'}, read {limit['read_gbs']} GB/s")
    print("\n| weights | threads | step | tokens/s | GFLOP/s (of the ceiling) | GB/s (of the "
          "ceiling) |\n|---|---|---|---|---|---|")
    for dtype, flags in [(dtype, []) for dtype in args.dtype] + [("f32", ["--fallback"])]:
        artifact = folder / "model.moec"
        run(moec, "compile", checkpoint, "-o", artifact, "--dtype", dtype, "--target",
            "cpu:native", "--progress", "none", *flags)
        sizes, new = ("32", "0") if flags else ("1,32,128,512", "32")
        text = run(moec, "bench", artifact, "-p", sizes, "-n", new, "-r",
                   1 if flags else args.repetitions, "--threads", "1,2", "--format", "json")
        for row in rows(config, json.loads(text)["results"], ceilings, dtype):
            print(row.replace(f"| {dtype} |", f"| {dtype}, generic lowering |") if flags else row,
                  flush=True)


if __name__ == "__main__":
    main()
