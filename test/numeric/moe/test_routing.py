"""moe.route and moe.gate as machine code, against NumPy in f64: the fast
lowering on every number of lanes, the generic one beside it."""

import functools
import subprocess
from typing import NamedTuple

import numpy as np
import pytest

from harness import build, call, dtype, error, guarded, machines, moe_opt, stored
from models import (
    Routing,
    by_score,
    choose,
    count,
    memref,
    pack,
    rounded,
    selection_keys,
    weigh,
)

TOKENS = (0, 1, 7, 33, 512)
FAST = ("-moe-cpu-lower-routing",)
GENERIC = ("-moe-lower-to-linalg", "-convert-linalg-to-loops")

ROUTINGS = (
    Routing(4, 2),
    Routing(4, 4, renorm="sum"),
    Routing(12, 3, score="sigmoid", renorm="sum", eps=1e-20, bias=True, scale=2.5),
    Routing(16, 1, score="sigmoid"),
    Routing(8, 2, scope="selected", select_on="logit", weight_from="logit"),
    Routing(60, 4, renorm="sum", eps=1e-3, eps_mode="clamp"),
    Routing(60, 20, score="sigmoid", renorm="sum"),
    Routing(64, 6, bias=True, renorm="sum", eps=1e-2),
    Routing(64, 8, select_on="logit", bias=True),
    Routing(61, 5, scope="selected", select_on="logit", weight_from="logit", bias=True),
    Routing(128, 8, renorm="sum"),
    Routing(128, 6, renorm="sum", eps=0.9, eps_mode="clamp", scale=16.0),
    Routing(160, 6, score="sigmoid", bias=True, renorm="sum"),
    Routing(512, 12),
)
NUMBERS = range(len(ROUTINGS))

on_variants = pytest.mark.parametrize(
    "machine, passes",
    [(machine, FAST) for machine in machines()] + [(machines()[1], GENERIC)],
    ids=[machine.name for machine in machines()] + ["generic"],
)
of_routings = pytest.mark.parametrize("number", NUMBERS, ids=map(str, ROUTINGS))


def route_text(number):
    routing = ROUTINGS[number]
    l, i, w, b = (
        memref(None, routing.experts),
        memref(None, routing.k, element="i32"),
        memref(None, routing.k),
        memref(routing.experts),
    )
    bias = f"bias(%b : {b})" if routing.bias else ""
    return f"""
    func.func @route_{number}(%l: {l}, %b: {b}, %i: {i}, %w: {w}) {{
      moe.route {{routing = {routing.attribute}}} ins(%l : {l}) {bias}
        outs(%i, %w : {i}, {w})
      return
    }}"""


def routes(machine, passes):
    return build("".join(map(route_text, NUMBERS)), machine, passes)


class Router(NamedTuple):
    machine: object
    passes: tuple
    number: int

    def __call__(self, logits, bias, at_start=False):
        """The ids and weights of logits."""
        library = routes(self.machine, self.passes)
        k = ROUTINGS[self.number].k
        ids = guarded(np.full((len(logits), k), -7, np.int32), at_start)
        weights = guarded(np.full(ids.shape, np.nan, np.float32), at_start)
        inputs = [guarded(array, at_start) for array in (logits, bias)]
        call(library, f"route_{self.number}", *inputs, ids, weights)
        return ids, weights


def draw(routing, tokens, seed=0):
    random = np.random.default_rng(seed + tokens)
    logits = random.normal(0, 2, (tokens, routing.experts)).astype(np.float32)
    bias = random.normal(0, 0.3, routing.experts).astype(np.float32)
    return logits, bias


def check_choice(routing, logits, bias, ids, weights):
    keys = selection_keys(routing, logits, bias)
    expected = choose(keys, routing.k)
    differ = ids != expected
    # Keys with rounding in them may change places where they nearly tie.
    allowed = 1e-6 if by_score(routing) else 0.0
    gaps = np.take_along_axis(keys, ids, 1) - np.take_along_axis(keys, expected, 1)
    assert (np.abs(gaps[differ]) <= allowed).all()
    assert np.abs(weights - weigh(routing, logits, ids)).max(initial=0) <= (
        1e-6 * routing.scale
    )


