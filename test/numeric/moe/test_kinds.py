"""What experts of several kinds are lowered to, as machine code against NumPy:
plans for some of the ids, combines with locals, rows of weights and of vectors."""

import numpy as np
import pytest

from harness import build, call, error, guarded, machines
from models import combine, memref, plan
from test_dispatch import FAST, GENERIC, draw_ids

on_variants = pytest.mark.parametrize(
    "machine, passes",
    [(machine, FAST) for machine in machines()] + [(machines()[1], GENERIC)],
    ids=[machine.name for machine in machines()] + ["generic"],
)

FIRST, EXPERTS, OTHERS, K, WIDTH = 3, 6, 7, 4, 37
TOKENS = (0, 1, 7, 40)
IDS, WEIGHTS = memref(None, K, element="i32"), memref(None, K)
END, ROWS = memref(EXPERTS + 1, element="i32"), memref(None, WIDTH)

# Without a fast lowering of their own, the last two go through linalg.
PLAN = f"""
  func.func @plan(%i: {IDS}, %o: {END}, %a: {END}, %rt: memref<?xi32>, %tr: {IDS}, %ts: {IDS}) {{
    moe.plan {{first = {FIRST}, others = {OTHERS}}} ins(%i : {IDS})
      outs(%o, %a, %rt, %tr, %ts : {END}, {END}, memref<?xi32>, {IDS}, {IDS})
    return
  }}"""
COMBINE = f"""
  func.func @NAME(%r: {ROWS}, %tr: {IDS}, %ts: {IDS}, %w: {WEIGHTS}, %i: {IDS},
                  %l0: {ROWS}, %l1: {ROWS}, %a: {ROWS}, %y: {ROWS}) {{
    moe.combine {{ranges = array<i64: 0, {FIRST}, {FIRST + EXPERTS}, {FIRST + EXPERTS + 2}>FLAG}}
      ins(%r, %tr, %ts, %w : {ROWS}, {IDS}, {IDS}, {WEIGHTS}) ids(%i : {IDS})
      locals(%l0, %l1 : {ROWS}, {ROWS}) addends(%a : {ROWS}) outs(%y : {ROWS})
    return
  }}"""
COMBINES = COMBINE.replace("NAME", "weighted").replace("FLAG", "") + COMBINE.replace(
    "NAME", "unweighted"
).replace("FLAG", ", unweighted")
OF_ROWS = f"""
  func.func @row_weights(%w: {WEIGHTS}, %tr: {IDS}, %ts: {IDS}, %y: {memref(None, 1)}) {{
    moe.row_weights ins(%w, %tr, %ts : {WEIGHTS}, {IDS}, {IDS}) outs(%y : {memref(None, 1)})
    return
  }}
  func.func @spread(%b: {memref(EXPERTS, WIDTH)}, %o: {END}, %y: {ROWS}) {{
    moe.spread ins(%b, %o : {memref(EXPERTS, WIDTH)}, {END}) outs(%y : {ROWS})
    return
  }}"""


def draw(tokens):
    """Ids of all kinds, some of none, and the plan of those that get rows."""
    random = np.random.default_rng(tokens)
    ids = draw_ids(tokens, FIRST + EXPERTS + OTHERS, K)
    ids[random.random(ids.shape) < 0.1] = -1
    inside = (ids >= FIRST) & (ids < FIRST + EXPERTS)
    of = plan(np.where(inside, ids - FIRST, -1).astype(np.int32), EXPERTS)
    return random, ids, of


@on_variants
def test_plan_of_some_ids(machine, passes):
    library = build(PLAN, machine, passes)
    for tokens in TOKENS:
        _, ids, of = draw(tokens)
        outs = [guarded(np.full(array.shape, -7, np.int32)) for array in of]
        call(library, "plan", guarded(ids), *outs)
        for actual, expected in zip(outs, of):
            assert np.array_equal(actual, expected)


@on_variants
@pytest.mark.parametrize("function", ("weighted", "unweighted"))
def test_locals(machine, passes, function):
    library = build(COMBINES, machine, passes)
    for tokens in TOKENS:
        random, ids, of = draw(tokens)
        rows = random.normal(0, 1, (tokens * K, WIDTH)).astype(np.float32)
        weights = random.uniform(0, 1, (tokens, K)).astype(np.float32)
        local0, local1, addend = random.normal(0, 1, (3, tokens, WIDTH)).astype(np.float32)
        y = guarded(np.zeros((tokens, WIDTH), np.float32))
        inputs = (rows, of.token_row, of.token_slot, weights, ids, local0, local1, addend)
        call(library, function, *map(guarded, inputs), y)
        ones = np.ones_like(weights) if function == "unweighted" else weights
        expected = combine(rows, of.token_row, of.token_slot, ones, [addend])
        for local, begin, end in ((local0, 0, FIRST), (local1, FIRST + EXPERTS, FIRST + EXPERTS + 2)):
            share = np.where((ids >= begin) & (ids < end), weights.astype(np.float64), 0)
            expected += share.sum(1, keepdims=True) * local
        assert error(y, expected) < 5e-7


def test_what_stands_beside_rows():
    library = build(OF_ROWS, machines()[1], GENERIC)
    for tokens in TOKENS:
        random, _, of = draw(tokens)
        weights = random.uniform(0, 1, (tokens, K)).astype(np.float32)
        bank = random.normal(0, 1, (EXPERTS, WIDTH)).astype(np.float32)
        column = guarded(np.full((tokens * K, 1), -7, np.float32))
        call(library, "row_weights", *map(guarded, (weights, of.token_row, of.token_slot)), column)
        rows = guarded(np.full((tokens * K, WIDTH), -7, np.float32))
        call(library, "spread", guarded(bank), guarded(of.offsets), rows)
        expected = np.full_like(column, -7)
        for token in range(tokens):
            for row, slot in zip(of.token_row[token], of.token_slot[token]):
                if row >= 0:
                    expected[row] = weights[token, slot]
        assert np.array_equal(column, expected)
        used = of.offsets[-1]
        of_row = np.repeat(np.arange(EXPERTS), np.diff(of.offsets))
        assert np.array_equal(rows[:used], bank[of_row])
        assert (rows[used:] == -7).all()
