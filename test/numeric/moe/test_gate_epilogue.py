"""What moe.gate computes of its logits before it chooses, as machine code: the bits of the ops one after another."""

import numpy as np

from harness import build, call, guarded
from models import Routing, memref, pack
from test_routing import FAST, TOKENS, check_choice, on_variants

EPILOGUE = """
      %cap = arith.constant 3.0 : f32
      %e0 = arith.divf %sum, %norm : f32
      %e1 = arith.mulf %e0, %one : f32
      %e2 = arith.mulf %e1, %column : f32
      %e3 = arith.addf %e2, %other : f32
      %e4 = arith.divf %e3, %cap : f32
      %e5 = math.tanh %e4 : f32
      %logit = arith.mulf %e5, %cap : f32
"""
ARGUMENTS = "%norm: f32, %one: f32, %column: f32, %other: f32"


def epilogue_text(experts, width, name):
    """A gate with an extra of every form, and the same as three ops."""
    k, panels = 3, -(-experts // 16)
    x, m = memref(None, width), memref(panels, width, 16)
    i, w, l = memref(None, k, element="i32"), memref(None, k), memref(None, experts)
    n, o, c = memref(None, 1), memref(1), memref(experts)
    arguments = f"%x: {x}, %m: {m}, %n: {n}, %o: {o}, %c: {c}, %r: {l}, %i: {i}, %w: {w}, %l: {l}"
    routing = f"{{routing = #moe.routing<k = {k}, score = sigmoid, renorm = sum>}}"
    outs = f"outs(%i, %w, %l : {i}, {w}, {l})"
    maps = ("(r, c)", "(r, 0)", "(0)", "(c)", "(r, c)", "(r, c)")
    maps = ", ".join(f"affine_map<(r, c) -> {m}>" for m in maps)
    return f"""
    func.func @fused_{name}({arguments}) {{
      moe.gate {routing} ins(%x, %m : {x}, {m}) extras(%n, %o, %c, %r : {n}, {o}, {c}, {l}) {outs} {{
      ^bb0(%sum: f32, {ARGUMENTS}):{EPILOGUE}
        moe.yield %logit : f32
      }}
      return
    }}
    func.func @apart_{name}({arguments}, %s: {l}) {{
      moe.gate {routing} ins(%x, %m : {x}, {m}) outs(%i, %w, %s : {i}, {w}, {l})
      linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel", "parallel"]}}
        ins(%s, %n, %o, %c, %r : {l}, {n}, {o}, {c}, {l}) outs(%l : {l}) {{
      ^bb0(%sum: f32, {ARGUMENTS}, %out: f32):{EPILOGUE}
        linalg.yield %logit : f32
      }}
      moe.route {routing} ins(%l : {l}) outs(%i, %w : {i}, {w})
      return
    }}"""


@on_variants
def test_gate_with_an_epilogue(machine, passes):
    """To the bit what the three ops make, and what NumPy makes of them."""
    sizes = ((5, 19), (61, 40), (128, 33))
    text = "".join(epilogue_text(*size, i) for i, size in enumerate(sizes))
    if passes == FAST:
        passes += ("-moe-cpu-lower-rows", "-convert-linalg-to-loops")
    library = build(text, machine, passes)
    random = np.random.default_rng(0)
    draw = lambda *shape: random.normal(0, 1, shape).astype(np.float32)
    routing = Routing(0, 3, score="sigmoid", renorm="sum")
    for name, (experts, width) in enumerate(sizes):
        matrix, column = draw(experts, width), draw(experts)
        one = np.float32([0.7])
        for tokens in TOKENS:
            x, other = draw(tokens, width), draw(tokens, experts)
            norm = np.abs(draw(tokens, 1)) + np.float32(0.5)
            inputs = (x, pack(matrix, "f32"), norm, one, column, other)
            results = []
            for form, spare in (("fused", 0), ("apart", 1)):
                outs = [np.full((tokens, 3), -7, np.int32)]
                outs += [np.full((tokens, n), np.nan, np.float32) for n in (3, experts)]
                outs = [guarded(out) for out in outs]
                scratch = [np.zeros((tokens, experts), np.float32)] * spare
                call(library, f"{form}_{name}", *map(guarded, inputs), *outs, *scratch)
                results.append([out.tobytes() for out in outs])
            assert results[0] == results[1]
            logits = (x.astype(np.float64) @ matrix.T / norm * one * column + other) / 3
            assert np.abs(outs[2] - 3 * np.tanh(logits)).max(initial=0) < 1e-5
            check_choice(routing, outs[2], 0, *outs[:2])
