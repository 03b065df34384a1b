#!/usr/bin/env python3
"""What it is worth to multiply what a combine makes in the kernel of the combine (`moe-fuse-projection`).

    latent_experts.py BUILD [--sizes 512:2048 1024:4096] [--dtypes f32 bf16] [--tokens 1 32 512] [--threads 1 2] [--rounds 21]

A module of the routed part of one layer: 8 of 16 narrow experts in the latent space, their sum, and the projection back with the
residual. It is compiled twice, to the end and with the phase `experts` done by moe-opt without the pass. Both run by turns, after each other in
every round; writes the median microseconds of both, the median of the rounds' quotients, and the quotient of the fastest rounds. One thread is measured in its own time, which
counts nothing else that the machine does. Both results must be the same bytes.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
from safetensors.numpy import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

EXPERTS, CHOSEN, INNER = 16, 8, 32
# The phase `experts`, but for the passes that fuse with a combine.
UNFUSED = ("-moe-select-variants", "-moe-pack-weights", "-moe-hoist-recipes", "-canonicalize", "-cse")
MODULE = """
#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#id = affine_map<(t, n) -> (t, n)>
module {{
  moe.recipes {{{recipes}
  }}
  func.func @layer(%x: {X} {{moe.name = "x"}}, %z: {Z} {{moe.name = "z"}}, %ids: {I} {{moe.name = "ids", moe.below = {E}}},
      %weights: {W} {{moe.name = "weights"}}) -> ({X} {{moe.name = "y"}}) {{
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : {X}
    %ups = moe.weight "up" : {U}
    %downs = moe.weight "down" : {D}
    %back = moe.weight "back" : tensor<{H}x{L}x{dtype}>
    %e = tensor.empty(%t) : {Z}
    %sum = moe.experts ins(%z, %ids, %weights : {Z}, {I}, {W}) banks(%ups, %downs : {U}, {D}) outs(%e : {Z}) {{
    ^bb0(%rows: {Z}, %up: tensor<{F}x{L}x{dtype}>, %down: tensor<{L}x{F}x{dtype}>):
      %no = arith.constant 0.0 : f32
      %r0 = arith.constant 0 : index
      %r = tensor.dim %rows, %r0 : {Z}
      %eh = tensor.empty(%r) : {R}
      %zh = linalg.fill ins(%no : f32) outs(%eh : {R}) -> {R}
      %h = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : {Z}, tensor<{F}x{L}x{dtype}>) outs(%zh : {R}) -> {R}
      %ed = tensor.empty(%r) : {Z}
      %zd = linalg.fill ins(%no : f32) outs(%ed : {Z}) -> {Z}
      %d = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %down : {R}, tensor<{L}x{F}x{dtype}>) outs(%zd : {Z}) -> {Z}
      moe.yield %d : {Z}
    }} -> {Z}
    %ey = tensor.empty(%t) : {X}
    %zy = linalg.fill ins(%zero : f32) outs(%ey : {X}) -> {X}
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%sum, %back : {Z}, tensor<{H}x{L}x{dtype}>) outs(%zy : {X}) -> {X}
    %y = linalg.generic {{indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}} ins(%x, %p : {X}, {X}) outs(%ey : {X}) {{
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
    }} -> {X}
    return %y : {X}
  }}
}}
"""


def module(latent, hidden, dtype):
    bank, recipes = f"!moe.bank<{EXPERTS} x tensor<{{}}x{{}}x{{}}>>", ""
    for name, rows, columns in (("up", INNER, latent), ("down", latent, INNER), ("back", hidden, latent)):
        of = bank if name != "back" else "tensor<{}x{}x{}>"
        stored, wanted = (of.format(rows, columns, element) for element in ("f32", dtype))
        load = "load" if name == "back" else "load_bank"
        path = name if name == "back" else f"{name}.{{expert}}"
        recipes += f'\n    %{name}_0 = moe.{load} "{path}" : {stored.removeprefix("!moe.bank")}'
        if dtype != "f32":
            recipes += f"\n    %{name}_1 = moe.cast %{name}_0 : {stored} to {wanted}"
        recipes += f'\n    moe.define "{name}" role "experts", %{name}_{int(dtype != "f32")} : {wanted}'
    return MODULE.format(
        E=EXPERTS, F=INNER, L=latent, H=hidden, dtype=dtype, recipes=recipes,
        U=bank.format(INNER, latent, dtype), D=bank.format(latent, INNER, dtype),
        X=f"tensor<?x{hidden}xf32>", Z=f"tensor<?x{latent}xf32>", R=f"tensor<?x{INNER}xf32>",
        I=f"tensor<?x{CHOSEN}xi32>", W=f"tensor<?x{CHOSEN}xf32>")


def parameters(latent, hidden):
    random = np.random.default_rng(0)

    def matrix(n, k):
        return random.normal(0, k**-0.5, (n, k)).astype(np.float32)

    tensors = {f"up.{e}": matrix(INNER, latent) for e in range(EXPERTS)}
    tensors |= {f"down.{e}": matrix(latent, INNER) for e in range(EXPERTS)}
    return tensors | {"back": matrix(hidden, latent)}


def artifacts(build, scratch, latent, hidden, dtype):
    """What is compiled to the end, and what is compiled without fusing the projection."""
    params = scratch / "params.safetensors"
    (scratch / "module.mlir").write_text(module(latent, hidden, dtype))
    save_file(parameters(latent, hidden), params)

    def moec(*arguments):
        command = [build / "bin" / "moec", "compile", *arguments, "--params", params]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    paths = [scratch / f"{latent}-{hidden}-{dtype}-{form}.moec" for form in ("fused", "unfused")]
    files = {phase: scratch / f"{phase}.mlir" for phase in ("dispatch", "experts")}
    moec(scratch / "module.mlir", "-o", paths[0])
    for phase, file in files.items():
        moec(scratch / "module.mlir", "--compile-to", phase, "-o", file)
    # The module gets its target with this phase.
    target = re.search(r"moe.target = #moe.target<[^>]*>", files["experts"].read_text())[0]
    files["dispatch"].write_text(files["dispatch"].read_text().replace("attributes {", f"attributes {{{target}, ", 1))
    subprocess.run([build / "bin" / "moe-opt", files["dispatch"], *UNFUSED, "-o", files["experts"]], check=True)
    moec(files["experts"], "--compile-from", "experts", "-o", paths[1])
    return paths


def measure(models, threads, tokens, latent, hidden, rounds):
    """Seconds of a call of each model in every round."""
    random = np.random.default_rng(tokens)
    x, z = (random.standard_normal((tokens, width), np.float32) for width in (hidden, latent))
    ids = np.int32([random.permutation(EXPERTS)[:CHOSEN] for _ in range(tokens)])
    weights = random.uniform(0, 1, ids.shape).astype(np.float32)
    functions = [model.function(threads=threads) for model in models]
    assert functions[0](x, z, ids, weights).tobytes() == functions[1](x, z, ids, weights).tobytes()
    calls = max(1, 64 // tokens)
    clock = time.thread_time if threads == 1 else time.perf_counter
    seconds = []
    for number in range(rounds):
        each = [0.0, 0.0]
        for form in (0, 1) if number % 2 else (1, 0):
            begin = clock()
            for _ in range(calls):
                functions[form](x, z, ids, weights)
            each[form] = (clock() - begin) / calls
        seconds.append(each)
    return np.array(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--sizes", nargs="+", default=["512:2048", "1024:4096"])
    parser.add_argument("--dtypes", nargs="+", choices=["f32", "bf16"], default=["f32", "bf16"])
    parser.add_argument("--tokens", type=int, nargs="+", default=[1, 32, 512])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    os.environ.setdefault("MOEC_LIBRARY", str(options.build / "lib" / "libmoec.so.0"))
    import moec  # The library is looked for when it is first used.

    print("| latent to hidden | weights | threads | tokens | fused, us | unfused, us | quotient | of the fastest |\n|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for size in options.sizes:
            latent, hidden = map(int, size.split(":"))
            for dtype in options.dtypes:
                paths = artifacts(options.build, pathlib.Path(scratch), latent, hidden, dtype)
                models = [moec.Model(path) for path in paths]
                for threads in options.threads:
                    for tokens in options.tokens:
                        times = measure(models, threads, tokens, latent, hidden, options.rounds)
                        fused, unfused = np.median(times, 0) * 1e6
                        quotient, (best, other) = np.median(times[:, 0] / times[:, 1]), times.min(0)
                        print(f"| {latent} to {hidden} | {dtype} | {threads} | {tokens} | {fused:.1f} | {unfused:.1f} | {quotient:.3f} | "
                              f"{best / other:.3f} |", flush=True)


if __name__ == "__main__":
    main()
