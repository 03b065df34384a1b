"""Sparse layers with experts of every kind, compiled as a user would, against their
formula in f64; and every attribute of experts, changed, which must show.

    python test/python/test_layers.py

prints the matrix of changes and layers, by how far a layer is from its mutant.
"""

import numpy as np
import pytest
from formulas import relative_error, rounded, sigmoid, silu, softmax, top, wide
from layer_text import Ffn, Layer, Others, stored

TOKENS = 150
EXPERTS = (
    Ffn(4, 24),
    Ffn(2, 40, "clamped", bias=True),
    Others("constant", 1),
    Ffn(1, 16, "relu2"),
    Others("identity", 2),
    Others("zero", 1),
    Others("constant", 1),
)
MIXED = Layer(EXPERTS, 3, shared=(Ffn(1, 32),), shared_gate=True, output_scale=0.8)
# Several shared experts, which are compiled as one.
SHARED = Layer((Ffn(6, 24),), 2, shared=(Ffn(1, 24), Ffn(1, 40), Ffn(1, 24)))
# A weight in front of the expert, which no activation lets pass.
ON_INPUT = Layer((Ffn(8, 32),), 2, weight_on="input", shared=(Ffn(1, 32),))
# All experts read twice the input, also those that are no network.
DOUBLED = Layer((Ffn(6, 32), Others("constant", 2), Others("identity", 1), Others("zero", 1)), 2, input_scale=2.0)
# Fewer experts than the router knows: two choices may be of one.
RENAMED = MIXED._replace(alias=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 9, 6, 10), k=4)
LAYERS = {"mixed": MIXED, "shared": SHARED, "on input": ON_INPUT, "doubled": DOUBLED, "renamed": RENAMED}
LIMITS = {"f32": 5e-6, "bf16": 1e-2}


# The formula ----------------------------------------------------------------


ACTIVATIONS = {
    "silu": lambda g, u: silu(g) * u,
    "relu": lambda g, u: np.maximum(g, 0) * u,
    "relu2": lambda g, u: np.maximum(g, 0) ** 2,
    "clamped": lambda g, u: silu(np.minimum(g, 0.75)) * u,
}


def network(p, name, of, x):
    hidden = ACTIVATIONS[of.activation](p[f"{name}.gate"] @ x, p[f"{name}.up"] @ x)
    if of.bias:
        hidden = hidden + p[f"{name}.bias"]
    return p[f"{name}.down"] @ hidden


def expert(layer, p, id, x):
    for n, of in enumerate(layer.experts):
        if id < of.count:
            break
        id -= of.count
    if isinstance(of, Ffn):
        return network(p, f"experts.{n}.{id}", of, x)
    return {"constant": lambda: p[f"constant.{n}"], "identity": lambda: x, "zero": lambda: 0 * x}[of.kind]()


def formula(layer, parameters, x):
    """Rows and ids."""
    p, x = wide(parameters), x.astype(np.float64)
    logits = x @ p["router"].T
    ids, y = top(logits, layer.k), np.zeros_like(x)
    weights = np.take_along_axis(softmax(logits), ids, 1)
    if layer.alias:
        ids = np.array(layer.alias)[ids]
    for t, row in enumerate(x):
        read = row * layer.input_scale
        for id, w in zip(ids[t], weights[t]):
            y[t] += expert(layer, p, id, w * read) if layer.weight_on == "input" else w * expert(layer, p, id, read)
        y[t] *= layer.output_scale
        for n, of in enumerate(layer.shared):
            gate = sigmoid(p[f"shared.{n}.weigher"] @ row) if layer.shared_gate else 1
            y[t] += gate * network(p, f"shared.{n}", of, row)
    return y, ids


# What is compiled -----------------------------------------------------------


def model(build, layer, *flags, parameters=None):
    return build(layer.text(), stored(layer, parameters or layer.parameters()), *flags)


def inputs(layer, seed=1):
    return np.random.default_rng(seed).normal(0, 1, (TOKENS, layer.hidden)).astype(np.float32)


@pytest.mark.parametrize(
    "element, flags", (("f32", ()), ("bf16", ()), ("f32", ("--fallback",))), ids=("f32", "bf16", "generic")
)
@pytest.mark.parametrize("name", LAYERS)
def test_layer(build, name, element, flags):
    layer = LAYERS[name]._replace(element=element)
    x = inputs(layer)
    y, ids = model(build, layer, *flags).function()(x)
    expected, chosen = formula(layer, layer.parameters(), x)
    if layer.alias:  # of equal ids, the first one stays
        repeated = [[id in row[:i] for i, id in enumerate(row)] for row in chosen]
        assert np.any(repeated)
        chosen = np.where(repeated, -1, chosen)
    assert np.array_equal(ids, chosen)
    assert len(np.unique(ids[ids >= 0])) == layer.count
    assert relative_error(y, expected) <= LIMITS[element]


@pytest.mark.parametrize("name", LAYERS)
def test_layer_by_pieces_and_threads(build, name):
    layer = LAYERS[name]
    x, compiled = inputs(layer), model(build, layer)
    whole = compiled.function("layer", threads=1)(x)[0]
    assert compiled.function("layer", threads=2)(x)[0].tobytes() == whole.tobytes()
    function = compiled.function()
    parts = [function(part)[0] for part in np.split(x, (1, 2, 7, 100))]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


