"""moe.grouped_matmul as machine code, against NumPy in f64: register tiles on every number of lanes, with bf16
weights that are widened or multiplied in pairs, and the generic lowering beside them."""

import functools
from typing import NamedTuple

import numpy as np
import pytest

from harness import build, call, dtype, error, guarded, machines, pair_machines, stored, widened
from models import memref, pack, rounded

FAST = ("-moe-select-variants", "-moe-cpu-lower-matmul")
GENERIC = ("-moe-lower-to-linalg", "-convert-linalg-to-loops")
# Rows of each group: none, one, what the streaming kernel takes and one more, as many as tiles have, and more.
GROUPS = (0, 1, 2, 3, 7, 0, 12, 13, 67, 1)
BLOCK = 12 * 16  # Rows that a task of a dense product takes at most.

# Epilogues: MLIR that defines %r from the accumulators %a (and %b) and the extras, and the same in NumPy.
SILU = ("""
      %one = arith.constant 1.0 : f32
      %n = arith.negf %a : f32
      %e = math.exp %n : f32
      %d = arith.addf %e, %one : f32
      %s = arith.divf %a, %d : f32
      %r = arith.mulf %s, %b : f32""", lambda a, b: a / (1 + np.exp(-a)) * b)
PLAIN = ("", lambda a: a)


def plus(*names, then="", act=lambda sums: sums):
    """Adds extras one by one; `then` makes the last sum %r."""
    lines, last = [], "%a"
    for i, name in enumerate(names):
        lines.append(f"\n      %t{i} = arith.addf {last}, {name} : f32")
        last = f"%t{i}"
    text = "".join(lines) + then.format(last)
    return text, lambda a, *extras: act(a + sum(extras))


