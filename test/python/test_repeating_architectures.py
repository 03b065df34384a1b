"""Architectures whose networks run several times, as modules: Chain-of-Experts, and the ways in which
Mixture-of-Recursions chooses tokens. Whole models of the latter are in test_mixture_of_recursions.py."""

import pathlib

import numpy as np
import pytest
from conftest import ARCHITECTURES, text_after
from formulas import EXPERTS, HIDDEN, Random, sigmoid, softmax, top, wide
from test_architectures import TOKENS, assert_close, pieces, routed

INPUTS = pathlib.Path(__file__).parent / "Inputs"


def test_chain_of_experts(build, lowering):
    random = Random()
    params = random.experts() | {f"router.{i}.weight": random(EXPERTS, HIDDEN, scale=0.5)
                                 for i in range(2)}
    model = build(ARCHITECTURES / "chain_of_experts.mlir", params, *lowering)
    x, p = random(TOKENS, HIDDEN, scale=1), wide(params)

    def chain(routers, ks=(4, 4)):
        y = x.astype(np.float64)
        for i, k in zip(routers, ks):
            y = y + routed(p, y, y @ p[f"router.{i}.weight"].T, k)
        return y

    layer = model.function("layer", threads=2)
    y = layer(x)
    assert_close(y, chain((0, 1)), 1e-5)
    # One router for both iterations is another model, and so is another number of experts.
    with pytest.raises(AssertionError):
        assert_close(y, chain((0, 0)), 1e-2)
    assert_close(model.function("narrowing")(x), chain((0, 1), (4, 2)), 1e-5)
    with pytest.raises(AssertionError):
        assert_close(y, chain((0, 1), (4, 2)), 1e-2)
    assert pieces(layer, x, 5, 6).tobytes() == y.tobytes()
    assert model.function("layer", threads=1)(x).tobytes() == y.tobytes()

    # The experts of the second iteration. What the first one rounded feeds back: where the set differs from that of
    # the formulas, its border is as narrow.
    x1 = model.function("one_iteration")(x)
    again, chosen = model.function("second")(x1)
    assert again.tobytes() == y.tobytes()
    logits = chain((0,)) @ p["router.1.weight"].T
    expected, ranked = np.sort(top(logits, 4)), -np.sort(-logits)
    differs = (np.sort(chosen) != expected).any(1)
    assert (ranked[differs, 3] - ranked[differs, 4] < 1e-5 * np.abs(logits).max()).all() and differs.sum() <= 1

    # A chain of one is the ordinary layer, to the bit.
    del params["router.1.weight"]
    one = build(INPUTS / "chain_of_one.mlir", params, *lowering)
    assert x1.tobytes() == one.function()(x).tobytes()


def test_the_next_router_in_the_combine(build):
    """It is computed where a row is made; written as calls of a function, it is not, and the bytes are the same."""
    text = text_after("experts", ARCHITECTURES / "chain_of_experts.mlir")
    functions = {part.split("(")[0]: part for part in text.split("func.func @")[1:]}
    assert functions["layer"].count("moe.combine_gate") == 1 and functions["layer"].count("moe.gate") == 1
    assert "moe.combine_gate" not in functions["one_iteration"]

    random = Random()
    params = random.experts() | {f"router.{i}.weight": random(EXPERTS, HIDDEN, scale=0.5) for i in range(2)}
    fused = build(ARCHITECTURES / "chain_of_experts.mlir", params)
    x = random(300, HIDDEN, scale=1)
    y = fused.function("layer", threads=2)(x)
    separate, _ = fused.function("second")(fused.function("one_iteration")(x))
    assert y.tobytes() == separate.tobytes()


def block(p, x):
    return x + np.maximum(x @ p["up.weight"].T, 0) @ p["down.weight"].T


def recursion_params(random):
    return {"up.weight": random(96, HIDDEN), "down.weight": random(HIDDEN, 96), "router.weight": random(3, HIDDEN, scale=0.3)} | {
        f"router.{r}.weight": random(1, HIDDEN, scale=0.3) for r in range(2)}


def by_expert(p, x, capacity=None):
    """Two recursions, each among the tokens of the one before: the largest, or those above one half."""
    active, taken = np.arange(len(x)), []
    for r in range(2):
        scores = sigmoid(x[active] @ p[f"router.{r}.weight"].T)[:, 0]
        if capacity:
            chosen = np.sort(top(scores, max(1, int(capacity[r] * len(x)))))
        else:
            chosen = np.flatnonzero(scores > 0.5)
        active, weights = active[chosen], 0.1 * scores[chosen, None]
        x = x.copy()
        x[active] += weights * block(p, x[active])
        taken.append(np.isin(np.arange(len(x)), active))
    return x, *taken