# What must show ---------------------------------------------------------------


def with_expert(layer, n, **changes):
    experts = list(layer.experts)
    experts[n] = experts[n]._replace(**changes)
    return layer._replace(experts=tuple(experts))


def swapped(layer, a, b):
    """Ranges of one size in each other's place, with their parameters."""
    experts = list(layer.experts)
    experts[a], experts[b] = experts[b], experts[a]
    return layer._replace(experts=tuple(experts))


MUTANTS = {
    "weight on the output": (ON_INPUT, ON_INPUT._replace(weight_on="output")),
    "weight on the input": (SHARED, SHARED._replace(weight_on="input")),
    "input scale left out": (DOUBLED, DOUBLED._replace(input_scale=1.0)),
    "output scale left out": (MIXED, MIXED._replace(output_scale=1.0)),
    "fewer experts": (MIXED, MIXED._replace(k=2)),
    "another activation": (MIXED, with_expert(MIXED, 0, activation="relu")),
    "no clamp": (MIXED, with_expert(MIXED, 1, activation="silu")),
    "ungated as gated": (MIXED, with_expert(MIXED, 3, activation="relu")),
    "no bias": (MIXED, with_expert(MIXED, 1, bias=False)),
    "identity as zero": (MIXED, with_expert(MIXED, 4, kind="zero")),
    "zero as identity": (MIXED, with_expert(MIXED, 5, kind="identity")),
    "constant as zero": (MIXED, with_expert(MIXED, 2, kind="zero")),
    "constant as identity": (DOUBLED, with_expert(DOUBLED, 1, kind="identity")),
    "kinds in another order": (MIXED, swapped(MIXED, 5, 6)),
    "shared expert without its gate": (MIXED, MIXED._replace(shared_gate=False)),
    "shared expert with a gate": (SHARED, SHARED._replace(shared_gate=True)),
    "no shared expert": (SHARED, SHARED._replace(shared=())),
    "one shared expert of three": (SHARED, SHARED._replace(shared=SHARED.shared[:1])),
    "another alias": (RENAMED, RENAMED._replace(alias=RENAMED.alias[:12] + (1, 2, 3, 4))),
    "bf16": (SHARED, SHARED._replace(element="bf16")),
}


def test_every_attribute_has_a_mutant():
    """Of a layer and of its experts, apart from what a size is."""
    changed = {
        field
        for original, mutant in MUTANTS.values()
        for field in Layer._fields
        if getattr(original, field) != getattr(mutant, field)
    }
    assert changed == set(Layer._fields) - {"hidden"}
    for kind, sizes in ((Ffn, {"count", "width"}), (Others, {"count"})):
        inside = {
            field
            for original, mutant in MUTANTS.values()
            for a, b in zip(original.experts, mutant.experts)
            if isinstance(a, kind) and isinstance(b, kind)
            for field in kind._fields
            if getattr(a, field) != getattr(b, field)
        }
        assert inside == set(kind._fields) - sizes


def given(original, mutant):
    """The parameters of the original, and what only the mutant has."""
    parameters, drawn = original.parameters(), mutant.parameters()
    found = {name: parameters.get(name, drawn[name]) for name in drawn}
    return {name: rounded(value) if mutant.is_narrow(name, value) else value for name, value in found.items()}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_shows(build, name):
    """What is compiled is far from what the mutant computes."""
    original, mutant = MUTANTS[name]
    x = inputs(original)
    y, _ = model(build, original).function()(x)
    if mutant.element == original.element:
        assert relative_error(y, formula(mutant, given(original, mutant), x)[0]) > 100 * LIMITS["f32"]
    else:
        narrow, _ = model(build, mutant, parameters=given(original, mutant)).function()(x)
        assert relative_error(narrow, y) > 100 * LIMITS["f32"]


@pytest.mark.parametrize("name", ("weight on the output", "weight on the input", "input scale left out"))
def test_compiled_mutant_shows(build, name):
    """So is the mutant when it is compiled from what the original is."""
    original, mutant = MUTANTS[name]
    x, parameters = inputs(original), given(original, mutant)
    y, _ = model(build, mutant, parameters=parameters).function()(x)
    assert relative_error(y, formula(mutant, parameters, x)[0]) <= LIMITS["f32"]
    assert relative_error(y, formula(original, original.parameters(), x)[0]) > 0.1


def matrix():
    """Lines: a change and the layer whose test fails for it, by its relative error."""
    names = list(LAYERS)
    yield f"{'':34}" + " ".join(f"{name:>9}" for name in names)
    for name, (original, mutant) in MUTANTS.items():
        x = inputs(original)
        error = relative_error(formula(mutant, given(original, mutant), x)[0], formula(original, original.parameters(), x)[0])
        cells = (f"{error:.1e}" if LAYERS[of] == original else "." for of in names)
        yield f"{name:34}" + " ".join(f"{cell:>9}" for cell in cells)


def test_the_matrix_can_be_printed():
    """Each change shows in some layer, far beyond its tolerance."""
    for line in list(matrix())[1:]:
        assert any(float(cell) > 100 * LIMITS["f32"] for cell in line[34:].split() if cell != "."), line


if __name__ == "__main__":
    print("\n".join(matrix()))
