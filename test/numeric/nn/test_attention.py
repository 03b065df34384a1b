"""Append and attention, step by step over a paged state, against NumPy in f64.

The pools start full of NaN and the block table is a permutation, so that a read
of a position that a token may not see shows; every buffer lies between guard
pages. The bytes that a token gets must not depend on how the sequences were cut
into steps.
"""

from typing import NamedTuple

import numpy as np
import pytest

from harness import (
    build,
    call,
    dtype,
    error,
    guarded,
    machines,
    stored,
    widened,
)

BLOCK = 32
PASSES = ("-moe-cpu-lower-append", "-moe-cpu-lower-attention")
GENERIC = ("-moe-lower-to-linalg", "-convert-linalg-to-loops")


class Shape(NamedTuple):
    heads: int
    kv_heads: int
    key: int
    value: int
    window: int = 0
    element: str = "f32"
    chunk: int = 0
    softcap: float = 0.0
    sinks: bool = False
    prefix: bool = False  # Values are the first elements of keys.
    first: bool = False  # A token is told from where on it sees.

    @property
    def appended(self):
        """Elements of a key beside a value."""
        return self.key - self.value if self.prefix else self.key

    def pools(self, blocks):
        if self.prefix:
            return [(blocks, self.kv_heads, BLOCK, self.key)]
        return [
            (blocks, self.kv_heads, self.key, BLOCK),
            (blocks, self.kv_heads, BLOCK, self.value),
        ]

    @property
    def scale(self):
        return float(np.float32(self.key**-0.5))


def kernels(machine, shape, blocks, slots, context, stride=None, passes=PASSES):
    """Append and attention; with a stride, on columns of a wider matrix."""
    layout = f", strided<[{stride}, 1], offset: ?>" if stride else ""
    q, y, k, v = (
        f"memref<?x{width}xf32{layout}>"
        for width in (
            shape.heads * shape.key,
            shape.heads * shape.value,
            shape.kv_heads * shape.appended,
            shape.kv_heads * shape.value,
        )
    )
    pools = [
        f"memref<{'x'.join(map(str, sizes))}x{shape.element}>"
        for sizes in shape.pools(blocks)
    ] + [f"memref<{slots}x{context}xi32>"]
    i = "memref<?xi32>"
    names = [f"%s{n}" for n in range(len(pools))]
    state = ", ".join(f"{name}: {pool}" for name, pool in zip(names, pools))
    state_operand = f"state({', '.join(names)} : {', '.join(pools)})"
    sinks = f"memref<{shape.heads}xf32>"
    sinks_operand = f"sinks(%sinks : {sinks})" if shape.sinks else ""
    first_operand = f"first(%f : {i})" if shape.first else ""
    text = f"""
    func.func @append(%k: {k}, %v: {v}, %p: {i}, %s: {i}, {state}) {{
      nn.append ins(%k, %v, %p, %s : {k}, {v}, {i}, {i}) {state_operand}
      return
    }}
    func.func @attention(%q: {q}, %p: {i}, %s: {i}, {state}, %f: {i}, %sinks: {sinks}, %y: {y}) {{
      nn.attention {{heads = {shape.heads} : i64, kv_heads = {shape.kv_heads} : i64,
                     scale = {shape.scale!r} : f64, window = {shape.window} : i64,
                     chunk = {shape.chunk} : i64, softcap = {shape.softcap!r} : f64}}
        ins(%q, %p, %s : {q}, {i}, {i}) {state_operand} {first_operand} {sinks_operand} outs(%y : {y})
      return
    }}"""
    return build(text, machine, passes)


