"""moe.plan and moe.combine as machine code, against NumPy: the fast lowering on
every number of lanes, the generic one beside it."""

from typing import NamedTuple

import numpy as np
import pytest

from harness import build, call, dtype, error, guarded, machines, stored, widened
from reference import Refused, evaluate
from models import BLOCKS, COUNT_ROWS, Plan, combine, count, memref, plan, rounded

TOKENS = (0, 1, 7, 33, 512)
FAST = ("-moe-cpu-lower-dispatch",)
GENERIC = ("-moe-lower-to-linalg", "-convert-linalg-to-loops")

on_variants = pytest.mark.parametrize(
    "machine, passes",
    [(machine, FAST) for machine in machines()] + [(machines()[1], GENERIC)],
    ids=[machine.name for machine in machines()] + ["generic"],
)
at_either_end = pytest.mark.parametrize("at_start", (False, True))

# plan -----------------------------------------------------------------------

# Experts, and experts for each token.
SIZES = ((1, 1), (4, 2), (12, 3), (16, 1), (60, 4), (64, 6), (128, 8), (512, 12))


def plan_text(experts, k):
    ids, end = memref(None, k, element="i32"), memref(experts + 1, element="i32")
    types = f"{end}, {end}, memref<?xi32>, {ids}, {ids}"
    return f"""
    func.func @plan_{experts}(%i: {ids}, %o: {end}, %a: {end}, %rt: memref<?xi32>,
                              %tr: {ids}, %ts: {ids}) {{
      moe.plan ins(%i : {ids}) outs(%o, %a, %rt, %tr, %ts : {types})
      return
    }}"""


def run_plan(machine, passes, ids, experts, at_start=False):
    library = build("".join(plan_text(*size) for size in SIZES), machine, passes)
    shapes = ((experts + 1,), (experts + 1,), (ids.size,), ids.shape, ids.shape)
    outs = [guarded(np.full(shape, -7, np.int32), at_start) for shape in shapes]
    call(library, f"plan_{experts}", guarded(ids, at_start), *outs)
    return Plan(*outs)


def assert_equal(actual, expected):
    for name in Plan._fields:
        assert np.array_equal(getattr(actual, name), getattr(expected, name)), name


def draw_ids(tokens, experts, k, seed=0):
    """Distinct experts for each token, in any order; few tokens use all."""
    random = np.random.default_rng(seed + tokens)
    return random.permuted(np.tile(np.arange(experts, dtype=np.int32), (tokens, 1)), axis=1)[:, :k]


@on_variants
@at_either_end
@pytest.mark.parametrize("experts, k", SIZES)
def test_plan(machine, passes, experts, k, at_start):
    for tokens in TOKENS:
        ids = draw_ids(tokens, experts, k)
        actual = run_plan(machine, passes, ids, experts, at_start)
        assert_equal(actual, plan(ids, experts))


@on_variants
@pytest.mark.parametrize("experts, k", SIZES)
def test_ids_of_none_make_no_row(machine, passes, experts, k):
    random = np.random.default_rng(k)
    for chance in (0.3, 1.0):
        ids = draw_ids(70, experts, k)
        ids[random.random(ids.shape) < chance] = -1
        assert_equal(run_plan(machine, passes, ids, experts), plan(ids, experts))


@on_variants
@pytest.mark.parametrize("experts, k", SIZES)
def test_all_tokens_to_few_experts(machine, passes, experts, k):
    """Also the same expert twice for one token: rows by token, then column."""
    for choice in ([0], [experts - 1], [0, experts - 1]):
        ids = np.random.default_rng(0).choice(choice, (40, k)).astype(np.int32)
        assert_equal(run_plan(machine, passes, ids, experts), plan(ids, experts))


def told_text(name, experts, k, first=0, others=0, counted=False, groups=1):
    ids, end = memref(None, k, element="i32"), memref(experts + 1, element="i32")
    types = f"{end}, {end}, memref<?xi32>, {ids}, {ids}"
    c = memref(BLOCKS, first + experts + others, element="i32")
    counts = f"counts(%c : {c})" if counted else ""
    attributes = f"first = {first}, others = {others}, groups = {groups}"
    if counted:
        attributes += f", count_rows = {COUNT_ROWS} : i64"
    return f"""
    func.func @{name}(%i: {ids}, %c: {c}, %o: {end}, %a: {end}, %rt: memref<?xi32>,
                      %tr: {ids}, %ts: {ids}) {{
      moe.plan {{{attributes}}} ins(%i : {ids}) {counts} outs(%o, %a, %rt, %tr, %ts : {types})
      return
    }}"""


