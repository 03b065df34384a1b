"""Canonical forms say the same: what moe-normalize-routing and
moe-normalize-experts make of a function computes what it computed, to the bit
where the form is exact; where their conditions do not hold, it would not."""

import numpy as np
import pytest

from harness import error, moe_opt, run
from reference import evaluate

TOKENS, WIDTH, EXPERTS, K = 60, 12, 8, 2
X = f"tensor<?x{WIDTH}xf32>"
PAIR = f"tensor<?x{K}xi32>, tensor<?x{K}xf32>"
MATRIX = f"tensor<{WIDTH}x{WIDTH}xf32>"
MAPS = """
#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#id = affine_map<(t, n) -> (t, n)>
#t = affine_map<(t) -> (t)>
"""


def normalized(text, flag):
    return run(moe_opt(), "-", flag, input=text)


def evaluated(text, arguments, weights=None):
    (results,) = evaluate(text, {"layer": arguments}, weights, np.float32).values()
    return results


# Classes --------------------------------------------------------------------


def classes_text(mask, made):
    """Tokens of an `a` of 5 and more are of the second class."""
    return f"""{MAPS}
func.func @layer(%l: tensor<?x{EXPERTS}xf32>, %a: tensor<?xi32>, %i: tensor<?x{K}xi32>, %w: tensor<?x{K}xf32>) -> ({PAIR}) {{
  %c0 = arith.constant 0 : index
  %n = tensor.dim %a, %c0 : tensor<?xi32>
  %e = tensor.empty(%n) : tensor<?xi32>
  %class = linalg.generic {{indexing_maps = [#t, #t], iterator_types = ["parallel"]}}
      ins(%a : tensor<?xi32>) outs(%e : tensor<?xi32>) {{
  ^bb0(%v: i32, %o: i32):
    {made}
    linalg.yield %z : i32
  }} -> tensor<?xi32>
  %r:2 = moe.route {{class_mask = array<i1: {mask}>, routing = #moe.routing<k = {K}, scope = selected, select_on = logit, weight_from = logit>}}
      ins(%l : tensor<?x{EXPERTS}xf32>) class_id(%class : tensor<?xi32>) outs(%i, %w : {PAIR}) -> {PAIR}
  return %r#0, %r#1 : {PAIR}
}}
"""


COMPARED = "%five = arith.constant 5 : i32\n%q = arith.cmpi sge, %v, %five : i32\n%z = arith.extui %q : i1 to i32"
AS_GIVEN = "%five = arith.constant 0 : i32\n%z = arith.addi %v, %five : i32"
EVERY = ", ".join(["true"] * 2 * EXPERTS)
SOME = ", ".join((["true"] * (EXPERTS - 3) + ["false"] * 3) * 2)


def route_arguments():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (TOKENS, EXPERTS)).astype(np.float32)
    a = random.integers(0, 10, TOKENS).astype(np.int32)
    return [logits, a, np.zeros((TOKENS, K), np.int32), np.zeros((TOKENS, K), np.float32)]


def test_equal_classes_are_none():
    text = classes_text(EVERY, COMPARED)
    after = normalized(text, "-moe-normalize-routing")
    assert "class_mask" in text and "class_mask" not in after
    for a, b in zip(evaluated(text, route_arguments()), evaluated(after, route_arguments())):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("mask, made", ((EVERY, AS_GIVEN), (SOME, COMPARED)))
def test_classes_that_count(mask, made):
    """An id of no class, or equal rows that keep experts out, choose otherwise."""
    text = classes_text(mask, made)
    assert "class_mask" in normalized(text, "-moe-normalize-routing")
    plain = text.replace(f"class_mask = array<i1: {mask}>, ", "").replace("class_id(%class : tensor<?xi32>)", "")
    assert (evaluated(text, route_arguments())[0] != evaluated(plain, route_arguments())[0]).any()


# Experts --------------------------------------------------------------------


