"""Experts of many kinds, as layers: the region and what dispatch makes of it,
evaluated in f32, against NumPy in f64."""

import math

import numpy as np
import pytest

from harness import error, moe_opt, run
from reference import evaluate

TOKENS, WIDTH, INNER, EXPERTS, K = 50, 32, 24, 8, 2
DISPATCH = ("-moe-dispatch-experts", "-moe-form-matmuls", "-moe-fuse-epilogues")

# Lines of MLIR on scalars %a (gate) and %b (up), with constants before; the last
# one defines %r. Beside them, the same in NumPy.
SIGMOID = """
      %n = arith.negf {0} : f32
      %e = math.exp %n : f32
      %d = arith.addf %e, %one : f32
      %s = arith.divf {1}, %d : f32"""
erf = np.vectorize(math.erf)


def silu(x):
    return x / (1 + np.exp(-x))


KINDS = {
    "silu": (SIGMOID.format("%a", "%a") + "\n      %r = arith.mulf %s, %b : f32",
             lambda a, b: silu(a) * b),
    "gelu": ("""
      %h = arith.mulf %a, %rsqrt2 : f32
      %f = math.erf %h : f32
      %f1 = arith.addf %f, %one : f32
      %f2 = arith.mulf %a, %f1 : f32
      %q = arith.mulf %f2, %half : f32
      %r = arith.mulf %q, %b : f32""",
             lambda a, b: a * (1 + erf(a / np.sqrt(2))) / 2 * b),
    "relu": ("""
      %m = arith.maximumf %a, %zero : f32
      %r = arith.mulf %m, %b : f32""", lambda a, b: np.maximum(a, 0) * b),
    "relu squared, ungated": ("""
      %m = arith.maximumf %a, %zero : f32
      %r = arith.mulf %m, %m : f32""", lambda a, b: np.maximum(a, 0) ** 2),
    "relu, ungated": ("\n      %r = arith.maximumf %a, %zero : f32",
                      lambda a, b: np.maximum(a, 0)),
    "clamped": ("""
      %a1 = arith.minimumf %a, %limit : f32
      %b1 = arith.minimumf %b, %limit : f32
      %b2 = arith.maximumf %b1, %lower : f32
      %t = arith.mulf %a1, %alpha : f32""" + SIGMOID.format("%t", "%a1") + """
      %u = arith.addf %b2, %one : f32
      %r = arith.mulf %s, %u : f32""",
                lambda a, b: np.minimum(a, 0.75) / (1 + np.exp(-1.702 * np.minimum(a, 0.75)))
                * (np.clip(b, -0.75, 0.75) + 1)),
}
CONSTANTS = {
    "zero": 0.0, "half": 0.5, "one": 1.0, "limit": 0.75, "lower": -0.75,
    "alpha": 1.702, "rsqrt2": math.sqrt(0.5),
}


