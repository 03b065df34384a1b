"""The architectures in examples/architectures/, compiled as a user would, against their formulas.

Each oracle is written in f64 from the paper's equations, not from the module.
"""

import numpy as np
import pytest

from conftest import ARCHITECTURES, text_after
from formulas import EXPERTS, HIDDEN, WIDTH, Random, relative_error, silu, softmax, top, wide

TOKENS = 37


def ffn(p, name, x):
    up = silu(x @ p[f"{name}.gate.weight"].T) * (x @ p[f"{name}.up.weight"].T)
    return up @ p[f"{name}.down.weight"].T


def routed(p, x, logits, k):
    """Softmax over all experts, top-k, not renormalised."""
    weights, y = softmax(logits), np.zeros_like(x)
    for t, chosen in enumerate(top(logits, k)):
        for e in chosen:
            y[t] += weights[t, e] * ffn(p, f"experts.{e}", x[t])
    return y


def assert_close(actual, expected, tolerance=5e-6):
    error = relative_error(actual, expected)
    assert error <= tolerance, error


def pieces(function, x, *cuts):
    """What the function makes of the rows of x in several calls."""
    return np.concatenate([function(part) for part in np.split(x, cuts)])


def test_deepseek_moe(build, lowering):
    random = Random()
    params = random.experts() | {"router.weight": random(EXPERTS, HIDDEN)}
    # Two shared experts of the routed ones' width, side by side: one of twice the width.
    shared = [{f"shared.{part}.weight": random(*shape) for part, shape in
               (("gate", (WIDTH, HIDDEN)), ("up", (WIDTH, HIDDEN)), ("down", (HIDDEN, WIDTH)))}
              for _ in range(2)]
    for name in shared[0]:
        axis = 1 if "down" in name else 0
        params[name] = np.concatenate([one[name] for one in shared], axis)
    model = build(ARCHITECTURES / "deepseek_moe.mlir", params, *lowering)
    layer, u, p = model.function(), random(TOKENS, HIDDEN, scale=1), wide(params)
    separate = sum(ffn(wide(one), "shared", u.astype(np.float64)) for one in shared)
    rest = routed(p, u.astype(np.float64), u @ p["router.weight"].T, 3) + u
    h = layer(u)
    assert_close(h, rest + separate)
    # Leaving the shared experts out is no small change.
    with pytest.raises(AssertionError):
        assert_close(h, rest, 0.1)
    assert pieces(layer, u, 1, 2, 20).tobytes() == h.tobytes()


def test_top_k_gating(build, lowering):
    random = Random()
    params = {f"experts.{e}.a": random(24, HIDDEN) for e in range(8)}
    params |= {"beta1": random(8, HIDDEN), "beta0": random(8, scale=3)}
    params["minus_beta0"] = -params["beta0"]
    model = build(ARCHITECTURES / "top_k_gating.mlir", params, *lowering)
    x, p = random(TOKENS, HIDDEN, scale=1), wide(params)
    affine = x.astype(np.float64) @ p["beta1"].T
    chosen = top(affine, 3)
    weights = softmax(np.take_along_axis(affine + p["beta0"], chosen, 1))
    expected = np.array([sum(w * (p[f"experts.{e}.a"] @ x[t]) for w, e in zip(ws, es))
                         for t, (ws, es) in enumerate(zip(weights, chosen))])
    assert_close(model.function()(x), expected)
    # beta_0 does not select: with it in the key, other experts are chosen.
    assert (np.sort(top(affine + p["beta0"], 3)) != np.sort(chosen)).any()


