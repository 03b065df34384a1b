"""Short convolutions and the gated delta rule, step by step, against NumPy in f64.

States start full of NaN, so that what a sequence's beginning must not see shows;
every buffer lies between guard pages. The bytes that a token gets must not
depend on how the sequences were cut into steps.
"""

from typing import NamedTuple

import numpy as np
import pytest

from harness import build, call, error, guarded, machines

CHUNK = 32
PASSES = ("-moe-cpu-lower-short-conv", "-moe-cpu-lower-gated-delta")
GENERIC = ("-moe-lower-to-linalg", "-convert-linalg-to-loops")
I = "memref<?xi32>"


def rows(width):
    return f"memref<?x{width}xf32>"


class Conv(NamedTuple):
    channels: int
    length: int
    bias: bool = False

    @property
    def state(self):
        return (self.length - 1, self.channels)

    def inputs(self, random, tokens):
        return [random.normal(size=(tokens, self.channels)).astype(np.float32)]

    def parameters(self, random):
        shapes = [(self.channels, 1, self.length), (self.channels,)]
        return [random.normal(size=shape).astype(np.float32) for shape in shapes]

    @property
    def out(self):
        return self.channels

    def text(self, slots):
        x, w = rows(self.channels), f"memref<{self.channels}x1x{self.length}xf32>"
        b, state = f"memref<{self.channels}xf32>", pool_type(self, slots)
        bias = f"bias(%b : {b})" if self.bias else ""
        return f"""
        func.func @mixer(%x: {x}, %w: {w}, %b: {b}, %p: {I}, %o: {I}, %s: {I}, %state: {state}, %y: {x}) {{
          nn.short_conv ins(%x, %w, %p, %o, %s : {x}, {w}, {I}, {I}, {I}) {bias}
            state(%state : {state}) outs(%y : {x})
          return
        }}"""

    def reference(self, inputs, parameters):
        (x,), (w, b) = inputs, parameters
        x = np.concatenate((np.zeros(self.state), x.astype(np.float64)))
        count = len(x) - self.length + 1
        y = sum(x[j : j + count] * w[:, 0, j].astype(np.float64) for j in range(self.length))
        return y + (b if self.bias else 0)


class Delta(NamedTuple):
    heads: int
    key_heads: int
    key: int
    value: int

    @property
    def state(self):
        part = CHUNK * (self.key + self.value + 1)
        return (self.heads, self.key * self.value + part)

    def inputs(self, random, tokens):
        def unit():
            x = random.normal(size=(tokens, self.key_heads, self.key))
            return (x / np.linalg.norm(x, axis=2, keepdims=True)).reshape(tokens, -1)

        v = random.normal(size=(tokens, self.heads * self.value))
        decay = -random.exponential(0.3, size=(tokens, self.heads))
        # Now and then a token forgets everything before it.
        decay[random.uniform(size=decay.shape) < 0.1] *= 300
        beta = random.uniform(size=(tokens, self.heads))
        parts = [unit(), unit(), v, decay, beta]
        return [part.astype(np.float32) for part in parts]

    def parameters(self, random):
        return []

    @property
    def out(self):
        return self.heads * self.value

    def text(self, slots):
        k, v = rows(self.key_heads * self.key), rows(self.out)
        g, state = rows(self.heads), pool_type(self, slots)
        return f"""
        func.func @mixer(%q: {k}, %k: {k}, %v: {v}, %g: {g}, %b: {g}, %p: {I}, %o: {I}, %s: {I}, %state: {state}, %y: {v}) {{
          nn.gated_delta {{heads = {self.heads} : i64, key_heads = {self.key_heads} : i64}}
            ins(%q, %k, %v, %g, %b, %p, %o, %s : {k}, {k}, {v}, {g}, {g}, {I}, {I}, {I})
            state(%state : {state}) outs(%y : {v})
          return
        }}"""

    def reference(self, inputs, parameters):
        q, k, v, decay, beta = (part.astype(np.float64) for part in inputs)
        group, tokens = self.heads // self.key_heads, len(q)
        q, k = (
            np.repeat(part.reshape(tokens, self.key_heads, self.key), group, 1)
            for part in (q, k)
        )
        v = v.reshape(tokens, self.heads, self.value)
        s, y = np.zeros((self.heads, self.key, self.value)), np.zeros(v.shape)
        for t in range(tokens):
            s = s * np.exp(decay[t])[:, None, None]
            known = np.einsum("hk,hkv->hv", k[t], s)
            change = beta[t][:, None] * (v[t] - known)
            s = s + k[t][:, :, None] * change[:, None, :]
            y[t] = np.einsum("hk,hkv->hv", q[t], s)
        return y.reshape(tokens, -1)