class Model:
    """Queries, keys and values of some sequences, one in each slot."""

    def __init__(self, shape, lengths, seed=0, spread=1.0):
        random = np.random.default_rng(seed)
        self.shape, self.lengths = shape, lengths

        def draw(heads, width, size=1.0):
            return [
                random.normal(0, size, (length, heads * width)).astype(np.float32)
                for length in lengths
            ]

        self.queries = draw(shape.heads, shape.key, spread)
        self.keys = draw(shape.kv_heads, shape.key, spread)
        self.values = draw(shape.kv_heads, shape.value)
        self.appended = self.keys
        if shape.prefix:
            heads = [k.reshape(len(k), shape.kv_heads, -1) for k in self.keys]
            self.values, self.appended = (
                [part.reshape(len(part), -1) for part in parts]
                for parts in zip(*(np.split(k, [shape.value], 2) for k in heads))
            )
        self.sinks = random.normal(0, 2, shape.heads).astype(np.float32)
        # From where on a token sees: it stays, or rises by more than a position.
        reach = [random.integers(1, 60, length) for length in lengths]
        self.first = [
            np.maximum.accumulate(np.maximum(np.arange(length) + 1 - each, 0))
            for length, each in zip(lengths, reach)
        ]
        self.context = -(-max(lengths) // BLOCK)
        self.blocks = len(lengths) * self.context
        blocks = random.permutation(self.blocks).astype(np.int32)
        self.table = blocks.reshape(len(lengths), self.context)

    def reference(self):
        """The output of every token, in f64."""
        shape = self.shape
        outputs = []
        for slot, length in enumerate(self.lengths):
            widths = (shape.key, shape.key, shape.value)
            parts = (self.queries[slot], self.keys[slot], self.values[slot])
            parts = parts[:1] + tuple(
                widened(stored(part, shape.element)) for part in parts[1:]
            )
            q, k, v = (
                part.astype(np.float64).reshape(length, -1, width).swapaxes(0, 1)
                for part, width in zip(parts, widths)
            )
            group = shape.heads // shape.kv_heads
            k, v = np.repeat(k, group, 0), np.repeat(v, group, 0)
            scores = shape.scale * q @ k.swapaxes(1, 2)
            if shape.softcap:
                scores = shape.softcap * np.tanh(scores / shape.softcap)
            place = np.arange(length)
            distance = place[:, None] - place
            chunk = place // (shape.chunk or length)
            seen = (distance >= 0) & (distance < (shape.window or length))
            seen &= chunk[:, None] == chunk
            if shape.first:
                seen &= place >= self.first[slot][:, None]
            scores = np.where(seen, scores, -np.inf)
            if shape.sinks:
                sinks = self.sinks.astype(np.float64)[:, None, None]
                sinks = np.broadcast_to(sinks, scores.shape[:2] + (1,))
                scores = np.concatenate((scores, sinks), axis=2)
                v = np.concatenate((v, np.zeros_like(v[:, :1])), axis=1)
            weights = np.exp(scores - scores.max(2, keepdims=True))
            weights /= weights.sum(2, keepdims=True)
            outputs.append((weights @ v).swapaxes(0, 1).reshape(length, -1))
        return outputs

    def run(self, machine, schedule, at_start=False, passes=PASSES):
        """The output of every token, when each step of the schedule takes some
        tokens of some slots: [[(slot, count), ...], ...]."""
        shape = self.shape
        library = kernels(
            machine, shape, self.blocks, len(self.lengths), self.context, passes=passes
        )

        def guard(values):
            return guarded(values, at_start)

        def garbage(*sizes):
            values = np.full(sizes, np.nan, np.float32)
            return guard(stored(values, shape.element))

        state = [garbage(*sizes) for sizes in shape.pools(self.blocks)]
        state.append(guard(self.table))
        width = shape.heads * shape.value
        outputs = [
            np.zeros((length, width), np.float32) for length in self.lengths
        ]
        done = [0] * len(self.lengths)
        for step in schedule:
            tokens = []
            for slot, count in step:
                tokens += [(slot, done[slot] + i) for i in range(count)]
                done[slot] += count

            def rows(arrays):
                picked = [arrays[slot][position] for slot, position in tokens]
                return guard(
                    np.array(picked, np.float32).reshape(
                        len(tokens), arrays[0].shape[1]
                    )
                )

            slots, positions = (
                guard(np.array([token[i] for token in tokens], np.int32))
                for i in (0, 1)
            )
            appended = (rows(self.appended), rows(self.values), positions, slots)
            call(library, "append", *appended, *state)
            y = guard(np.full((len(tokens), width), np.nan, np.float32))
            queries, sinks = rows(self.queries), guard(self.sinks)
            first = [self.first[slot][position] for slot, position in tokens]
            first = guard(np.array(first, np.int32))
            call(
                library, "attention", queries, positions, slots, *state, first, sinks, y
            )
            for row, (slot, position) in zip(y, tokens):
                outputs[slot][position] = row
        assert done == list(self.lengths)
        return outputs


def at_once(lengths):
    return [[(slot, length)] for slot, length in enumerate(lengths)]


def one_by_one(lengths):
    return [
        [(slot, 1) for slot, length in enumerate(lengths) if position < length]
        for position in range(max(lengths))
    ]


def mixed(lengths, seed):
    """Steps of pieces of all sizes, of several sequences in any order; a slot
    may come twice, and a step may be empty."""
    random = np.random.default_rng(seed)
    left, steps = list(lengths), [[]]
    while any(left):
        step = []
        for slot in random.permutation(len(left)).repeat(2):
            most = min(left[slot], random.choice([1, 2, 5, 13, 24, 31, 33, 70]))
            count = int(random.integers(0, most + 1))
            left[slot] -= count
            step.append((int(slot), count))
        steps.append(step)
    return steps


SHAPES = [
    Shape(heads=2, kv_heads=2, key=24, value=24),
    Shape(heads=8, kv_heads=2, key=16, value=16, element="bf16"),
    Shape(heads=5, kv_heads=1, key=32, value=20),
    Shape(heads=4, kv_heads=4, key=80, value=80, element="bf16"),
    Shape(heads=12, kv_heads=4, key=128, value=128),
    Shape(heads=3, kv_heads=1, key=7, value=33, window=5),
    Shape(heads=2, kv_heads=1, key=16, value=64, window=1),
    Shape(heads=4, kv_heads=2, key=24, value=12, window=40, element="bf16"),
    Shape(heads=26, kv_heads=1, key=9, value=1, window=64),
    Shape(heads=4, kv_heads=2, key=16, value=16, sinks=True),
    Shape(heads=3, kv_heads=1, key=8, value=8, window=20, element="bf16", sinks=True),
    Shape(heads=2, kv_heads=1, key=16, value=24, softcap=1.5),
    Shape(heads=4, kv_heads=2, key=16, value=16, chunk=32),
    Shape(heads=3, kv_heads=3, key=12, value=16, chunk=50, sinks=True),
    Shape(heads=2, kv_heads=1, key=16, value=8, chunk=7, window=5, softcap=0.5),
    Shape(heads=2, kv_heads=1, key=16, value=8, chunk=100, window=40),
    Shape(heads=4, kv_heads=2, key=16, value=16, first=True),
    Shape(heads=3, kv_heads=1, key=8, value=24, element="bf16", first=True, sinks=True),
    # Too many wide heads for one task: it takes a part of them.
    Shape(heads=32, kv_heads=1, key=1000, value=600),
    # Values that are a prefix of keys.
    Shape(heads=4, kv_heads=1, key=40, value=32, prefix=True),
    Shape(heads=5, kv_heads=1, key=29, value=23, element="bf16", prefix=True),
    Shape(heads=1, kv_heads=1, key=2, value=1, window=20, prefix=True),
    Shape(heads=6, kv_heads=2, key=48, value=33, chunk=50, sinks=True, prefix=True),
    Shape(heads=4, kv_heads=1, key=40, value=32, prefix=True, first=True),
    Shape(heads=64, kv_heads=1, key=576, value=512, element="bf16", prefix=True),
]


def name(shape):
    window = f"w{shape.window}-" if shape.window else ""
    more = f"-c{shape.chunk}" if shape.chunk else ""
    more += f"-cap{shape.softcap}" if shape.softcap else ""
    more += "-sinks" if shape.sinks else ""
    more += "-prefix" if shape.prefix else ""
    more += "-first" if shape.first else ""
    return f"{shape.heads}:{shape.kv_heads}x{shape.key},{shape.value}-{window}{shape.element}{more}"


on_machines = pytest.mark.parametrize("machine", machines(), ids=lambda m: m.name)
of_shapes = pytest.mark.parametrize("shape", SHAPES, ids=name)


@on_machines
@of_shapes
def test_attention(machine, shape):
    lengths = (133, 1, 32, 65)
    model = Model(shape, lengths)
    prefill = model.run(machine, at_once(lengths))
    for actual, expected in zip(prefill, model.reference()):
        assert error(actual, expected) < 1e-6
    schedules = [one_by_one(lengths), mixed(lengths, 1), mixed(lengths, 2)]
    schedules.append([list(enumerate(lengths))])
    for i, schedule in enumerate(schedules):
        outputs = model.run(machine, schedule, at_start=bool(i % 2))
        for actual, expected in zip(outputs, prefill):
            assert actual.tobytes() == expected.tobytes()


@pytest.mark.parametrize("shape", [s for s in SHAPES if s.key < 100], ids=name)
def test_generic(shape):
    """The generic lowering, by the same measure."""
    machine, lengths = machines()[0], (70, 1, 33)
    model = Model(shape, lengths)
    prefill = model.run(machine, at_once(lengths), passes=GENERIC)
    for actual, expected in zip(prefill, model.reference()):
        assert error(actual, expected) < 1e-6
    outputs = model.run(machine, mixed(lengths, 3), passes=GENERIC)
    for actual, expected in zip(outputs, prefill):
        assert actual.tobytes() == expected.tobytes()


@on_machines
def test_large_scores(machine):
    """Scores far apart: the maximum moves from block to block, exponentials
    vanish, and nothing overflows."""
    lengths = (100,)
    model = Model(Shape(heads=2, kv_heads=2, key=32, value=16), lengths, spread=9.0)
    prefill = model.run(machine, at_once(lengths))
    assert error(prefill[0], model.reference()[0]) < 2e-5
    single = model.run(machine, one_by_one(lengths))
    assert single[0].tobytes() == prefill[0].tobytes()


@on_machines
def test_columns_of_one_matrix(machine):
    """Queries, keys and values side by side in one matrix, and the output in
    columns of another: the rest of it stays."""
    shape, tokens = Shape(heads=4, kv_heads=2, key=24, value=20), 40
    model = Model(shape, (tokens,))
    widths = (4 * 24, 2 * 24, 2 * 20)
    matrix = np.concatenate(
        (model.queries[0], model.keys[0], model.values[0]), axis=1
    )
    stride = matrix.shape[1]
    library = kernels(machine, shape, model.blocks, 1, model.context, stride)
    matrix = guarded(matrix)
    q, k, v = np.split(matrix, np.cumsum(widths)[:2], axis=1)
    output = guarded(np.full((tokens, stride), 7, np.float32))
    state = (
        guarded(np.full((model.blocks, 2, 24, BLOCK), np.nan, np.float32)),
        guarded(np.full((model.blocks, 2, BLOCK, 20), np.nan, np.float32)),
        guarded(model.table),
    )
    positions = np.arange(tokens, dtype=np.int32)
    slots = np.zeros_like(positions)
    call(library, "append", k, v, positions, slots, *state)
    call(
        library,
        "attention",
        *(q, positions, slots, *state, slots, model.sinks, output[:, 30:110]),
    )
    assert error(output[:, 30:110], model.reference()[0]) < 1e-6
    assert (output[:, :30] == 7).all() and (output[:, 110:] == 7).all()


@on_machines
@pytest.mark.parametrize("element", ("f32", "bf16"))
@pytest.mark.parametrize("passes", (PASSES, GENERIC), ids=("fast", "generic"))
def test_append_layout_of_a_prefix(machine, element, passes):
    """A value and what follows it lie in one row, and nothing else is written."""
    shape = Shape(2, 2, key=28, value=19, element=element, prefix=True)
    library = kernels(machine, shape, blocks=6, slots=2, context=3, passes=passes)
    random = np.random.default_rng(6)
    table = np.array([[5, 0, 3], [2, 4, 1]], np.int32)
    tokens = [(slot, 30 + i) for slot in (1, 0) for i in range(37)]
    slots, positions = (
        guarded(np.array([token[i] for token in tokens], np.int32)) for i in (0, 1)
    )
    rows = random.normal(0, 3, (len(tokens), 2, shape.key)).astype(np.float32)
    pool = guarded(np.full((6, 2, BLOCK, shape.key), dtype(element)(7)))
    expected = pool.copy()
    for row, (slot, position) in zip(rows, tokens):
        expected[table[slot, position // BLOCK], :, position % BLOCK] = stored(row, element)
    v, k = (
        guarded(np.ascontiguousarray(part).reshape(len(tokens), -1))
        for part in np.split(rows, [shape.value], 2)
    )
    call(library, "append", k, v, positions, slots, pool, guarded(table))
    assert np.array_equal(pool, expected)


@on_machines
@pytest.mark.parametrize("element", ("f32", "bf16"))
def test_append_layout(machine, element):
    """Keys lie in panels, values in rows, and nothing else is written."""
    shape = Shape(heads=2, kv_heads=2, key=19, value=21, element=element)
    library = kernels(machine, shape, blocks=6, slots=2, context=3)
    random = np.random.default_rng(5)
    table = np.array([[5, 0, 3], [2, 4, 1]], np.int32)
    untouched = dtype(element)(7)
    for count in (0, 1, 45):
        tokens = [(slot, 31 + i) for slot in (0, 1) for i in range(count)]
        slots, positions = (
            guarded(np.array([token[i] for token in tokens], np.int32)) for i in (0, 1)
        )
        k, v = (
            random.normal(0, 3, (len(tokens), 2, width)).astype(np.float32)
            for width in (shape.key, shape.value)
        )
        keys = guarded(np.full((6, 2, shape.key, BLOCK), untouched))
        values = guarded(np.full((6, 2, BLOCK, shape.value), untouched))
        expected_keys, expected_values = keys.copy(), values.copy()
        for row, (slot, position) in enumerate(tokens):
            block, lane = table[slot, position // BLOCK], position % BLOCK
            expected_keys[block, :, :, lane] = stored(k[row], element)
            expected_values[block, :, lane] = stored(v[row], element)
        rows = [guarded(part.reshape(len(tokens), 2 * part.shape[2])) for part in (k, v)]
        call(library, "append", *rows, positions, slots, keys, values, guarded(table))
        assert np.array_equal(keys, expected_keys)
        assert np.array_equal(values, expected_values)
