"""What recursions are made of, as machine code against NumPy: plans whose last expert is open, the members
of a vector, places; a combine with its gate against the two ops. And the reference of moe.iterate and
moe.recurse against formulas."""

import numpy as np
import pytest

from harness import build, call, error, guarded, machines
from models import memref, plan
from reference import evaluate
from test_dispatch import draw_ids

I = "memref<?xi32>"
DISPATCH = ("-moe-cpu-lower-dispatch", "-moe-cpu-lower-rows", "-moe-cpu-lower-routing")
GENERIC = ("-moe-lower-to-linalg", "-convert-linalg-to-loops")

on_variants = pytest.mark.parametrize(
    "machine, passes",
    [(machine, DISPATCH) for machine in machines()] + [(machines()[1], GENERIC)],
    ids=[machine.name for machine in machines()] + ["generic"],
)

# plan, gather_rows ----------------------------------------------------------


@on_variants
@pytest.mark.parametrize("first, experts, k", [(0, 1, 1), (2, 1, 1), (1, 3, 2)])
def test_open_plan(machine, passes, first, experts, k):
    """Ids behind the last planned expert are its own; those in front, and -1, make no rows."""
    ids, end = memref(None, k, element="i32"), memref(experts + 1, element="i32")
    text = f"""
    func.func @plan(%i: {ids}, %o: {end}, %a: {end}, %rt: {I}, %tr: {ids}, %ts: {ids}) {{
      moe.plan {{first = {first} : i64, others = 4 : i64, open}} ins(%i : {ids})
        outs(%o, %a, %rt, %tr, %ts : {end}, {end}, {I}, {ids}, {ids})
      return
    }}"""
    library = build(text, machine, passes)
    for tokens in (0, 1, 40):
        drawn = draw_ids(tokens, first + experts + 4, k)
        drawn[np.random.default_rng(tokens).random(drawn.shape) < 0.2] = -1
        shapes = ((experts + 1,), (experts + 1,), (drawn.size,), drawn.shape, drawn.shape)
        outs = [guarded(np.full(shape, -7, np.int32)) for shape in shapes]
        call(library, "plan", guarded(drawn), *outs)
        own = np.minimum(np.where(drawn < first, -1, drawn - first), experts - 1).astype(np.int32)
        for actual, expected in zip(outs, plan(own, experts)):
            assert np.array_equal(actual, expected)


@on_variants
@pytest.mark.parametrize("at_start", (False, True))
def test_gather_members(machine, passes, at_start):
    """As many as the output has: of the indices, those behind are not read."""
    text = f"""
    func.func @gather(%t: {I}, %i: {I}, %y: {I}) {{
      nn.gather_rows ins(%t, %i : {I}, {I}) outs(%y : {I})
      return
    }}"""
    library = build(text, machine, passes)
    random = np.random.default_rng(1)
    for count in (0, 1, 13):
        table = random.integers(-9, 99, 20).astype(np.int32)
        indices = random.integers(0, 20, count).astype(np.int32)
        y = guarded(np.zeros(count, np.int32), at_start)
        behind = np.concatenate((indices, np.full(3, 1 << 30, np.int32)))
        call(library, "gather", guarded(table, at_start), guarded(behind, at_start), y)
        assert np.array_equal(y, table[indices])


# places ---------------------------------------------------------------------

PLACES = """
func.func @places(%i: memref<?x1xi32>, %p: {0}, %o: {0}, %s: {0}, %state: memref<3x1x65xf32>, %y: {0}) {{
  nn.places {{from = 1 : i64}} ins(%i, %p, %o, %s : memref<?x1xi32>, {0}, {0}, {0})
    state(%state : memref<3x1x65xf32>) outs(%y : {0})
  return
}}""".format(I)


@pytest.mark.parametrize("machine", machines(), ids=lambda m: m.name)
def test_places(machine):
    """Those of a sequence that take part are counted on, however it is cut; at position 0 the count begins."""
    library = build(PLACES, machine, GENERIC)
    random = np.random.default_rng(2)
    ids = [random.integers(-1, 3, length).astype(np.int32) for length in (17, 1, 30)]
    expected = [np.cumsum(each >= 1) - (each >= 1) for each in ids]
    for cuts in ([30], [1, 2, 30], range(1, 31)):
        state = guarded(np.full((3, 1, 65), np.nan, np.float32))
        actual, begin = [[], [], []], 0
        for end in cuts:
            slots = [slot for slot in (2, 0, 1) if begin < len(ids[slot])]
            parts = [ids[slot][begin:end] for slot in slots]
            positions = np.concatenate([begin + np.arange(len(part)) for part in parts]).astype(np.int32)
            offsets = np.cumsum([0] + [len(part) for part in parts]).astype(np.int32)
            y = guarded(np.full(len(positions), -7, np.int32))
            numbers = np.concatenate(parts)[:, None], positions, offsets, np.int32(slots)
            call(library, "places", *map(guarded, numbers), state, y)
            for slot, piece in zip(slots, np.split(y, offsets[1:-1])):
                actual[slot].append(piece.copy())
            begin = end
        for got, wanted in zip(actual, expected):
            assert np.concatenate(got).tolist() == wanted.tolist()