@on_variants
@of_routings
@pytest.mark.parametrize("at_start", (False, True))
def test_route(machine, passes, number, at_start):
    routing = ROUTINGS[number]
    for tokens in TOKENS:
        logits, bias = draw(routing, tokens)
        ids, weights = Router(machine, passes, number)(logits, bias, at_start)
        check_choice(routing, logits, bias, ids, weights)


@on_variants
@of_routings
def test_ties_go_to_the_lowest_index(machine, passes, number):
    routing = ROUTINGS[number]
    random = np.random.default_rng(number)
    logits = random.integers(-1, 2, (64, routing.experts)).astype(np.float32)
    # -0.0 and 0.0 tie too.
    logits[logits == 0] *= random.choice([-1.0, 1.0], (logits == 0).sum())
    logits[0] = 0.0
    bias = np.zeros(routing.experts, np.float32)
    ids, weights = Router(machine, passes, number)(logits, bias)
    assert np.array_equal(ids[0], np.arange(routing.k))
    assert np.array_equal(ids, choose(logits, routing.k))
    # Equal logits weigh the same, to the bit.
    for token in range(len(logits)):
        for value in np.unique(logits[token]):
            alike = weights[token][logits[token][ids[token]] == value]
            assert len(set(alike.tolist())) <= 1


@on_variants
@of_routings
def test_infinities_and_nan(machine, passes, number):
    """Ids are in range and distinct whatever the logits; a key that is no
    number counts as minus infinity."""
    routing = ROUTINGS[number]
    random = np.random.default_rng(number)
    specials = np.float32([-np.inf, np.nan, np.inf, 1.0, -1.0, 3e38, -3e38, 1e-45])
    logits = random.choice(specials, (200, routing.experts))
    logits[0], logits[1], logits[2] = -np.inf, np.nan, np.inf
    logits[3] = np.where(np.arange(routing.experts) % 2, -np.inf, np.nan)
    negative = np.array([0xFFC00000], np.uint32).view(np.float32)[0]
    logits[4] = np.where(np.arange(routing.experts) % 3, np.nan, negative)
    bias = np.zeros(routing.experts, np.float32)
    ids, weights = Router(machine, passes, number)(logits, bias)
    for chosen in ids:
        assert len(set(chosen)) == routing.k
        assert chosen.min() >= 0 and chosen.max() < routing.experts
    with np.errstate(invalid="ignore"):
        keys = selection_keys(routing, logits, bias)
    assert np.array_equal(ids[:5], choose(keys[:5], routing.k))
    if not routing.bias:
        assert np.array_equal(ids, choose(keys, routing.k))


@on_variants
@of_routings
def test_minus_infinity_masks_experts(machine, passes, number):
    """A masked expert is chosen only when the others are used up, and weighs
    nothing."""
    routing = ROUTINGS[number]
    logits, bias = draw(routing, 50)
    left = max(1, routing.k - 1)
    logits[:, left:] = -np.inf
    bias[:] = 0
    ids, weights = Router(machine, passes, number)(logits, bias)
    assert np.array_equal(np.sort(ids[:, :left], 1), np.tile(np.arange(left), (50, 1)))
    if routing.k > left:
        assert (ids[:, left] == left).all()
        assert (weights[:, left] == 0).all()


@of_routings
def test_fast_and_generic_agree(number):
    routing = ROUTINGS[number]
    logits, bias = draw(routing, 300, seed=5)
    results = [
        Router(machines()[1], passes, number)(logits, bias) for passes in (FAST, GENERIC)
    ]
    (ids, weights), (generic_ids, generic_weights) = results
    assert np.array_equal(ids, generic_ids)
    assert np.abs(weights - generic_weights).max() <= 1e-6 * routing.scale


# gate -----------------------------------------------------------------------