def run_told(library, name, ids, counts, experts):
    shapes = ((experts + 1,), (experts + 1,), (ids.size,), ids.shape, ids.shape)
    outs = [guarded(np.full(shape, -7, np.int32)) for shape in shapes]
    call(library, name, guarded(ids), guarded(counts), *outs)
    return Plan(*outs)


def blocks_of(ids, experts):
    """Counts as a choice leaves them: what it does not write is left as it was."""
    counts = np.full((BLOCKS, experts), -7, np.int32)
    made = count(ids, experts)
    counts[: len(made)] = made
    return counts


# Planned experts, experts for each token, ids in front and behind.
RANGES = ((12, 3, 0, 0), (64, 6, 0, 0), (6, 4, 3, 7), (1, 2, 5, 0), (40, 5, 0, 24))


@on_variants
def test_plan_of_choices_that_were_counted(machine, passes):
    texts = [told_text(f"told_{n}", *size, True) for n, size in enumerate(RANGES)]
    library = build("".join(texts), machine, passes)
    for n, (experts, k, first, others) in enumerate(RANGES):
        total = first + experts + others
        for tokens in TOKENS:
            ids = draw_ids(tokens, total, k)
            ids[np.random.default_rng(n).random(ids.shape) < 0.2] = -1
            actual = run_told(library, f"told_{n}", ids, blocks_of(ids, total), experts)
            inside = (ids >= first) & (ids < first + experts)
            assert_equal(actual, plan(np.where(inside, ids - first, -1), experts))


# Groups, experts of a group, experts of it for each token.
QUOTAS = ((8, 8, 1), (2, 6, 3), (3, 5, 2), (16, 1, 1), (5, 3, 3), (12, 4, 1))


@on_variants
def test_plan_of_equal_groups(machine, passes):
    """Few tokens in one task, many in several; in either case the rows of a group
    begin where they must."""
    texts = [
        told_text(f"equal_{n}", g * size, g * quota, groups=g)
        for n, (g, size, quota) in enumerate(QUOTAS)
    ]
    library = build("".join(texts), machine, passes)
    for n, (groups, size, quota) in enumerate(QUOTAS):
        experts = groups * size
        random = np.random.default_rng(n)
        for tokens in TOKENS + (127, 128):
            parts = [draw_ids(tokens, size, quota, seed=g) + g * size for g in range(groups)]
            ids = random.permuted(np.hstack(parts), axis=1).astype(np.int32)
            actual = run_told(library, f"equal_{n}", ids, blocks_of(ids, experts), experts)
            assert_equal(actual, plan(ids, experts))
            assert (actual.offsets[::size] == tokens * quota * np.arange(groups + 1)).all()


@pytest.mark.parametrize("claim", ("counts", "groups"))
def test_reference_does_not_believe_a_plan(claim):
    ids = np.int32([[0, 3], [1, 2]])
    text = told_text("told", 4, 2, counted=claim == "counts", groups=1 + (claim == "groups"))
    text = tensors(text)
    counts = blocks_of(ids, 4)
    outs = [np.zeros(shape, np.int32) for shape in ((5,), (5,), (4,), (2, 2), (2, 2))]
    evaluate(text, {"told": [ids, counts, *outs]})
    wrong = np.int32([[0, 1], [1, 2]])
    with pytest.raises(Refused, match="is told that"):
        evaluate(text, {"told": [wrong, counts, *outs]})


def tensors(text):
    """A function on memrefs as one on tensors."""
    text = text.replace("memref", "tensor")
    types = text[text.rindex(" : ") + 3 : text.rindex(")")]
    text = text.replace(f"%ts : {types})", f"%ts : {types}) -> {types}")
    text = text.replace("moe.plan", "%0:5 = moe.plan").replace("return", "return %0#0, %0#1, %0#2, %0#3, %0#4 : " + types)
    head, body = text.split(") {", 1)
    return f"{head}) -> ({types}) {{{body}"


# combine --------------------------------------------------------------------


class Combine(NamedTuple):
    """Sizes, and the element types of rows, addends and output."""

    width: int
    k: int
    rows: str = "f32"
    addends: tuple = ()
    out: str = "f32"

    def text(self, name):
        rows, out = (
            memref(None, self.width, element=element) for element in (self.rows, self.out)
        )
        ids, weights = memref(None, self.k, element="i32"), memref(None, self.k)
        types = [memref(None, self.width, element=element) for element in self.addends]
        names = [f"%a{i}" for i in range(len(types))]
        addends = f"addends({', '.join(names)} : {', '.join(types)})" if types else ""
        params = "".join(f", {name}: {type}" for name, type in zip(names, types))
        return f"""
    func.func @{name}(%r: {rows}, %tr: {ids}, %ts: {ids}, %w: {weights}{params}, %y: {out}) {{
      moe.combine ins(%r, %tr, %ts, %w : {rows}, {ids}, {ids}, {weights}) {addends}
        outs(%y : {out})
      return
    }}"""

    def __str__(self):
        return f"{self.k} rows of {self.width} {self.rows}, {len(self.addends)} addends, {self.out}"