def module(kind, element="f32"):
    inner, outer = f"tensor<{INNER}x{WIDTH}x{element}>", f"tensor<{WIDTH}x{INNER}x{element}>"
    x, h = f"tensor<?x{WIDTH}xf32>", f"tensor<?x{INNER}xf32>"
    banks = [f"!moe.bank<{EXPERTS} x {type}>" for type in (inner, inner, outer)]
    product = (
        "linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>,"
        " affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]"
    )
    id = "affine_map<(i, j) -> (i, j)>"
    constants = "".join(
        f"\n    %{name} = arith.constant {value:.9e} : f32" for name, value in CONSTANTS.items()
    )
    return f"""
module {{
  func.func @layer(%x: {x}, %i: tensor<?x{K}xi32>, %w: tensor<?x{K}xf32>, %o: {x}) -> {x} {{
    %gate = moe.weight "gate" : {banks[0]}
    %up = moe.weight "up" : {banks[1]}
    %down = moe.weight "down" : {banks[2]}
    %y = moe.experts ins(%x, %i, %w : {x}, tensor<?x{K}xi32>, tensor<?x{K}xf32>)
      banks(%gate, %up, %down : {', '.join(banks)}) outs(%o : {x}) {{
    ^bb0(%rows: {x}, %mg: {inner}, %mu: {inner}, %md: {outer}):
      %c0 = arith.constant 0 : index{constants}
      %count = tensor.dim %rows, %c0 : {x}
      %eh = tensor.empty(%count) : {h}
      %zh = linalg.fill ins(%zero : f32) outs(%eh : {h}) -> {h}
      %g = {product} ins(%rows, %mg : {x}, {inner}) outs(%zh : {h}) -> {h}
      %v = {product} ins(%rows, %mu : {x}, {inner}) outs(%zh : {h}) -> {h}
      %z = linalg.generic {{indexing_maps = [{id}, {id}, {id}],
        iterator_types = ["parallel", "parallel"]}} ins(%g, %v : {h}, {h}) outs(%eh : {h}) {{
      ^bb1(%a: f32, %b: f32, %init: f32):{KINDS[kind][0]}
        linalg.yield %r : f32
      }} -> {h}
      %ex = tensor.empty(%count) : {x}
      %zx = linalg.fill ins(%zero : f32) outs(%ex : {x}) -> {x}
      %p = {product} ins(%z, %md : {h}, {outer}) outs(%zx : {x}) -> {x}
      moe.yield %p : {x}
    }} -> {x}
    return %y : {x}
  }}
}}
"""


def operands():
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (TOKENS, WIDTH)).astype(np.float32)
    ids = np.int32([random.permutation(EXPERTS - 1)[:K] for _ in range(TOKENS)])
    ids[3] = -1  # no expert at all
    ids[4, 1] = -1
    weights = random.uniform(0.1, 1, (TOKENS, K)).astype(np.float32)
    shapes = {"gate": (INNER, WIDTH), "up": (INNER, WIDTH), "down": (WIDTH, INNER)}
    banks = {
        name: random.normal(0, 0.3, (EXPERTS, *shape)).astype(np.float32)
        for name, shape in shapes.items()
    }
    return x, ids, weights, banks


def layer(kind, x, ids, weights, banks, on_input=False, factor=1.0):
    act = KINDS[kind][1]
    y = np.zeros(x.shape)
    for t in range(len(x)):
        for e, w in zip(ids[t], weights[t].astype(np.float64)):
            if e < 0:
                continue
            row = factor * x[t].astype(np.float64) * (w if on_input else 1)
            hidden = act(banks["gate"][e] @ row, banks["up"][e] @ row)
            y[t] += (banks["down"][e] @ hidden) * (1 if on_input else w)
    return y


def evaluated(text, x, ids, weights, banks):
    members = {
        f"{name}[{e}]": member for name, bank in banks.items() for e, member in enumerate(bank)
    }
    arguments = [x, ids, weights, np.zeros_like(x)]
    ((y,),) = evaluate(text, {"layer": arguments}, members, np.float32).values()
    return y


@pytest.mark.parametrize("passes", ((), DISPATCH), ids=("as a region", "dispatched"))
@pytest.mark.parametrize("kind", KINDS)
def test_layer(kind, passes):
    x, ids, weights, banks = operands()
    text = module(kind)
    if passes:
        text = run(moe_opt(), "-", *passes, input=text)
        assert "moe.experts" not in text
    y = evaluated(text, x, ids, weights, banks)
    wide = {name: bank.astype(np.float64) for name, bank in banks.items()}
    assert error(y, layer(kind, x, ids, weights, wide)) <= 5e-6
    assert (y[3] == 0).all()


def test_mistakes_that_must_show():
    """A weight on the wrong side of an expert, a factor of the inputs left out,
    another kind of expert: each is far outside of the tolerance."""
    x, ids, weights, banks = operands()
    wide = {name: bank.astype(np.float64) for name, bank in banks.items()}
    right = layer("silu", x, ids, weights, wide)
    assert error(layer("silu", x, ids, weights, wide, on_input=True), right) > 0.1
    assert error(layer("silu", x, ids, weights, wide, factor=2.0), right) > 0.5
    for kind in KINDS:
        if kind != "silu":
            assert error(layer(kind, x, ids, weights, wide), right) > 1e-2