class Gate(NamedTuple):
    """A gate; `x` and `weight` are element types."""

    routing: Routing
    width: int
    packed: bool = True
    weight: str = "f32"
    x: str = "f32"
    logit_bias: bool = False

    def __str__(self):
        layout = "packed" if self.packed else "plain"
        return f"{self.routing.experts}x{self.width} {layout} {self.weight} {self.x}"

    @property
    def matrix(self):
        experts, width = self.routing.experts, self.width
        panels = -(-experts // 16)
        if not self.packed:
            return memref(experts, width, element=self.weight)
        if self.weight == "f32":
            return memref(panels, width, 16)
        return memref(panels, -(-width // 2), 16, 2, element="bf16")

    def text(self, name):
        routing = self.routing
        x, m = memref(None, self.width, element=self.x), self.matrix
        b, i = memref(routing.experts), memref(None, routing.k, element="i32")
        w, l = memref(None, routing.k), memref(None, routing.experts)
        bias = f"bias(%b : {b})" if routing.bias else ""
        extras, epilogue = "", ""
        if self.logit_bias:
            extras = f"extras(%lb : {b})"
            epilogue = """{ ^bb0(%sum: f32, %e: f32):
              %logit = arith.addf %sum, %e : f32
              moe.yield %logit : f32
            }"""
        return f"""
    func.func @{name}(%x: {x}, %m: {m}, %lb: {b}, %b: {b}, %i: {i}, %w: {w}, %l: {l}) {{
      moe.gate {{routing = {routing.attribute}}} ins(%x, %m : {x}, {m})
        {extras} {bias} outs(%i, %w, %l : {i}, {w}, {l}) {epilogue}
      return
    }}"""


GATES = (
    Gate(Routing(4, 2), 33),
    Gate(Routing(12, 3, score="sigmoid", renorm="sum", bias=True), 64, logit_bias=True),
    Gate(Routing(16, 1), 300),
    Gate(Routing(60, 4, renorm="sum"), 72, x="bf16"),
    Gate(Routing(64, 8), 513),
    Gate(Routing(64, 8, renorm="sum"), 256, weight="bf16"),
    Gate(Routing(60, 6), 259, weight="bf16", x="bf16", logit_bias=True),
    Gate(Routing(40, 2), 19, packed=False),
    Gate(Routing(61, 2), 20, packed=False, weight="bf16"),
    Gate(Routing(90, 8, renorm="sum", scale=2.5), 40),
    Gate(Routing(128, 8, renorm="sum"), 520),
    Gate(Routing(160, 6, score="sigmoid", bias=True, renorm="sum"), 48),
    Gate(Routing(512, 12, renorm="sum"), 64),
)
of_gates = pytest.mark.parametrize("number", range(len(GATES)), ids=map(str, GATES))


def gates(machine, passes):
    text = "".join(gate.text(f"gate_{i}") for i, gate in enumerate(GATES))
    return build(text, machine, passes)


class Operands(NamedTuple):
    x: np.ndarray
    matrix: np.ndarray
    logit_bias: np.ndarray
    bias: np.ndarray

    def logits(self, gate):
        product = self.x.astype(np.float64) @ self.matrix.astype(np.float64).T
        return product + self.logit_bias if gate.logit_bias else product


@functools.lru_cache(maxsize=None)
def operands(number, tokens):
    gate = GATES[number]
    experts = gate.routing.experts
    random = np.random.default_rng(number)
    x = rounded(random.normal(0, 1, (tokens, gate.width)), gate.x)
    matrix = random.normal(0, gate.width**-0.5, (experts, gate.width))
    biases = random.normal(0, 0.2, (2, experts)).astype(np.float32)
    return Operands(x, rounded(matrix, gate.weight), *biases)


def run_gate(machine, passes, number, of, begin=0, end=None, at_start=False):
    """ids, weights and logits of some of the tokens."""
    gate = GATES[number]
    x = stored(of.x[begin:end], gate.x)
    matrix = pack(of.matrix, gate.weight) if gate.packed else stored(of.matrix, gate.weight)
    inputs = (x, matrix, of.logit_bias, of.bias)
    inputs = [guarded(array, at_start) for array in inputs]
    k, experts = gate.routing.k, gate.routing.experts
    outs = (
        np.full((len(x), k), -7, np.int32),
        np.full((len(x), k), np.nan, np.float32),
        np.full((len(x), experts), np.nan, np.float32),
    )
    outs = [guarded(out, at_start) for out in outs]
    call(gates(machine, passes), f"gate_{number}", *inputs, *outs)
    return outs


@on_variants
@of_gates
@pytest.mark.parametrize("at_start", (False, True))
def test_gate(machine, passes, number, at_start):
    gate = GATES[number]
    for tokens in TOKENS[:-1] + (100,):
        of = operands(number, tokens)
        ids, weights, logits = run_gate(
            machine, passes, number, of, at_start=at_start
        )
        assert error(logits, of.logits(gate)) < 2e-6
        check_choice(gate.routing, logits, of.bias, ids, weights)


@pytest.mark.parametrize("machine", machines(), ids=lambda m: m.name)
@of_gates
def test_gate_of_parts(machine, number):
    """What a token gets does not depend on the tokens beside it."""
    of = operands(number, 131)
    together = run_gate(machine, FAST, number, of)
    for cuts in ([0, 1, 2, 5, 11, 18, 42, 131], [0, 100, 131], range(132)):
        cuts = list(cuts)
        parts = [
            run_gate(machine, FAST, number, of, begin, end)
            for begin, end in zip(cuts, cuts[1:])
        ]
        for whole, pieces in zip(together, zip(*parts)):
            assert np.concatenate(pieces).tobytes() == whole.tobytes()


@on_variants
def test_gate_counts_what_it_chooses(machine, passes):
    """In the tasks of the gate, by blocks of tokens that tiles need not divide."""
    routing = Routing(40, 3, score="sigmoid")
    x, m, l = memref(None, 24), memref(3, 24, 16), memref(None, 40)
    i, w = memref(None, 3, element="i32"), memref(None, 3)
    text, sizes = "", ((1, 1), (3, 5), (2, 48), (64, 48))
    for n, (blocks, rows) in enumerate(sizes):
        c = memref(blocks, 40, element="i32")
        text += f"""
    func.func @counting_{n}(%x: {x}, %m: {m}, %i: {i}, %w: {w}, %l: {l}, %c: {c}) {{
      moe.gate {{count_rows = {rows} : i64, routing = {routing.attribute}}}
        ins(%x, %m : {x}, {m}) outs(%i, %w, %l, %c : {i}, {w}, {l}, {c})
      return
    }}"""
    library = build(text, machine, passes)
    random = np.random.default_rng(0)
    matrix = random.normal(0, 1, (40, 24)).astype(np.float32)
    panels = pack(matrix, "f32")
    for tokens in TOKENS:
        given = random.normal(0, 1, (tokens, 24)).astype(np.float32)
        chosen = set()
        for n, (blocks, rows) in enumerate(sizes):
            outs = [
                np.full((tokens, 3), -7, np.int32),
                np.full((tokens, 3), np.nan, np.float32),
                np.full((tokens, 40), np.nan, np.float32),
                np.full((blocks, 40), -7, np.int32),
            ]
            outs = [guarded(out) for out in outs]
            call(library, f"counting_{n}", guarded(given), panels, *outs)
            ids, weights, logits, counts = outs
            check_choice(routing, logits, 0, ids, weights)
            expected = count(ids, 40, blocks, rows)
            assert np.array_equal(counts[: len(expected)], expected)
            assert (counts[len(expected) :] == -7).all()
            chosen.add((ids.tobytes(), weights.tobytes()))
        # Blocks say who computes a token, not what it gets.
        assert len(chosen) == 1


@pytest.mark.parametrize("machine", machines(), ids=lambda m: m.name)
def test_layout_of_weights_changes_no_bit(machine):
    """Plain or packed, the products are added up in the same order."""
    routing = Routing(40, 2)
    forms = [
        Gate(routing, 37, packed, weight)
        for weight in ("f32", "bf16")
        for packed in (False, True)
    ]
    text = "".join(form.text(f"gate_{i}") for i, form in enumerate(forms))
    library = build(text, machine, FAST)
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (9, 37)).astype(np.float32)
    matrix = rounded(random.normal(0, 1, (40, 37)), "bf16")
    bias = np.zeros(40, np.float32)
    results = []
    for i, form in enumerate(forms):
        weights = pack(matrix, form.weight) if form.packed else stored(matrix, form.weight)
        logits = np.zeros((9, 40), np.float32)
        outs = np.zeros((9, 2), np.int32), np.zeros((9, 2), np.float32), logits
        call(library, f"gate_{i}", x, weights, bias, bias, *outs)
        results.append(logits.tobytes())
    assert len(set(results)) == 1


@on_variants
def test_rows_that_lie_apart(machine, passes):
    """Rows and panels may be part of larger buffers."""
    rows = "memref<?x{}x{}, strided<[?, 1], offset: ?>>"
    x, l, w = (rows.format(size, "f32") for size in (24, 20, 3))
    i, m = rows.format(3, "i32"), "memref<2x24x16xf32, strided<[?, 16, 1], offset: ?>>"
    text = f"""
    func.func @gate(%x: {x}, %m: {m}, %i: {i}, %w: {w}, %l: {l}) {{
      moe.gate {{routing = #moe.routing<k = 3>}} ins(%x, %m : {x}, {m})
        outs(%i, %w, %l : {i}, {w}, {l})
      return
    }}
    func.func @route(%l: {l}, %i: {i}, %w: {w}) {{
      moe.route {{routing = #moe.routing<k = 3>}} ins(%l : {l}) outs(%i, %w : {i}, {w})
      return
    }}"""
    library = build(text, machine, passes)
    random = np.random.default_rng(0)
    routing = Routing(20, 3)
    x = random.normal(0, 1, (13, 30)).astype(np.float32)[:, 2:26]
    matrix = random.normal(0, 1, (20, 24)).astype(np.float32)
    panels = np.zeros((2, 26, 16), np.float32)
    panels[:, :24] = pack(matrix, "f32")
    ids, weights = np.zeros((13, 5), np.int32), np.zeros((13, 7), np.float32)
    logits = np.zeros((13, 21), np.float32)
    outs = ids[:, 1:4], weights[:, 4:], logits[:, :20]
    call(library, "gate", x, panels[:, :24], *outs)
    assert error(outs[2], x.astype(np.float64) @ matrix.T) < 1e-6
    check_choice(routing, outs[2], 0, outs[0], outs[1])
    assert (ids[:, [0, 4]] == 0).all() and (weights[:, :4] == 0).all()
    assert (logits[:, 20] == 0).all()
    again, weights_again = np.zeros((13, 3), np.int32), np.zeros((13, 3), np.float32)
    call(library, "route", outs[2], again, weights_again)
    assert np.array_equal(again, outs[0]) and np.array_equal(weights_again, outs[1])


def test_a_mask_of_classes_has_a_limit():
    """Larger than what a task keeps on its stack."""
    mask = ", ".join(["true"] * (8 * 8193))
    module = f"""
    func.func @f(%l: tensor<?x8xf32>, %c: tensor<?xi32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {{
      %0:2 = moe.route {{class_mask = array<i1: {mask}>, routing = #moe.routing<k = 2>}}
        ins(%l : tensor<?x8xf32>) class_id(%c : tensor<?xi32>)
        outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
      return
    }}"""
    command = [moe_opt(), "-", "-moe-check-support"]
    done = subprocess.run(command, input=module, capture_output=True, text=True)
    assert done.returncode == 1
    assert "[MOE0321]" in done.stderr
    assert "a class_mask of at most 65536 entries" in done.stderr
