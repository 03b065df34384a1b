#!/usr/bin/env python3
"""The gate against the router's matrix product alone.

Prints, for some routers at 512 tokens of width 2048 in f32, the milliseconds of
moe.gate (product, choice, weights and counts), of the product as
moe.grouped_matmul, and their quotient. A gate with a quota for each group counts
nothing, as in a model. Both are compiled by moe-opt and clang for this machine, run on
one thread, by turns, and the least of all repetitions counts.

    benchmarks/gate.py BUILD [--repeat N]
"""

import argparse
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TOKENS, WIDTH, PANEL = 512, 2048, 16
LIMIT = 1.5
BLOCKS, COUNT_ROWS = 64, 48

SOFTMAX = "renorm = sum"
SIGMOID = (
    "score = sigmoid, groups = 8, group_keep = 4, group_reduce = top2_sum, "
    "renorm = sum, eps = 1.0e-20 : f64, scale = 2.5 : f64"
)
ROUTERS = [
    (64, 2, SOFTMAX, False),
    (64, 6, "", False),
    (64, 12, "score = sigmoid, renorm = sum", True),
    (64, 8, "groups = 8, group_quota = 1", False),
    (64, 2, "policy = sequential_masked, scope = window, window = 0.02 : f64", False),
    (128, 8, SOFTMAX, False),
    (160, 6, "groups = 8, group_keep = 3, group_fill = zero, scale = 16.0 : f64", False),
    (256, 8, SIGMOID, True),
    (256, 6, "score = sqrt_softplus, renorm = sum", True),
    (384, 8, "score = sigmoid, renorm = sum", True),
    (512, 10, SOFTMAX, False),
    (512, 12, "policy = topp, threshold = 0.9 : f64", False),
]


def functions():
    text = []
    for i, (experts, k, routing, bias) in enumerate(ROUTERS):
        x, m = f"memref<?x{WIDTH}xf32>", f"memref<{experts // PANEL}x{WIDTH}x{PANEL}xf32>"
        b, l = f"memref<{experts}xf32>", f"memref<?x{experts}xf32>"
        ids, w = f"memref<?x{k}xi32>", f"memref<?x{k}xf32>"
        c = f"memref<{BLOCKS}x{experts}xi32>"
        counts = "" if "quota" in routing else f"count_rows = {COUNT_ROWS} : i64, "
        outs = [("%i", ids), ("%w", w), ("%l", l)] + [("%c", c)] * bool(counts)
        names, types = (", ".join(part) for part in zip(*outs))
        attribute = ", ".join(filter(None, [f"k = {k}", routing]))
        with_bias = f"bias(%b : {b})" if bias else ""
        text.append(f"""
    func.func @gate_{i}(%x: {x}, %m: {m}, %b: {b}, %i: {ids}, %w: {w}, %l: {l}, %c: {c}) {{
      moe.gate {{{counts}routing = #moe.routing<{attribute}>}} ins(%x, %m : {x}, {m})
        {with_bias} outs({names} : {types})
      return
    }}
    func.func @product_{i}(%x: {x}, %m: {m}, %l: {l}) {{
      moe.grouped_matmul ins(%x : {x}) banks(%m : {m}) outs(%l : {l}) {{
      ^bb0(%sum: f32):
        moe.yield %sum : f32
      }}
      return
    }}""")
    return "".join(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--repeat", type=int, default=30)
    arguments = parser.parse_args()
    os.environ["MOEC_BUILD_DIR"] = arguments.build
    sys.path.insert(0, str(HERE.parent / "test" / "numeric"))
    import numpy as np
    from harness import build, invoke, machines

    wide = "avx512f" in pathlib.Path("/proc/cpuinfo").read_text()
    machine = machines()[0 if wide else 1]
    passes = ("-moe-select-variants", "-moe-cpu-lower-matmul", "-moe-cpu-lower-routing")
    library = build(functions(), machine, passes)
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (TOKENS, WIDTH)).astype(np.float32)
    worst = 0.0
    print(f"{TOKENS} tokens of width {WIDTH}, f32, {machine.name}, one thread")
    print("experts  k  gate ms  product ms  quotient  router")
    for i, (experts, k, routing, bias) in enumerate(ROUTERS):
        shape = (experts // PANEL, WIDTH, PANEL)
        matrix = random.normal(0, WIDTH**-0.5, shape).astype(np.float32)
        zeros = np.zeros(experts, np.float32)
        logits = np.zeros((2, TOKENS, experts), np.float32)
        outs = np.zeros((TOKENS, k), np.int32), np.zeros((TOKENS, k), np.float32)
        counts = np.zeros((BLOCKS, experts), np.int32)

        def gate():
            invoke(library, f"gate_{i}", x, matrix, zeros, *outs, logits[0], counts)

        def product():
            invoke(library, f"product_{i}", x, matrix, logits[1])

        least = {}
        for _ in range(arguments.repeat):
            for run in (gate, product):
                begin = time.perf_counter()
                run()
                spent = time.perf_counter() - begin
                least[run] = min(spent, least.get(run, spent))
        assert np.array_equal(logits[0], logits[1])
        assert "quota" in routing or counts.sum() == (outs[0] >= 0).sum()
        quotient = least[gate] / least[product]
        worst = max(worst, quotient)
        words = ", ".join(filter(None, ["bias" if bias else "", routing]))
        print(
            f"{experts:7} {k:2} {least[gate] * 1e3:8.3f} {least[product] * 1e3:11.3f}"
            f" {quotient:9.2f}  {words}"
        )
    print(f"largest quotient {worst:.2f}, limit {LIMIT}")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
