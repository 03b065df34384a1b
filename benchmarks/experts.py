"""The experts of one layer alone: what a checkpoint of make_model.py becomes without attention, router and head.

The module's function takes rows, the experts that each chose, and their weights, so that the plan, the three products of every
expert and the sum of their results are all that runs.
"""

import os
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

BODY = """
#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#id = affine_map<(t, n) -> (t, n)>
module {{
  moe.recipes {{{recipes}
  }}
  func.func @experts(%x: {X} {{moe.name = "x"}}, %ids: {I} {{moe.name = "ids", moe.below = {E}}},
      %weights: {W} {{moe.name = "weights"}}) -> ({X} {{moe.name = "y"}}) {{
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : {X}
    %gates = moe.weight "gate" : {G}
    %ups = moe.weight "up" : {G}
    %downs = moe.weight "down" : {D}
    %e = tensor.empty(%t) : {X}
    %y = moe.experts ins(%x, %ids, %weights : {X}, {I}, {W}) banks(%gates, %ups, %downs : {G}, {G}, {D}) outs(%e : {X}) {{
    ^bb0(%rows: {X}, %gate: {g}, %up: {g}, %down: {d}):
      %zero = arith.constant 0.0 : f32
      %r0 = arith.constant 0 : index
      %r = tensor.dim %rows, %r0 : {X}
      %eh = tensor.empty(%r) : {H}
      %zh = linalg.fill ins(%zero : f32) outs(%eh : {H}) -> {H}
      %a = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : {X}, {g}) outs(%zh : {H}) -> {H}
      %b = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : {X}, {g}) outs(%zh : {H}) -> {H}
      %h = linalg.generic {{indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}}
          ins(%a, %b : {H}, {H}) outs(%eh : {H}) {{
      ^bb1(%p: f32, %q: f32, %o: f32):
        %one = arith.constant 1.0 : f32
        %n = arith.negf %p : f32
        %exp = math.exp %n : f32
        %sum = arith.addf %one, %exp : f32
        %silu = arith.divf %p, %sum : f32
        %v = arith.mulf %silu, %q : f32
        linalg.yield %v : f32
      }} -> {H}
      %ey = tensor.empty(%r) : {X}
      %zy = linalg.fill ins(%zero : f32) outs(%ey : {X}) -> {X}
      %z = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %down : {H}, {d}) outs(%zy : {X}) -> {X}
      moe.yield %z : {X}
    }} -> {X}
    return %y : {X}
  }}
}}
"""


def module(config, dtype):
    """The module of the first layer's experts."""
    h, f, e, k = (config[name] for name in (
        "hidden_size", "intermediate_size", "num_experts", "num_experts_per_tok"))
    recipes = ""
    for name, shape in (("gate", f"{f}x{h}"), ("up", f"{f}x{h}"), ("down", f"{h}x{f}")):
        stored, wanted = f"<{e} x tensor<{shape}xbf16>>", f"<{e} x tensor<{shape}x{dtype}>>"
        recipes += f'\n    %{name} = moe.load_bank "model.layers.0.mlp.experts.{{expert}}.{name}_proj.weight" : {stored}'
        value = name
        if dtype != "bf16":
            value = f"{name}_wide"
            recipes += f"\n    %{value} = moe.cast %{name} : !moe.bank{stored} to !moe.bank{wanted}"
        recipes += f'\n    moe.define "{name}" role "experts", %{value} : !moe.bank{wanted}'
    inner, outer = f"tensor<{f}x{h}x{dtype}>", f"tensor<{h}x{f}x{dtype}>"
    return BODY.format(
        recipes=recipes, E=e, X=f"tensor<?x{h}xf32>", H=f"tensor<?x{f}xf32>", I=f"tensor<?x{k}xi32>",
        W=f"tensor<?x{k}xf32>", G=f"!moe.bank<{e} x {inner}>", D=f"!moe.bank<{e} x {outer}>", g=inner, d=outer)


def measure(build, artifact, config, tokens, threads, repetitions):
    """(seconds of each repetition, experts that have rows) of a call with so many tokens, whose choices are
    uniform."""
    os.environ.setdefault("MOEC_LIBRARY", str(build / "lib" / "libmoec.so.0"))
    import moec  # The library is looked for when it is first used.
    random = np.random.default_rng(tokens)
    e, k = config["num_experts"], config["num_experts_per_tok"]
    x = random.standard_normal((tokens, config["hidden_size"]), np.float32)
    ids = np.int32([random.permutation(e)[:k] for _ in range(tokens)])
    weights = np.full(ids.shape, 1 / k, np.float32)
    function = moec.Model(artifact).function(threads=threads)
    seconds = []
    for _ in range(repetitions + 1):
        begin = time.perf_counter()
        y = function(x, ids, weights)
        seconds.append(time.perf_counter() - begin)
    assert np.isfinite(y).all() and y.any()
    return seconds[1:], len(np.unique(ids))