FIRST = """
func.func @first(%p: {0}, %s: {0}, %state: memref<3x1x65xf32>, %y: {0}) {{
  nn.first_places {{{1}}} ins(%p, %s : {0}, {0}) state(%state : memref<3x1x65xf32>) outs(%y : {0})
  return
}}"""


@pytest.mark.parametrize("window, chunk", [(5, 0), (0, 8), (11, 16), (1, 0), (100, 0)])
@pytest.mark.parametrize("machine", machines(), ids=lambda m: m.name)
def test_first_places(machine, window, chunk):
    """How many of those that take part are behind the window, or in front of the chunk."""
    attributes = [f"{name} = {size} : i64" for name, size in (("window", window), ("chunk", chunk)) if size]
    library = build(FIRST.format(I, ", ".join(attributes)), machine, GENERIC)
    random = np.random.default_rng(4)
    takes = random.integers(0, 2, (3, 64))
    counts = np.concatenate((np.zeros((3, 1)), np.cumsum(takes, 1)), 1)
    for tokens in (0, 1, 90):
        slots, positions = random.integers(0, 3, tokens), random.integers(0, 64, tokens)
        unseen = [[p for p in range(at + 1) if (window and p <= at - window) or (chunk and p // chunk < at // chunk)] for at in positions]
        expected = [takes[slot][each].sum() for slot, each in zip(slots, unseen)]
        y = guarded(np.full(tokens, -7, np.int32))
        call(library, "first", guarded(np.int32(positions)), guarded(np.int32(slots)),
             guarded(counts[:, None].astype(np.float32)), y)
        assert y.tolist() == expected


ROWS = """
func.func @rows(%t: {0}, %s: {0}, %y: {0}) {{
  nn.seq_rows ins(%t, %s : {0}, {0}) outs(%y : {0})
  return
}}""".format(I)


@pytest.mark.parametrize("machine", machines(), ids=lambda m: m.name)
def test_seq_rows(machine):
    """Sequences in any order, of which some, or all, have no rows."""
    library = build(ROWS, machine, GENERIC)
    random = np.random.default_rng(9)
    for lengths in ([0], [3], [0, 0, 2], [4, 0, 1, 0], [0, 0], [1, 7, 2, 9, 30]):
        slots = random.permutation(9)[: len(lengths)].astype(np.int32)
        y = guarded(np.full(len(lengths) + 1, -7, np.int32))
        call(library, "rows", guarded(np.repeat(slots, lengths).astype(np.int32)), guarded(slots), y)
        assert y.tolist() == np.cumsum([0] + lengths).tolist()


# combine_gate ---------------------------------------------------------------


def chain(width, experts, k, fused):
    """A combine with an addend and a local, and the gate of its rows."""
    rows, ids, weights = memref(None, width), memref(None, k, element="i32"), memref(None, k)
    matrix, bias, logits = memref(experts, width), memref(experts), memref(None, experts)
    gate = f"routing = #moe.routing<k = {k}, score = sigmoid, renorm = sum>"
    local = f"ids(%i : {ids}) locals(%a : {rows}) addends(%x : {rows})"
    outs = f"%id, %w2, %l : {ids}, {weights}, {logits}"
    epilogue = "{ ^bb0(%sum: f32, %e: f32): %s = arith.addf %sum, %e : f32 moe.yield %s : f32 }"
    if fused:
        body = f"""moe.combine_gate {{{gate}, ranges = array<i64: 1, 3>}} ins(%r, %i, %i, %w, %m : {rows}, {ids}, {ids}, {weights}, {matrix})
          {local} extras(%b : {bias}) bias(%b : {bias}) outs(%y, {outs.replace(':', f': {rows},', 1)}) {epilogue}"""
    else:
        body = f"""moe.combine {{ranges = array<i64: 1, 3>}} ins(%r, %i, %i, %w : {rows}, {ids}, {ids}, {weights}) {local} outs(%y : {rows})
        moe.gate {{{gate}}} ins(%y, %m : {rows}, {matrix}) extras(%b : {bias}) bias(%b : {bias}) outs({outs}) {epilogue}"""
    name = "fused" if fused else "separate"
    return f"""
    func.func @{name}_{width}(%r: {rows}, %i: {ids}, %w: {weights}, %a: {rows}, %x: {rows}, %m: {matrix}, %b: {bias},
        %y: {rows}, %id: {ids}, %w2: {weights}, %l: {logits}) {{
      {body}
      return
    }}"""


CHAINS = ((7, 5, 1), (64, 16, 2), (397, 33, 3), (512, 64, 4))


@on_variants
@pytest.mark.parametrize("width, experts, k", CHAINS)
def test_combine_gate(machine, passes, width, experts, k):
    """The same bytes as the two ops one behind the other."""
    text = "".join(chain(*size, fused) for size in CHAINS for fused in (False, True))
    library = build(text, machine, passes)
    random = np.random.default_rng(width)
    matrix, bias = (random.normal(size=shape).astype(np.float32) for shape in ((experts, width), experts))
    for tokens in (0, 1, 47, 130):
        # Rows, slots and ids are one operand here, so that a number must be all three.
        numbers = random.integers(0, min(k, max(tokens, 1)), (tokens, k)).astype(np.int32)
        rows, a, x = (random.normal(size=(tokens, width)).astype(np.float32) for _ in range(3))
        weights = random.uniform(size=(tokens, k)).astype(np.float32)
        given = [rows, numbers, weights, a, x, matrix, bias]
        results = []
        for name in ("separate", "fused"):
            outs = [np.full((tokens, size), -7, dtype) for size, dtype in
                    ((width, np.float32), (k, np.int32), (k, np.float32), (experts, np.float32))]
            outs = [guarded(out) for out in outs]
            call(library, f"{name}_{width}", *map(guarded, given), *outs)
            results.append(outs)
        for separate, fused in zip(*results):
            assert separate.tobytes() == fused.tobytes()
        assert tokens == 0 or error(results[1][3], results[1][0].astype(np.float64) @ matrix.T + bias) < 1e-5


# The reference --------------------------------------------------------------

MODULE = """
#id = affine_map<(t, h) -> (t, h)>
#scale = affine_map<(t, h) -> (h)>
func.func private @times(%x: tensor<?x4xf32>, %s: tensor<4xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #scale, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
""" + "".join(f"""
func.func @iterate_{residual}(%x: tensor<?x4xf32>, %a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<?x4xf32> {{
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x4xf32>
  %y = moe.iterate {{count = 2, residual = #moe.residual<{residual}>}} ins(%x : tensor<?x4xf32>)
      each(%a, %b : tensor<4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {{
  ^bb0(%i: tensor<?x4xf32>, %s: tensor<4xf32>):
    %r = func.call @times(%i, %s) : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    moe.yield %r : tensor<?x4xf32>
  }} -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}}""" for residual in ("none", "inner", "initial", "outer")) + "".join(f"""
func.func @recurse_{name}(%x: tensor<?x4xf32>, %ids: tensor<?x1xi32>, %w: tensor<?x1xf32>, %a: tensor<4xf32>) -> tensor<?x4xf32> {{
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x4xf32>
  %y = moe.recurse {{{attribute}}} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>)
      params(%a : tensor<4xf32>) outs(%e : tensor<?x4xf32>) {{
  ^bb0(%i: tensor<?x4xf32>, %s: tensor<4xf32>):
    %r = func.call @times(%i, %s) : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    moe.yield %r : tensor<?x4xf32>
  }}, {{
  ^bb0(%i: tensor<?x4xf32>, %s: tensor<4xf32>):
    %r = func.call @times(%i, %s) : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    moe.yield %r : tensor<?x4xf32>
  }} -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}}""" for name, attribute in (("own", ""), ("all", "all_first")))


def test_reference():
    random = np.random.default_rng(4)
    x, a, b = (random.normal(size=shape).astype(np.float32) for shape in ((5, 4), 4, 4))
    ids, w = np.int32([[-1], [0], [1], [1], [0]]), random.normal(size=(5, 1)).astype(np.float32)
    arguments = {f"iterate_{residual}": [x, a, b] for residual in ("none", "inner", "initial", "outer")}
    arguments |= {f"recurse_{name}": [x, ids, w, a] for name in ("own", "all")}
    results = evaluate(MODULE, arguments, real=np.float64)
    one = x.astype(np.float64) * a
    expected = {"iterate_none": one * b, "iterate_outer": one * b + x, "iterate_inner": (one + x) * b + one + x,
                "iterate_initial": (one + x) * b + x}
    h = np.select([ids == 1, ids == 0], [one * a, one], 0)
    expected |= {"recurse_own": x + w * h, "recurse_all": x + w * h}
    for name, wanted in expected.items():
        assert error(results[name][0], wanted) < 1e-12, name
    assert len({result[0].tobytes() for result in results.values()}) == 5
