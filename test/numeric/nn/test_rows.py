"""Norms, rotary embeddings, copies of rows and token slots against NumPy in f64."""

import numpy as np
import pytest

from harness import (
    build,
    call,
    dtype,
    error,
    from_bf16,
    guarded,
    machines,
    stored,
    to_bf16,
    widened,
)

ROWS = (0, 1, 3, 37)

on_machines = pytest.mark.parametrize("machine", machines(), ids=lambda m: m.name)
at_either_end = pytest.mark.parametrize("at_start", (False, True))


# rms_norm -------------------------------------------------------------------


def norm(machine, width, size, out, weight=True, offset=0.0):
    x, y = f"memref<?x{width}xf32>", f"memref<?x{width}x{out}>"
    w = f"memref<{size}xf32>"
    operand = f"weight(%w : {w})" if weight else ""
    text = f"""
    func.func @norm(%x: {x}, %w: {w}, %y: {y}) {{
      nn.rms_norm {{size = {size} : i64, eps = 1.0e-5 : f64, offset = {offset} : f64}}
        ins(%x : {x}) {operand} outs(%y : {y})
      return
    }}"""
    return build(text, machine, ("-moe-cpu-lower-normalization",))


def norm_reference(x, weight, size):
    chunks = x.astype(np.float64).reshape(len(x), x.shape[1] // size, size)
    scale = np.sqrt(np.mean(chunks**2, axis=2, keepdims=True) + 1e-5)
    return (chunks / scale * weight).reshape(x.shape)


@on_machines
@at_either_end
@pytest.mark.parametrize(
    "width, size, out",
    [(1, 1, "f32"), (7, 7, "f32"), (56, 56, "bf16"), (72, 24, "f32")]
    + [(64, 64, "f32"), (192, 192, "f32"), (397, 397, "bf16"), (512, 128, "f32")],
)
def test_norm(machine, width, size, out, at_start):
    library = norm(machine, width, size, out)
    random = np.random.default_rng(width)
    weight = random.normal(1, 0.2, size).astype(np.float32)
    for rows in ROWS:
        x = random.normal(0, 3, (rows, width)).astype(np.float32)
        y = guarded(np.zeros(x.shape, dtype(out)), at_start)
        call(library, "norm", guarded(x, at_start), guarded(weight, at_start), y)
        limit = 5e-3 if out == "bf16" else 3e-7
        assert error(widened(y), norm_reference(x, weight, size)) < limit


@on_machines
def test_norm_rounds_once(machine):
    """The output in bf16 is the output in f32, rounded to nearest even."""
    x = np.random.default_rng(1).normal(0, 3, (9, 61)).astype(np.float32)
    weight = np.linspace(-2, 2, 61, dtype=np.float32)
    wide, narrow = np.zeros((9, 61), np.float32), np.zeros((9, 61), np.uint16)
    call(norm(machine, 61, 61, "f32"), "norm", x, weight, wide)
    call(norm(machine, 61, 61, "bf16"), "norm", x, weight, narrow)
    assert np.array_equal(narrow, to_bf16(wide))


@on_machines
def test_norm_without_weight_and_with_offset(machine):
    x = np.random.default_rng(2).normal(0, 3, (5, 48)).astype(np.float32)
    weight = np.linspace(-1, 1, 48, dtype=np.float32)
    y = np.zeros_like(x)
    call(norm(machine, 48, 48, "f32", weight=False), "norm", x, weight, y)
    assert error(y, norm_reference(x, 1.0, 48)) < 3e-7
    call(norm(machine, 48, 48, "f32", offset=1.0), "norm", x, weight, y)
    assert error(y, norm_reference(x, weight.astype(np.float64) + 1, 48)) < 3e-7


@on_machines
def test_norm_in_place_and_by_single_rows(machine):
    """Neither the number of rows nor an output over the input changes a bit."""
    library = norm(machine, 2048, 2048, "f32")
    random = np.random.default_rng(3)
    x = random.normal(0, 3, (40, 2048)).astype(np.float32)
    weight = random.normal(1, 0.2, 2048).astype(np.float32)
    together, single, in_place = np.zeros_like(x), np.zeros_like(x), x.copy()
    call(library, "norm", x, weight, together)
    call(library, "norm", in_place, weight, in_place)
    for row in range(len(x)):
        call(library, "norm", x[row : row + 1], weight, single[row : row + 1])
    assert np.array_equal(together, single) and np.array_equal(together, in_place)


# layer_norm -----------------------------------------------------------------

BOTH = ("-moe-cpu-lower-normalization",), ("-moe-lower-to-linalg", "-convert-linalg-to-loops")
by_each = pytest.mark.parametrize("passes", BOTH, ids=("vectors", "generic"))


def layer_norm(machine, width, size, out, passes, operands=("weight", "bias")):
    x, y = f"memref<?x{width}xf32>", f"memref<?x{width}x{out}>"
    w = f"memref<{size}xf32>"
    given = " ".join(f"{name}(%{name} : {w})" for name in operands)
    text = f"""
    func.func @norm(%x: {x}, %weight: {w}, %bias: {w}, %y: {y}) {{
      nn.layer_norm {{size = {size} : i64, eps = 1.0e-5 : f64}}
        ins(%x : {x}) {given} outs(%y : {y})
      return
    }}"""
    return build(text, machine, passes)


def layer_norm_reference(x, weight, bias, size):
    chunks = x.astype(np.float64).reshape(len(x), x.shape[1] // size, size)
    mean = np.mean(chunks, axis=2, keepdims=True)
    root = np.sqrt(np.mean((chunks - mean) ** 2, axis=2, keepdims=True) + 1e-5)
    return ((chunks - mean) / root * weight + bias).reshape(x.shape)


@on_machines
@by_each
@pytest.mark.parametrize(
    "width, size, out",
    [(1, 1, "f32"), (7, 7, "f32"), (56, 56, "bf16"), (72, 24, "f32"), (397, 397, "f32")],
)
def test_layer_norm(machine, width, size, out, passes):
    library = layer_norm(machine, width, size, out, passes)
    random = np.random.default_rng(width)
    weight, bias = random.normal(1, 0.2, (2, size)).astype(np.float32)
    for rows in ROWS:
        # A mean that is far from 0 beside the spread.
        x = random.normal(5, 2, (rows, width)).astype(np.float32)
        y = guarded(np.zeros(x.shape, dtype(out)), rows % 2 == 1)
        call(library, "norm", guarded(x), guarded(weight), guarded(bias), y)
        limit = 5e-3 if out == "bf16" else 1e-6
        assert error(widened(y), layer_norm_reference(x, weight, bias, size)) < limit


@on_machines
@by_each
def test_layer_norm_in_place_by_rows_and_without_operands(machine, passes):
    random = np.random.default_rng(3)
    x = random.normal(1, 3, (40, 96)).astype(np.float32)
    weight, bias = random.normal(1, 0.2, (2, 96)).astype(np.float32)
    for operands in ((), ("weight",), ("bias",)):
        library = layer_norm(machine, 96, 96, "f32", passes, operands)
        together, single, in_place = np.zeros_like(x), np.zeros_like(x), x.copy()
        call(library, "norm", x, weight, bias, together)
        call(library, "norm", in_place, weight, bias, in_place)
        for row in range(len(x)):
            one = slice(row, row + 1)
            call(library, "norm", x[one], weight, bias, single[one])
        assert np.array_equal(together, single) and np.array_equal(together, in_place)
        scale = weight if "weight" in operands else 1.0
        shift = bias if "bias" in operands else 0.0
        assert error(together, layer_norm_reference(x, scale, shift, 96)) < 1e-6


# join_heads -----------------------------------------------------------------


@on_machines
@pytest.mark.parametrize(
    "passes",
    [("-moe-cpu-lower-rows",), ("-moe-lower-to-linalg", "-convert-linalg-to-loops")],
    ids=("vectors", "generic"),
)
@pytest.mark.parametrize("heads, parts", [
    (3, [(24, 0, 16, False), (8, 0, 8, True)]),
    (2, [(40, 7, 33, False)]),
    (1, [(5, 1, 3, False), (70, 0, 70, True), (5, 0, 1, False)]),
    (4, [(128, 64, 64, False), (128, 0, 64, False), (9, 8, 1, True)]),
])
def test_join_heads(machine, heads, parts, passes):
    """Exact, from inputs that are read in place, between guard pages."""
    widths = [size if lent else heads * size for size, _, _, lent in parts]
    total = heads * sum(count for _, _, count, _ in parts)
    types = [f"memref<?x{width}xf32>" for width in widths]
    names = [f"%x{i}" for i in range(len(parts))]
    lists = {
        name: "array<i64: " + ", ".join(str(part[i]) for part in parts) + ">"
        for i, name in enumerate(("sizes", "offsets", "counts"))
    }
    attributes = ", ".join(f"{name} = {value}" for name, value in lists.items())
    y = f"memref<?x{total}xf32>"
    arguments = ", ".join(f"{n}: {t}" for n, t in zip(names, types))
    text = f"""
    func.func @join({arguments}, %y: {y}) {{
      nn.join_heads {{heads = {heads} : i64, {attributes}}}
        ins({", ".join(names)} : {", ".join(types)}) outs(%y : {y})
      return
    }}"""
    library = build(text, machine, passes)
    random = np.random.default_rng(total)
    for rows in ROWS:
        inputs = [random.normal(0, 3, (rows, width)).astype(np.float32) for width in widths]
        out = guarded(np.zeros((rows, total), np.float32), rows % 2 == 1)
        call(library, "join", *[guarded(x, rows % 2 == 1) for x in inputs], out)
        expected = [
            np.broadcast_to(
                x.reshape(rows, 1 if lent else heads, size)[:, :, first : first + count],
                (rows, heads, count),
            )
            for x, (size, first, count, lent) in zip(inputs, parts)
        ]
        assert np.array_equal(out, np.concatenate(expected, axis=2).reshape(rows, total))


# rope -----------------------------------------------------------------------


def rope(machine, heads, size, turned, positions, offset=0, interleaved=False,
         passes=("-moe-cpu-lower-rope",)):
    x, table = f"memref<?x{heads * size}xf32>", f"memref<{positions}x2x{turned // 2}xf32>"
    text = f"""
    func.func @rope(%x: {x}, %t: {table}, %p: memref<?xi32>, %y: {x}) {{
      nn.rope {{size = {size} : i64, offset = {offset} : i64,
               interleaved = {str(interleaved).lower()}}}
        ins(%x, %t, %p : {x}, {table}, memref<?xi32>)
        outs(%y : {x})
      return
    }}"""
    return build(text, machine, passes)


def rope_reference(x, table, positions, size, offset=0, interleaved=False):
    half = table.shape[2]
    heads = x.astype(np.float64).reshape(len(x), x.shape[1] // size, size)
    cosine, sine = (table[positions, i][:, None].astype(np.float64) for i in (0, 1))
    pairs = np.arange(half)
    first = offset + (2 * pairs if interleaved else pairs)
    second = first + (1 if interleaved else half)
    turned = heads.copy()
    turned[..., first] = heads[..., first] * cosine - heads[..., second] * sine
    turned[..., second] = heads[..., second] * cosine + heads[..., first] * sine
    return turned.reshape(x.shape)


@on_machines
@at_either_end
@pytest.mark.parametrize("interleaved", (False, True))
@pytest.mark.parametrize(
    "passes",
    [("-moe-cpu-lower-rope",), ("-moe-lower-to-linalg", "-convert-linalg-to-loops")],
    ids=("vectors", "generic"),
)
@pytest.mark.parametrize(
    "heads, size, turned, offset",
    [(3, 24, 24, 0), (2, 128, 128, 0), (5, 80, 32, 0), (1, 9, 6, 2), (2, 24, 8, 16)],
)
def test_rope(machine, heads, size, turned, offset, interleaved, passes, at_start):
    library = rope(machine, heads, size, turned, 50, offset, interleaved, passes)
    random = np.random.default_rng(size)
    angles = random.uniform(0, 6, (50, turned // 2))
    table = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    for rows in ROWS:
        x = random.normal(0, 3, (rows, heads * size)).astype(np.float32)
        positions = random.integers(0, 50, rows).astype(np.int32)
        y = guarded(np.zeros_like(x), at_start)
        inputs = [guarded(array, at_start) for array in (x, table, positions)]
        call(library, "rope", *inputs, y)
        expected = rope_reference(x, table, positions, size, offset, interleaved)
        assert error(y, expected) < 3e-7
        call(library, "rope", *inputs, inputs[0])
        assert np.array_equal(inputs[0], y)


# gather_rows ----------------------------------------------------------------


def packed(matrix):
    """A matrix [N, K] in panels, as moe.pack lays it out."""
    depth = 2 if matrix.dtype == np.uint16 else 1
    rows, columns = (-(-n // m) * m for n, m in zip(matrix.shape, (16, depth)))
    padded = np.zeros((rows, columns), matrix.dtype)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    panels = padded.reshape(rows // 16, 16, columns // depth, depth)
    panels = panels.transpose(0, 2, 1, 3)
    return np.ascontiguousarray(panels if depth == 2 else panels[..., 0])


def gather(machine, table, width, out):
    element = "bf16" if table.dtype == np.uint16 else "f32"
    shape = "x".join(map(str, table.shape))
    t, y = f"memref<{shape}x{element}>", f"memref<?x{width}x{out}>"
    text = f"""
    func.func @gather(%t: {t}, %i: memref<?xi32>, %y: {y}) {{
      nn.gather_rows ins(%t, %i : {t}, memref<?xi32>) outs(%y : {y})
      return
    }}"""
    return build(text, machine, ("-moe-cpu-lower-rows",))


@on_machines
@at_either_end
@pytest.mark.parametrize("pack", (False, True))
@pytest.mark.parametrize("element, out", [("f32", "f32"), ("bf16", "f32"), ("bf16", "bf16")])
@pytest.mark.parametrize("vocabulary, width", [(32, 64), (37, 25), (5, 1), (16, 200)])
def test_gather(machine, vocabulary, width, element, out, pack, at_start):
    random = np.random.default_rng(width)
    values = stored(random.normal(0, 3, (vocabulary, width)), element)
    table = guarded(packed(values) if pack else values, at_start)
    library = gather(machine, table, width, out)
    for rows in ROWS:
        indices = random.integers(0, vocabulary, rows).astype(np.int32)
        indices[:2] = (vocabulary - 1, 0)[:rows]
        y = guarded(np.zeros((rows, width), dtype(out)), at_start)
        call(library, "gather", table, guarded(indices, at_start), y)
        assert np.array_equal(widened(y), widened(values)[indices])


# token_slots ----------------------------------------------------------------


@on_machines
@at_either_end
@pytest.mark.parametrize(
    "lengths", [(), (0,), (1,), (3, 0, 1, 5), (0, 0, 64, 1), (1,) * 9]
)
def test_token_slots(machine, lengths, at_start):
    text = """
    func.func @slots(%o: memref<?xi32>, %s: memref<?xi32>, %y: memref<?xi32>) {
      nn.token_slots ins(%o, %s : memref<?xi32>, memref<?xi32>) outs(%y : memref<?xi32>)
      return
    }"""
    library = build(text, machine, ("-moe-cpu-lower-rows",))
    slots = np.arange(len(lengths), dtype=np.int32)[::-1] * 3
    offsets = np.cumsum((0,) + lengths).astype(np.int32)
    y = guarded(np.full(sum(lengths), -1, np.int32), at_start)
    call(library, "slots", guarded(offsets, at_start), guarded(slots, at_start), y)
    assert np.array_equal(y, np.repeat(slots, lengths))