def test_top_k_regions(build):
    """Ids flip exactly where the order of two logits does, on ten thousand pairs that straddle a boundary."""
    random, pairs = Random(), 10_000
    params = {f"experts.{e}.a": random(24, HIDDEN) for e in range(8)}
    params |= {"beta1": random(8, HIDDEN), "beta0": np.zeros(8, np.float32),
               "minus_beta0": np.zeros(8, np.float32)}
    function = build(ARCHITECTURES / "top_k_gating.mlir", params, "--max-step-tokens", str(pairs)).function()
    p, x = wide(params), random(pairs, HIDDEN, scale=1).astype(np.float64)
    ranked = np.argsort(-(x @ p["beta1"].T), kind="stable")
    normal = p["beta1"][ranked[:, 2]] - p["beta1"][ranked[:, 3]]
    gap = (normal * x).sum(1, keepdims=True) / (normal ** 2).sum(1, keepdims=True)
    experts = np.array([p[f"experts.{e}.a"] for e in range(8)])
    sets = []
    for side in (1e-3, -1e-3):
        beside = (x - (gap - side) * normal).astype(np.float32)
        affine = beside.astype(np.float64) @ p["beta1"].T
        chosen = top(affine, 3)
        weights = np.zeros_like(affine)
        np.put_along_axis(weights, chosen, softmax(np.take_along_axis(affine, chosen, 1)), 1)
        expected = np.einsum("te,ted->td", weights, np.einsum("edh,th->ted", experts, beside.astype(np.float64)))
        # A wrong set changes its row by far more.
        actual = function(beside)
        rows = np.linalg.norm(actual - expected, axis=1) / np.linalg.norm(expected, axis=1)
        assert rows.max() < 1e-4
        sets.append(np.sort(chosen))
    # The sides differ, but where a third expert comes in between.
    assert (sets[0] != sets[1]).any(1).mean() > 0.99