def pool_type(shape, slots):
    return f"memref<{slots}x{shape.state[0]}x{shape.state[1]}xf32>"


class Model:
    """Inputs of some sequences, one in each slot."""

    def __init__(self, shape, lengths, seed=0):
        random = np.random.default_rng(seed)
        self.shape, self.lengths = shape, lengths
        self.inputs = [shape.inputs(random, length) for length in lengths]
        self.parameters = shape.parameters(random)

    def reference(self):
        return [self.shape.reference(inputs, self.parameters) for inputs in self.inputs]

    def run(self, machine, schedule, at_start=False, passes=PASSES):
        """The outputs of every sequence, when each step of the schedule takes
        some tokens of some slots: [[(slot, count), ...], ...]."""
        slots = len(self.lengths)
        library = build(self.shape.text(slots), machine, passes)

        def guard(values):
            return guarded(values, at_start)

        state = guard(np.full((slots,) + self.shape.state, np.nan, np.float32))
        parameters = [guard(values) for values in self.parameters]
        done = [0] * slots
        outputs = [[] for _ in range(slots)]
        for step in schedule:
            parts = [slice(done[slot], done[slot] + count) for slot, count in step]
            inputs = [
                guard(np.concatenate([self.inputs[slot][i][part] for (slot, _), part in zip(step, parts)]))
                for i in range(len(self.inputs[0]))
            ]
            positions = np.concatenate([np.arange(part.start, part.stop) for part in parts])
            offsets = np.cumsum([0] + [count for _, count in step])
            numbers = [np.asarray(list(each), np.int32) for each in (positions, offsets, [slot for slot, _ in step])]
            y = guard(np.full((len(positions), self.shape.out), np.nan, np.float32))
            call(library, "mixer", *inputs, *parameters, *map(guard, numbers), state, y)
            for (slot, count), begin in zip(step, offsets):
                outputs[slot].append(y[begin : begin + count].copy())
                done[slot] += count
        assert done == list(self.lengths)
        return [np.concatenate(parts) for parts in outputs]


def at_once(lengths):
    return [list(enumerate(lengths))]


def one_by_one(lengths):
    return [
        [(slot, 1) for slot, length in enumerate(lengths) if position < length]
        for position in range(max(lengths))
    ]


def ragged(lengths, seed):
    """Random cuts, slots in random order, some left out of a step, some in it without tokens."""
    random = np.random.default_rng(seed)
    left, schedule = list(lengths), []
    while any(left):
        step = [
            (int(slot), int(random.integers(0, min(left[slot], 41) + 1)))
            for slot in random.permutation(len(lengths))
            if left[slot] and random.random() < 0.7
        ]
        for slot, count in step:
            left[slot] -= count
        if step:
            schedule.append(step)
    return schedule


SHAPES = [
    Conv(48, 3),
    Conv(37, 4, bias=True),
    Conv(512, 2),
    Conv(5, 9, bias=True),
    Delta(4, 2, 16, 16),
    Delta(1, 1, 3, 5),
    Delta(2, 1, 24, 40),
    Delta(2, 2, 128, 128),
    Delta(3, 1, 17, 130),
]
LENGTHS = (70, 1, 33, 64)


@pytest.mark.parametrize("machine", machines(), ids=lambda machine: machine.name)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_bytes(shape, machine):
    model = Model(shape, LENGTHS)
    outputs = model.run(machine, at_once(LENGTHS))
    for actual, expected in zip(outputs, model.reference()):
        assert error(actual, expected) < 2e-6
    schedules = [one_by_one(LENGTHS)] + [ragged(LENGTHS, seed) for seed in range(3)]
    for at_start, schedule in enumerate(schedules):
        again = model.run(machine, schedule, at_start=at_start % 2 == 1)
        for expected, actual in zip(outputs, again):
            assert actual.tobytes() == expected.tobytes()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_generic(shape):
    model = Model(shape, LENGTHS)
    expected = model.reference()
    outputs = model.run(machines()[1], ragged(LENGTHS, 7), passes=GENERIC)
    for actual, wanted in zip(outputs, expected):
        assert error(actual, wanted) < 2e-6
    again = model.run(machines()[1], one_by_one(LENGTHS), passes=GENERIC)
    for first, second in zip(outputs, again):
        assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("shape", [Conv(48, 10), Delta(1, 1, 380, 380)], ids=str)
def test_what_the_fast_kernel_leaves_is_generic(shape):
    model = Model(shape, (3, 2))
    outputs = model.run(machines()[1], at_once((3, 2)), passes=PASSES + GENERIC)
    for actual, expected in zip(outputs, model.reference()):
        assert error(actual, expected) < 2e-6