def test_mixture_of_recursions(build, lowering):
    random = Random()
    params = recursion_params(random)
    model = build(ARCHITECTURES / "mixture_of_recursions.mlir", params, *lowering)
    x, p = random(101, HIDDEN, scale=1), wide(params)

    # Of each sequence its own largest, as many as its length says.
    lengths = (1, 60, 2, 38)
    sequence = np.repeat(np.arange(4, dtype=np.int32), lengths)
    largest = model.function("by_expert", threads=2)
    y, first, second = largest(x, sequence)
    parts = [by_expert(p, part.astype(np.float64), (0.67, 0.29)) for part in np.split(x, np.cumsum(lengths)[:-1])]
    assert_close(y, np.concatenate([part[0] for part in parts]))
    assert (first[:, 0] == 0).tolist() == np.concatenate([part[1] for part in parts]).tolist()
    assert (second[:, 0] == 0).tolist() == np.concatenate([part[2] for part in parts]).tolist()
    assert (first >= 0).sum() == 1 + 40 + 1 + 25 and (second >= 0).sum() == 1 + 17 + 1 + 11
    # A token that no recursion took is what it was.
    alone = (first < 0)[:, 0]
    assert (y[alone] == x[alone]).all()

    threshold = model.function("by_threshold", threads=2)
    z, _, likely = threshold(x)
    expected = by_expert(p, x.astype(np.float64))
    assert_close(z, expected[0])
    assert (likely[:, 0] == 0).tolist() == expected[2].tolist() and 0 < expected[2].sum() < expected[1].sum() < 101
    assert np.concatenate([threshold(part)[0] for part in np.split(x, [1, 2, 50])]).tobytes() == z.tobytes()

    token = model.function("by_token", threads=1)
    u, depth = token(x)
    scores = softmax(x.astype(np.float64) @ p["router.weight"].T)
    wanted, h = x.astype(np.float64), x.astype(np.float64)
    for r in range(3):
        h = block(p, h)
        ends = top(scores, 1)[:, 0] == r
        wanted = np.where(ends[:, None], x + scores[:, r:r + 1] * h, wanted)
        assert ends.any()
    assert_close(u, wanted)
    assert (depth == top(scores, 1)).all()
    assert np.concatenate([token(part)[0] for part in np.split(x, [1, 2, 50])]).tobytes() == u.tobytes()


def test_recursions_and_later_tokens(build):
    """Later tokens change nothing of earlier ones, but where a recursion takes the largest of a sequence."""
    random = Random()
    params = recursion_params(random)
    model = build(ARCHITECTURES / "mixture_of_recursions.mlir", params)
    x = random(64, HIDDEN, scale=1)
    other = x.copy()
    other[40:] = random(24, HIDDEN, scale=3)
    for name in ("by_threshold", "by_token"):
        function = model.function(name)
        assert function(x)[0][:40].tobytes() == function(other)[0][:40].tobytes()
    function, sequence = model.function("by_expert"), np.zeros(64, np.int32)
    assert function(x, sequence)[0][:40].tobytes() != function(other, sequence)[0][:40].tobytes()


def test_a_recursion_of_all_tokens(build, lowering):
    """With every token and a weight of one, the block is an ordinary one: x + h, to the bit. And where no token goes
    deeper, the second recursion computes nothing; where all do, each of them."""
    random = Random()
    model = build(INPUTS / "recurse_once.mlir", {"block.weight": random(HIDDEN, HIDDEN)}, *lowering)
    x, ones = random(TOKENS, HIDDEN, scale=1), np.ones((TOKENS, 1), np.float32)
    plain, once = model.function("plain"), model.function("once")
    h = plain(x)
    assert once(x, np.zeros((TOKENS, 1), np.int32), ones).tobytes() == (x + h).tobytes()
    assert once(x, np.ones((TOKENS, 1), np.int32), ones).tobytes() == (x + plain(h)).tobytes()
    depth = (np.arange(TOKENS, dtype=np.int32) % 2)[:, None]
    assert once(x, depth, ones).tobytes() == np.where(depth, x + plain(h), x + h).tobytes()