def test_moge(build, lowering):
    random, experts, width = Random(), 64, 16
    shapes = {"gate": (width, HIDDEN), "up": (width, HIDDEN), "down": (HIDDEN, width)}
    params = {f"experts.{e}.{part}.weight": random(*shape) for e in range(experts) for part, shape in shapes.items()}
    # Four shared experts side by side: one of four times the width.
    shared = [{f"shared.{part}.weight": random(*shape) for part, shape in shapes.items()} for _ in range(4)]
    for name in shared[0]:
        params[name] = np.concatenate([one[name] for one in shared], 1 if "down" in name else 0)
    params |= {"router.weight": random(experts, HIDDEN), "router.scale": 1 + random(experts, scale=0.3)}
    layer = build(ARCHITECTURES / "moge.mlir", params, *lowering).function("layer")
    x, p = random(TOKENS, HIDDEN, scale=1), wide(params)
    y, ids = layer(x)
    scores = softmax(x @ p["router.weight"].T)
    best = scores.reshape(TOKENS, 8, 8).argmax(2) + 8 * np.arange(8)
    np.testing.assert_array_equal(np.sort(ids), best)
    expected = sum(ffn(wide(one), "shared", x.astype(np.float64)) for one in shared)
    for t, chosen in enumerate(best):
        for e in chosen:
            weight = scores[t, e] * p["router.scale"][e]
            expected[t] += weight * ffn(p, f"experts.{e}", x[t].astype(np.float64))
    assert_close(y, expected)
    # Every group has one choice for each token, whatever the batch: no group waits for another.
    for tokens in (1, 8, 64, 512):
        _, ids = layer(random(tokens, HIDDEN, scale=1))
        np.testing.assert_array_equal(np.bincount(ids.ravel() // 8, minlength=8), [tokens] * 8)


def test_moge_gate(build, lowering):
    """On Gaussian logits the eight choices have 0.381 of the mass, where the eight largest would have 0.427."""
    random = Random()
    params = {"router.weight": random(64, HIDDEN), "router.scale": np.ones(64, np.float32)}
    for name, shape in (("gate", (16, HIDDEN)), ("up", (16, HIDDEN)), ("down", (HIDDEN, 16))):
        params |= {f"experts.{e}.{name}.weight": random(*shape) for e in range(64)}
        params[f"shared.{name}.weight"] = random(*(4 * n if n == 16 else n for n in shape))
    gate = build(ARCHITECTURES / "moge.mlir", params, "--max-step-tokens", "4096", *lowering).function("gate")
    logits = random(4096, 64, scale=1)
    ids, weights = gate(logits)
    scores = softmax(logits.astype(np.float64))
    assert np.abs(weights - np.take_along_axis(scores, ids, 1)).max() <= 2e-7
    assert abs(weights.sum(1).mean() - 0.381) <= 0.01
    assert abs(np.take_along_axis(scores, top(scores, 8), 1).sum(1).mean() - 0.427) <= 0.01


@pytest.mark.parametrize("images", [0.0, 0.4, 1.0])
def test_moiie(build, lowering, images):
    random = Random()
    params = random.experts(8) | {"gates.weight": random(12, HIDDEN)}
    model = build(ARCHITECTURES / "moiie.mlir", params, *lowering)
    tokens = 500
    x, p = random(tokens, HIDDEN, scale=1), wide(params)
    modality = (random.generator.random(tokens) >= images).astype(np.int32)  # 1: language
    y, ids = model.function("layer")(x, modality)
    expected = np.zeros((tokens, HIDDEN))
    for kind, first in ((0, 0), (1, 2)):
        gate = p["gates.weight"][6 * kind:6 * kind + 6]
        for t in np.flatnonzero(modality == kind):
            scores = softmax(gate @ x[t])
            chosen = top(scores, 2)
            assert set(ids[t]) == set(chosen + first)
            for e in chosen:
                expected[t] += scores[e] / scores[chosen].sum() * ffn(
                    p, f"experts.{e + first}", x[t].astype(np.float64))
    # Tokens never leave their modality's experts.
    assert (ids[modality == 0] < 6).all() and (ids[modality == 1] >= 2).all()
    assert_close(y, expected)
    # With the class known, the same of a router without the other class's rows.
    images = modality == 0
    if images.any():
        seen, of = model.function("vision")(x[images])
        np.testing.assert_array_equal(of, ids[images])
        assert_close(seen, expected[images])


def test_moiie_tokens_stay(build):
    """A hundred thousand tokens, none of which leaves the experts of its modality."""
    random = Random()
    model = build(ARCHITECTURES / "moiie.mlir", random.experts(8) | {"gates.weight": random(12, HIDDEN, scale=0.5)},
                  "--max-step-tokens", "100000")
    x, modality = random(100000, HIDDEN, scale=1), random.generator.integers(2, size=100000).astype(np.int32)
    _, ids = model.function("layer", threads=2)(x, modality)
    low, high = 2 * modality, 5 + 2 * modality
    assert ((ids >= low[:, None]) & (ids <= high[:, None])).all()
    assert (ids[:, 0] != ids[:, 1]).all() and set(ids.ravel()) == set(range(8))


def test_moiie_leaves_rows_out():
    vision = text_after("gating", ARCHITECTURES / "moiie.mlir").split("func.func @vision")[1]
    assert "tensor<6x64xf32>" in vision and "tensor<12x64xf32>" not in vision and "class_mask" not in vision


def test_uni_moe(build, lowering):
    random = Random()
    params = random.experts(8) | {"router.weight": random(8, HIDDEN, scale=0.25)}
    layer = build(ARCHITECTURES / "uni_moe.mlir", params, *lowering).function()
    x, p = random(300, HIDDEN, scale=1), wide(params)
    y, ids = layer(x)
    scores, expected = softmax(x @ p["router.weight"].T), np.zeros((300, HIDDEN))
    for t, chosen in enumerate(top(scores, 2)):
        np.testing.assert_array_equal(ids[t], chosen)
        for e in chosen:
            expected[t] += scores[t, e] / scores[t, chosen].sum() * ffn(
                p, f"experts.{e}", x[t].astype(np.float64))
    assert_close(y, expected)


def uni_moe_weights(logits, count):
    """Of one token, over six experts and two null ones: in rounds, a softmax in the window of what is left."""
    weights, left = np.zeros(8), logits.copy()
    for _ in range(count):
        most = left.max()
        outside = (most - logits) / np.maximum(np.abs(logits), np.abs(most)) > 0.2
        e = left.argmax()
        weights[e] = softmax(np.where(outside, -np.inf, left))[e]
        left[e] = -np.inf
    return weights


def uni_moe(p, x, counts, room=None, by_logit=False):
    """What the released code computes, and the mask of what was chosen."""
    logits = x @ p["router.weight"].T
    weights = np.array([uni_moe_weights(row[:8], count) for row, count in zip(logits, counts)])
    mask = weights > 0
    weights /= weights.sum(1, keepdims=True) + 1e-6
    if room and by_logit:
        for e in range(8):
            chose = np.flatnonzero(mask[:, e])
            mask[chose[np.argsort(-logits[chose, e], kind="stable")[room:]], e] = False
    elif room:
        mask &= np.cumsum(mask, 0) <= room
    if room:
        weights *= mask
        weights /= weights.sum(1, keepdims=True) + 1e-6
    everything = np.concatenate([mask, np.ones((len(x), 2), bool)], 1)
    joint = softmax(np.where(everything, logits, -np.inf))
    weights *= joint[:, :8].sum(1, keepdims=True)
    y = sum(joint[:, 8 + i, None] * ffn(p, f"fixed.{i}", x) for i in range(2))
    return y + sum(weights[:, e, None] * ffn(p, f"experts.{e}", x) for e in range(6)), mask


@pytest.mark.parametrize("policy", ["dynamic", "fixed_count", "dropped_by_position", "dropped_by_logit"])
def test_uni_moe_dynamic(build, lowering, policy):
    random = Random()
    params = random.experts(6) | {"router.weight": random(10, HIDDEN, scale=0.2)}
    for i in range(2):
        params |= {key.replace("experts.0", f"fixed.{i}"): random(*value.shape)
                   for key, value in random.experts(1).items()}
    model = build(ARCHITECTURES / "uni_moe_dynamic.mlir", params, *lowering)
    x, p = random(300, HIDDEN, scale=1), wide(params)
    shares = -np.sort(-softmax(x @ p["router.weight"].T[:, :8]))
    counts = np.full(300, 2) if policy == "fixed_count" else (np.cumsum(shares, 1) < 0.7).sum(1) + 1
    drops, by_logit = policy.startswith("dropped"), policy == "dropped_by_logit"
    expected, mask = uni_moe(p, x.astype(np.float64), counts, int(np.ceil(300 / 8)) if drops else None, by_logit)
    y, ids = model.function(policy)(x)
    np.testing.assert_array_equal(np.bincount((ids >= 0).sum(1)), np.bincount(mask.sum(1)))
    chosen = np.zeros_like(mask)
    chosen[np.nonzero(ids >= 0)[0], ids[ids >= 0]] = True
    np.testing.assert_array_equal(chosen, mask)
    assert_close(y, expected)
    # All happens here: several counts, null experts, and with a limit tokens that got less.
    assert mask[:, 6:].any() and (policy == "fixed_count" or len(set(counts)) > 3)
    assert (mask.sum(1) < counts).any() == drops
    # Nothing is dispatched to null experts, and without them the mixture is another.
    without = {key: value.copy() for key, value in p.items()}
    without["router.weight"][6:8] *= -1
    with pytest.raises(AssertionError):
        assert_close(y, uni_moe(without, x.astype(np.float64), counts)[0], 1e-2)


def test_uni_moe_dispatches_no_null_experts():
    assert "moe.plan {others = 2 : i64}" in text_after("dispatch", ARCHITECTURES / "uni_moe_dynamic.mlir")