def layer_text(routing, ranges, banks, attributes="", factor=None):
    """`banks`: the number of experts of each range of ffn; one of them computes
    max(w x + 1, 0), which makes something of 0."""
    region = f"""{{
  ^bb0(%rows: {X}, %m: {MATRIX}):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : {X}
    %e0 = tensor.empty(%r) : {X}
    %f = linalg.fill ins(%zero : f32) outs(%e0 : {X}) -> {X}
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : {X}, {MATRIX}) outs(%f : {X}) -> {X}
    %h = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}}
        ins(%p : {X}) outs(%e0 : {X}) {{
    ^bb1(%a: f32, %o: f32):
      %one = arith.constant 1.0 : f32
      %none = arith.constant 0.0 : f32
      %s = arith.addf %a, %one : f32
      %z = arith.maximumf %s, %none : f32
      linalg.yield %z : f32
    }} -> {X}
    moe.yield %h : {X}
  }}"""
    types = [f"!moe.bank<{n} x {MATRIX}>" for n in banks]
    weights = "\n".join(f'  %b{i} = moe.weight "b{i}" : {type}' for i, type in enumerate(types))
    names = ", ".join(f"%b{i}" for i in range(len(banks)))
    kinds = f"ranges = #moe.ranges<[{', '.join(f'<{kind}, {n}>' for kind, n in ranges)}]>"
    scaled = "" if factor is None else f"""
  %y = linalg.generic {{indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%y0, %x : {X}, {X}) outs(%e : {X}) {{
  ^bb0(%a: f32, %b: f32, %o: f32):
    %c = arith.constant {factor} : f32
    %m = arith.mulf %a, %c : f32
    %z = arith.addf %m, %b : f32
    linalg.yield %z : f32
  }} -> {X}"""
    result = "%y0" if factor is None else "%y"
    return f"""{MAPS}
func.func @layer(%x: {X}, %l: tensor<?x{EXPERTS}xf32>, %i: tensor<?x{K}xi32>, %w: tensor<?x{K}xf32>, %e: {X}) -> {X} {{
{weights}
  %choice:2 = moe.route {{routing = #moe.routing<k = {K}{routing}>}} ins(%l : tensor<?x{EXPERTS}xf32>) outs(%i, %w : {PAIR}) -> {PAIR}
  %y0 = moe.experts {{{', '.join(filter(None, [kinds, attributes]))}}} ins(%x, %choice#0, %choice#1 : {X}, {PAIR})
      banks({names} : {', '.join(types)}) outs(%e : {X}) {', '.join([region] * len(banks))} -> {X}{scaled}
  return {result} : {X}
}}
"""


def layer_arguments():
    random = np.random.default_rng(1)
    x = random.normal(0, 1, (TOKENS, WIDTH)).astype(np.float32)
    logits = random.normal(0, 2, (TOKENS, EXPERTS)).astype(np.float32)
    outs = np.zeros((TOKENS, K), np.int32), np.zeros((TOKENS, K), np.float32)
    return [x, logits, *outs, np.zeros_like(x)]


def members(banks):
    random = np.random.default_rng(2)
    return {
        f"b{i}[{e}]": random.normal(0, 0.4, (WIDTH, WIDTH)).astype(np.float32)
        for i, n in enumerate(banks)
        for e in range(n)
    }


NULL = ", renorm = sum, null_experts = 2"


@pytest.mark.parametrize("ranges, banks", (((("ffn", 6), ("ffn", 2)), (6, 2)), ((("ffn", 6), ("identity", 2)), (6,))))
def test_null_experts_make_no_rows(ranges, banks):
    text = layer_text(NULL, ranges, banks)
    after = normalized(text, "-moe-normalize-experts")
    assert "<zero, 2>" in after
    (y,), (z,) = (evaluated(t, layer_arguments(), members(banks)) for t in (text, after))
    assert y.tobytes() == z.tobytes()


def test_null_experts_with_a_weight_on_the_input_do():
    """What an expert makes of 0 counts."""
    ranges, banks = (("ffn", 6), ("ffn", 2)), (6, 2)
    text = layer_text(NULL, ranges, banks, "weight_on_input")
    assert "<zero, 2>" not in normalized(text, "-moe-normalize-experts")
    dropped = layer_text(NULL, (("ffn", 6), ("zero", 2)), (6,), "weight_on_input")
    (y,), (z,) = (evaluated(t, layer_arguments(), members(banks)) for t in (text, dropped))
    assert error(z, y) > 1e-2


def test_neighbours_are_one_range():
    text = layer_text("", (("ffn", 3), ("identity", 2), ("identity", 2), ("zero", 1)), (3,))
    after = normalized(text, "-moe-normalize-experts")
    assert "<identity, 4>" in after
    (y,), (z,) = (evaluated(t, layer_arguments(), members((3,))) for t in (text, after))
    assert error(z, y) <= 1e-6


@pytest.mark.parametrize("routing, factor, exact", (("", 0.22, False), (", scale = 2.5 : f64", 0.5, True), (", renorm = sum", 4.0, True)))
def test_a_factor_of_the_result_is_a_scale(routing, factor, exact):
    """To the bit for powers of two."""
    text = layer_text(routing, (("ffn", 6), ("identity", 2)), (6,), factor=factor)
    after = normalized(text, "-moe-normalize-experts")
    assert "scale" in after and "arith.mulf" not in after
    (y,), (z,) = (evaluated(t, layer_arguments(), members((6,))) for t in (text, after))
    assert y.tobytes() == z.tobytes() if exact else error(z, y) <= 1e-6


def test_a_factor_of_weighed_inputs_is_none():
    text = layer_text("", (("ffn", 8),), (8,), "weight_on_input", factor=0.5)
    assert "arith.mulf" in normalized(text, "-moe-normalize-experts")
    moved = layer_text(", scale = 0.5 : f64", (("ffn", 8),), (8,), "weight_on_input", factor=1.0)
    (y,), (z,) = (evaluated(t, layer_arguments(), members((8,))) for t in (text, moved))
    assert error(z, y) > 1e-2