class Form(NamedTuple):
    """The shape of a product, its element types, and its epilogue."""

    n: int
    k: int
    weights: str = "f32"
    banks: int = 1
    grouped: bool = True
    gather: bool = False
    epilogue: tuple = PLAIN
    extras: tuple = ()  # "RN", "R1", "N", each with an element type
    group_extras: tuple = ()
    out: str = "f32"
    packed: bool = True
    chosen: bool = False  # Whether the target chooses the tiles; else they are small, which compiles faster.

    def x(self, machine):
        """Rows are narrowed where pairs of bf16 are multiplied."""
        return "bf16" if self.weights == "bf16" and machine.pairs else "f32"

    @property
    def matrix(self):
        if not self.packed:
            return self.n, self.k
        panels = -(-self.n // 16)
        return (panels, self.k, 16) if self.weights == "f32" else (panels, -(-self.k // 2), 16, 2)

    def shapes(self, rows):
        """Of the extras."""
        return [{"RN": (rows, self.n), "R1": (rows, 1), "N": (self.n,)}[kind] for kind, _ in self.extras]

    def text(self, name, machine):
        groups = (len(GROUPS),) if self.grouped else ()
        bank = memref(*groups, *self.matrix, element=self.weights)
        end, index = memref(len(GROUPS) + 1, element="i32"), memref(None, element="i32")
        extras = [memref(*shape, element=element)
                  for shape, (_, element) in zip(self.shapes(None), self.extras)]
        vectors = [memref(len(GROUPS), self.n, element=element) for element in self.group_extras]
        x, out = memref(None, self.k, element=self.x(machine)), memref(None, self.n, element=self.out)

        def clause(word, names, types):
            return f"{word}({', '.join(names)} : {', '.join(types)})" if names else ""

        banks = [f"%w{i}" for i in range(self.banks)]
        given = [("%x", x), *((b, bank) for b in banks), ("%o", end), ("%act", end), ("%g", index)]
        given += [(f"%x{i}", type) for i, type in enumerate(extras)]
        given += [(f"%v{i}", type) for i, type in enumerate(vectors)] + [("%y", out)]
        sums = ["%a: f32", "%b: f32"][: self.banks]
        scalars, wide = [], []
        for i, element in enumerate([e for _, e in self.extras] + list(self.group_extras)):
            scalars.append(f"%s{i}: {element}" if element == "bf16" else f"%p{i}: f32")
            if element == "bf16":
                wide.append(f"\n      %p{i} = arith.extf %s{i} : bf16 to f32")
        body, last = self.epilogue[0], "%r" if "%r =" in self.epilogue[0] else "%a"
        if self.out == "bf16":
            body, last = body + f"\n      %c = arith.truncf {last} : f32 to bf16", "%c"
        return f"""
    func.func @{name}({', '.join(f'{n}: {type}' for n, type in given)}) {{
      moe.grouped_matmul {'' if self.chosen else SMALL} {clause('ins', ['%x'], [x])} {clause('banks', banks, [bank] * self.banks)}
        {clause('offsets', ['%o'], [end]) if self.grouped else ''}
        {clause('active', ['%act'], [end]) if self.grouped else ''}
        {clause('gather', ['%g'], [index]) if self.gather else ''}
        {clause('extras', [f'%x{i}' for i in range(len(extras))], extras)}
        {clause('group_extras', [f'%v{i}' for i in range(len(vectors))], vectors)} outs(%y : {out}) {{
      ^bb0({', '.join(sums + scalars)}):{''.join(wide)}{body}
        moe.yield {last} : {self.out}
      }}
      return
    }}"""

    def __str__(self):
        words = [f"{self.n}x{self.k}", self.weights, f"{self.banks} banks"]
        words += ["grouped" * self.grouped, "gather" * self.gather, *(kind for kind, _ in self.extras)]
        words += ["group extras" * bool(self.group_extras), "to bf16" * (self.out == "bf16")]
        return " ".join(filter(None, words + ["plain" * (not self.packed)]))


SMALL = ("{variants = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 4, prefetch = 2048>,"
         " <tile_rows = 3, tile_vectors = 2>]>}")
ADD = "\n      %r = arith.addf {0}, {0} : f32"
TWICE = dict(then=ADD, act=lambda sums: 2 * sums)
FORMS = (
    Form(32, 64, chosen=True),
    Form(1, 1, gather=True),
    Form(45, 31, gather=True, banks=2, epilogue=SILU),
    Form(24, 33, epilogue=plus("%p0", **TWICE), group_extras=("f32",)),
    Form(19, 40, grouped=False, extras=(("RN", "bf16"), ("N", "f32")), epilogue=plus("%p0", "%p1", **TWICE)),
    # Columns for several tasks.
    Form(100, 701, gather=True, extras=(("R1", "f32"),), epilogue=plus("%p0", **TWICE)),
    Form(40, 35, "bf16", chosen=True),
    Form(3, 1, "bf16", gather=True),
    Form(45, 31, "bf16", gather=True, banks=2, epilogue=SILU, out="bf16"),
    Form(32, 64, "bf16", gather=True, group_extras=("bf16", "f32"), epilogue=plus("%p0", "%p1", **TWICE)),
    Form(100, 1401, "bf16", grouped=False, extras=(("N", "bf16"),), epilogue=plus("%p0", **TWICE)),
)
UNPACKED = tuple(form._replace(packed=False) for form in (FORMS[2], FORMS[4], FORMS[9]))
MACHINES = machines() + pair_machines()
# The generic lowering knows no lanes; rows of bf16 are another form of it.
CASES = [(machine, FAST, form) for machine in MACHINES for form in FORMS
         if form.weights == "bf16" or not machine.pairs]
CASES += [(machine, GENERIC, form) for machine in (MACHINES[1], MACHINES[3])
          for form in FORMS + UNPACKED if form.weights == "bf16" or not machine.pairs]
on_cases = pytest.mark.parametrize(
    "machine, passes, form", CASES,
    ids=[f"{m.name}-{'tiles' if p is FAST else 'generic'}-{form}" for m, p, form in CASES])


@functools.lru_cache(maxsize=None)
def library(machine, passes):
    """All forms of a machine are built at once."""
    forms = [form for m, p, form in CASES if (m, p) == (machine, passes)]
    return build("".join(form.text(f"f{i}", machine) for i, form in enumerate(forms)), machine, passes), forms


class Data(NamedTuple):
    """Arguments of a product as f32 that their element types hold."""

    x: np.ndarray
    banks: list
    offsets: np.ndarray
    active: np.ndarray
    gather: np.ndarray
    extras: list
    group_extras: list


def draw(machine, form, groups=GROUPS, rows=None, seed=0):
    random = np.random.default_rng(seed + form.n)

    def normal(shape, element, scale=1.0):
        return rounded(random.normal(0, scale, shape), element)

    counts = np.array(groups if form.grouped else [sum(groups) if rows is None else rows])
    total = counts.sum()
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    active = np.full(len(GROUPS) + 1, -1, np.int32)
    used = np.flatnonzero(counts)
    active[: len(used)], active[len(GROUPS)] = used, len(used)
    sources = max(total // 2, 1) if form.gather else total
    gather = random.integers(0, sources, total).astype(np.int32) if form.gather else np.arange(
        total, dtype=np.int32)
    matrix = ((len(GROUPS),) if form.grouped else ()) + (form.n, form.k)
    return Data(
        normal((sources, form.k), form.x(machine)),
        [normal(matrix, form.weights, form.k**-0.5) for _ in range(form.banks)],
        offsets, active, gather,
        [normal(shape, element) for shape, (_, element) in zip(form.shapes(total), form.extras)],
        [normal((len(GROUPS), form.n), element) for element in form.group_extras])


def expected(form, data):
    x = data.x.astype(np.float64)[data.gather]
    group = np.repeat(np.arange(len(data.offsets) - 1), np.diff(data.offsets))
    sums = []
    for bank in data.banks:
        wide = bank.astype(np.float64)
        sums.append(np.stack([wide[g] @ row for g, row in zip(group, x)]) if form.grouped and len(x)
                    else x @ wide.reshape(-1, *wide.shape[-2:])[0].T)
    vectors = [vector.astype(np.float64)[group] for vector in data.group_extras]
    return form.epilogue[1](*sums, *(extra.astype(np.float64) for extra in data.extras), *vectors)


def product(machine, passes, form, data, at_start=False, spare=0):
    """The output; `spare` rows behind the last group must stay as they were."""
    code, forms = library(machine, passes)
    banks = [pack(b, form.weights) if form.packed else stored(b, form.weights) for b in data.banks]
    # Of rows that no group has, gather holds no number.
    gather = np.concatenate([data.gather, np.full(spare, -1, np.int32)])
    arrays = [stored(data.x, form.x(machine)), *banks, data.offsets, data.active, gather]
    if not form.grouped:
        arrays[1 + form.banks : 3 + form.banks] = [np.full(len(GROUPS) + 1, -1, np.int32)] * 2
    for (kind, element), extra in zip(form.extras, data.extras):
        padding = [(0, spare if kind[0] == "R" and not i else 0) for i in range(extra.ndim)]
        arrays.append(stored(np.pad(extra, padding), element))
    arrays += [stored(v, e) for v, e in zip(data.group_extras, form.group_extras)]
    out = np.full((data.offsets[-1] + spare, form.n), 0x7F55, dtype(form.out))
    y = guarded(out, at_start)
    call(code, f"f{forms.index(form)}", *(guarded(array, at_start) for array in arrays), y)
    assert np.array_equal(y[data.offsets[-1] :], out[data.offsets[-1] :])
    return y[: data.offsets[-1]]


def limit(form):
    """Of an output in bf16, the rounding alone makes up to 2^-9 of each value."""
    return 2.5e-3 if form.out == "bf16" else 1e-6


@on_cases
@pytest.mark.parametrize("at_start", (False, True), ids=("before a page", "behind a page"))
def test_product(machine, passes, form, at_start):
    data = draw(machine, form)
    y = product(machine, passes, form, data, at_start, spare=5 if form.grouped else 0)
    assert error(widened(y), expected(form, data)) <= limit(form)


@on_cases
def test_few_and_many_rows(machine, passes, form):
    """No row at all; all rows in one group, in the last one, or an odd number and more than a task takes."""
    e = len(GROUPS)
    for rows in (0, 1, 2, 5, BLOCK + 1):
        for at in ((0, e - 1) if form.grouped else (0,)):
            groups = np.zeros(e, int)
            groups[at] = rows
            data = draw(machine, form, groups, rows, seed=rows)
            y = product(machine, passes, form, data)
            if rows:
                assert error(widened(y), expected(form, data)) <= limit(form)


@on_cases
def test_rows_alone_are_the_same_bytes(machine, passes, form):
    """Neither the variant nor the place in a tile changes a bit."""
    data = draw(machine, form)
    together = product(machine, passes, form, data)
    group = np.repeat(np.arange(len(data.offsets) - 1), np.diff(data.offsets))
    for row in range(0, len(together), 5):
        counts = np.arange(len(data.offsets) - 1) == group[row]
        active = np.full_like(data.active, -1)
        active[0], active[len(GROUPS)] = group[row], 1
        one = data._replace(
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32), active=active,
            gather=data.gather[row : row + 1],
            extras=[extra[row : row + 1] if kind[0] == "R" else extra
                    for (kind, _), extra in zip(form.extras, data.extras)])
        if not form.gather:
            one = one._replace(x=data.x[row : row + 1], gather=np.zeros(1, np.int32))
        assert np.array_equal(product(machine, passes, form, one), together[row : row + 1])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_lanes_are_the_same_bytes(form):
    """Each output has one accumulator, however many lie in a vector."""
    results = [product(machine, FAST, form, draw(machine, form)) for machine in machines()]
    for other in results[1:]:
        assert np.array_equal(other, results[0])


def test_mistakes_that_must_show():
    """Another expert's matrix, the last k left out, a row gathered from its neighbour: all far outside of the limits."""
    for form in FORMS:
        data = draw(MACHINES[0], form)
        right = expected(form, data)
        wrong = [data._replace(x=np.roll(data.x, 1, axis=0))]
        if form.grouped:
            wrong.append(data._replace(banks=[np.roll(bank, 1, axis=0) for bank in data.banks]))
        shortened = data.x.copy()
        shortened[:, -1] = 0
        wrong.append(data._replace(x=shortened))
        for other in wrong:
            assert error(expected(form, other), right) > 4 * limit(form)


# Groups side by side: a matrix for each part of the columns. ---------------------------------------------------

PARTS = 5
BESIDE = [(m, p, n, k, w) for m in MACHINES for p in (FAST, GENERIC)
          for n, k, w in ((16, 32, "f32"), (23, 11, "f32"), (32, 24, "bf16"), (13, 7, "bf16"), (1, 1, "bf16"))
          if w == "bf16" or not m.pairs]


def side_by_side(machine, passes, n, k, weights, x, banks, at_start=False):
    form = Form(n, k, weights)
    element = form.x(machine)
    wide, out = memref(None, PARTS * k, element=element), memref(None, PARTS * n)
    bank = memref(PARTS, *form.matrix, element=weights)
    code = build(f"""
    func.func @f(%x: {wide}, %w: {bank}, %y: {out}) {{
      moe.grouped_matmul {SMALL.replace("{", "{side_by_side, ")} ins(%x : {wide}) banks(%w : {bank}) outs(%y : {out}) {{
      ^bb0(%a: f32):
        moe.yield %a : f32
      }}
      return
    }}""", machine, passes)
    y = guarded(np.full((len(x), PARTS * n), np.nan, np.float32), at_start)
    call(code, "f", guarded(stored(x, element), at_start), guarded(pack(banks, weights), at_start), y)
    return y


@pytest.mark.parametrize("machine, passes, n, k, weights", BESIDE,
                         ids=[f"{m.name}-{'tiles' if p is FAST else 'generic'}-{n}x{k}-{w}"
                              for m, p, n, k, w in BESIDE])
def test_side_by_side(machine, passes, n, k, weights):
    """Each part with its own matrix, from no row to more than a task takes; a row alone is the same bytes."""
    random = np.random.default_rng(n)
    banks = rounded(random.normal(0, k**-0.5, (PARTS, n, k)), weights)
    for rows in (0, 1, 3, BLOCK + 1):
        x = rounded(random.normal(0, 1, (rows, PARTS * k)), Form(n, k, weights).x(machine))
        parts = x.reshape(rows, PARTS, k).astype(np.float64)
        right = np.einsum("rpk,pnk->rpn", parts, banks.astype(np.float64)).reshape(rows, PARTS * n)
        y = side_by_side(machine, passes, n, k, weights, x, banks, at_start=rows == 3)
        if rows:
            assert error(y, right) <= 1e-6
            alone = side_by_side(machine, passes, n, k, weights, x[rows - 1 :], banks)
            assert alone.tobytes() == y[rows - 1 :].tobytes()


# Scatter: the rows of a layer's experts go back to their tokens. ----------------------------------------------

TOKENS, WIDTH, INNER, K = 53, 40, 27, 3


def layer_text(machine, weights):
    e, x_type = len(GROUPS), "bf16" if machine.pairs else "f32"
    ids, w, y = memref(None, K, element="i32"), memref(None, K), memref(None, WIDTH)
    x, end = memref(None, WIDTH, element=x_type), memref(e + 1, element="i32")
    index, h, o = memref(None, element="i32"), memref(None, INNER, element=x_type), memref(None, WIDTH)
    inner = memref(e, *Form(INNER, WIDTH, weights).matrix, element=weights)
    outer = memref(e, *Form(WIDTH, INNER, weights).matrix, element=weights)
    narrow = "\n      %c = arith.truncf %r : f32 to bf16" if machine.pairs else ""
    return f"""
    func.func @layer(%x: {x}, %i: {ids}, %w: {w}, %gate: {inner}, %up: {inner}, %down: {outer}, %o: {end},
        %act: {end}, %rt: {index}, %tr: {ids}, %ts: {ids}, %h: {h}, %z: {o}, %y: {y}) {{
      moe.plan ins(%i : {ids}) outs(%o, %act, %rt, %tr, %ts : {end}, {end}, {index}, {ids}, {ids})
      moe.grouped_matmul {SMALL} ins(%x : {x}) banks(%gate, %up : {inner}, {inner}) offsets(%o : {end})
        active(%act : {end}) gather(%rt : {index}) outs(%h : {h}) {{
      ^bb0(%a: f32, %b: f32):{SILU[0]}{narrow}
        moe.yield {'%c : bf16' if narrow else '%r : f32'}
      }}
      moe.grouped_matmul {SMALL} ins(%h : {h}) banks(%down : {outer}) offsets(%o : {end}) active(%act : {end})
        outs(%z : {o}) {{
      ^bb0(%a: f32):
        moe.yield %a : f32
      }}
      moe.combine ins(%z, %tr, %ts, %w : {o}, {ids}, {ids}, {w}) outs(%y : {y})
      return
    }}"""


LAYERS = [(m, FAST, weights) for m in MACHINES for weights in ("f32", "bf16")[m.pairs :]]
LAYERS += [(MACHINES[1], GENERIC, weights) for weights in ("f32", "bf16")]


@pytest.mark.parametrize("machine, passes, weights", LAYERS,
                         ids=[f"{m.name if p is FAST else 'generic'}-{w}" for m, p, w in LAYERS])
def test_layer(machine, passes, weights):
    """Against each token's experts one by one. Only rows that are narrowed between the products may differ more."""
    lowering = passes if passes is GENERIC else (*FAST, "-moe-cpu-lower-dispatch")
    random = np.random.default_rng(11)
    e, x_type = len(GROUPS), "bf16" if machine.pairs else "f32"
    x = rounded(random.normal(0, 1, (TOKENS, WIDTH)), x_type)
    # The last expert gets nothing; some choices are of none.
    ids = np.int32([random.permutation(e - 1)[:K] for _ in range(TOKENS)])
    ids[random.random(ids.shape) < 0.1] = -1
    w = random.uniform(0.1, 1, ids.shape).astype(np.float32)
    gate, up = (rounded(random.normal(0, WIDTH**-0.5, (e, INNER, WIDTH)), weights) for _ in "gu")
    down = rounded(random.normal(0, INNER**-0.5, (e, WIDTH, INNER)), weights)
    right = np.zeros((TOKENS, WIDTH))
    for t in range(TOKENS):
        for expert, weight in zip(ids[t], w[t].astype(np.float64)):
            if expert >= 0:
                a, b = (m[expert].astype(np.float64) @ x[t] for m in (gate, up))
                right[t] += weight * (down[expert].astype(np.float64) @ SILU[1](a, b))
    rows = TOKENS * K
    ints = [np.full(shape, -7, np.int32) for shape in ((e + 1,), (e + 1,), (rows,), ids.shape, ids.shape)]
    arrays = [stored(x, x_type), ids, w, *(pack(m, weights) for m in (gate, up, down)), *ints,
              stored(np.full((rows, INNER), np.nan), x_type), np.full((rows, WIDTH), np.nan, np.float32)]
    y = guarded(np.full((TOKENS, WIDTH), np.nan, np.float32))
    call(build(layer_text(machine, weights), machine, lowering), "layer", *map(guarded, arrays), y)
    assert error(y, right) <= (4e-3 if machine.pairs else 1e-6)