COMBINES = (
    Combine(1, 1),
    Combine(7, 2, addends=("f32",)),
    Combine(24, 4, rows="bf16"),
    Combine(64, 2, addends=("f32", "f32"), out="bf16"),
    Combine(72, 8, rows="bf16", addends=("f32", "bf16"), out="bf16"),
    Combine(397, 3),
    Combine(512, 12, addends=("f32",)),
)
of_combines = pytest.mark.parametrize("number", range(len(COMBINES)), ids=map(str, COMBINES))


def draw(number, tokens, none=0.0):
    form = COMBINES[number]
    random = np.random.default_rng(number)
    ids = draw_ids(tokens, max(form.k, 10), form.k)
    ids[random.random(ids.shape) < none] = -1
    of = plan(ids, max(form.k, 10))
    shape = (tokens * form.k, form.width)
    rows = rounded(random.normal(0, 1, shape), form.rows)
    # Rows that no token has must not be read into a sum.
    rows[np.setdiff1d(np.arange(len(rows)), of.token_row)] = np.nan
    weights = random.uniform(0, 1, (tokens, form.k)).astype(np.float32)
    addends = [
        rounded(random.normal(0, 1, (tokens, form.width)), element)
        for element in form.addends
    ]
    return rows, of, weights, addends


def run_combine(machine, passes, number, of, at_start=False):
    form = COMBINES[number]
    rows, of_plan, weights, addends = of
    text = "".join(form.text(f"combine_{i}") for i, form in enumerate(COMBINES))
    library = build(text, machine, passes)
    arrays = [stored(rows, form.rows), of_plan.token_row, of_plan.token_slot, weights]
    arrays += [stored(a, element) for a, element in zip(addends, form.addends)]
    y = guarded(np.zeros((len(weights), form.width), dtype(form.out)), at_start)
    inputs = [guarded(array, at_start) for array in arrays]
    call(library, f"combine_{number}", *inputs, y)
    return y


@on_variants
@at_either_end
@of_combines
def test_combine(machine, passes, number, at_start):
    for tokens, none in zip(TOKENS[:-1] + (100, 50), (0, 0, 0, 0.4, 0, 1.0)):
        of = draw(number, tokens, none)
        rows, of_plan, weights, addends = of
        y = run_combine(machine, passes, number, of, at_start)
        rows = np.nan_to_num(rows)
        expected = combine(rows, of_plan.token_row, of_plan.token_slot, weights, addends)
        limit = 4e-3 if COMBINES[number].out == "bf16" else 5e-7
        assert error(widened(y), expected) < limit


@pytest.mark.parametrize("machine", machines(), ids=lambda m: m.name)
@of_combines
def test_combine_of_parts(machine, number):
    """What a token gets does not depend on the tokens beside it."""
    of = draw(number, 45, none=0.2)
    rows, of_plan, weights, addends = of
    together = run_combine(machine, FAST, number, of)
    for cuts in ([0, 1, 8, 45], range(46)):
        parts = []
        for begin, end in zip(list(cuts), list(cuts)[1:]):
            part = of_plan._replace(
                token_row=of_plan.token_row[begin:end],
                token_slot=of_plan.token_slot[begin:end],
            )
            some = [addend[begin:end] for addend in addends]
            arguments = (rows, part, weights[begin:end], some)
            parts.append(run_combine(machine, FAST, number, arguments))
        assert np.concatenate(parts).tobytes() == together.tobytes()


@pytest.mark.parametrize("machine", machines(), ids=lambda m: m.name)
def test_order_of_the_sum(machine):
    """By ascending row, then the addends: what is tiny is lost behind 1."""
    number = COMBINES.index(Combine(7, 2, addends=("f32",)))
    rows = np.float32([[1.0] * 7, [2.0**-25] * 7])
    weights = np.float32([[1.0, 1.0]])
    of = plan(np.int32([[3, 1]]), 10)
    for addend, expected in ((2.0**-25, 1.0), (-1.0, 0.0)):
        arguments = (rows, of, weights, [np.full((1, 7), addend, np.float32)])
        assert (run_combine(machine, FAST, number, arguments) == expected).all()
