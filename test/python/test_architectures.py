"""The architectures in examples/architectures/, compiled as a user would, against their formulas.

Each oracle is written in f64 from the paper's equations, not from the module.
"""

import pathlib
import subprocess

import numpy as np
import pytest

from conftest import ARCHITECTURES, BUILD
from formulas import EXPERTS, HIDDEN, WIDTH, Random, relative_error, sigmoid, silu, softmax, top, wide

INPUTS = pathlib.Path(__file__).parent / "Inputs"
TOKENS = 37


@pytest.fixture(params=[(), ("--fallback",)], ids=["kernels", "generic"])
def lowering(request):
    return request.param


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


def test_chain_of_experts(build, lowering):
    random = Random()
    params = random.experts() | {f"router.{i}.weight": random(EXPERTS, HIDDEN, scale=0.5)
                                 for i in range(2)}
    model = build(ARCHITECTURES / "chain_of_experts.mlir", params, *lowering)
    x, p = random(TOKENS, HIDDEN, scale=1), wide(params)

    def chain(*routers):
        y = x.astype(np.float64)
        for i in routers:
            y = y + routed(p, y, y @ p[f"router.{i}.weight"].T, 4)
        return y

    layer = model.function("layer", threads=2)
    y = layer(x)
    assert_close(y, chain(0, 1), 1e-5)
    # One router for both iterations is another model.
    with pytest.raises(AssertionError):
        assert_close(y, chain(0, 0), 1e-2)
    assert pieces(layer, x, 5, 6).tobytes() == y.tobytes()
    assert model.function("layer", threads=1)(x).tobytes() == y.tobytes()

    # A chain of one is the ordinary layer, to the bit.
    del params["router.1.weight"]
    one = build(INPUTS / "chain_of_one.mlir", params, *lowering)
    assert model.function("one_iteration")(x).tobytes() == one.function()(x).tobytes()


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
    """Ids flip exactly where the order of two logits does, on pairs that straddle a boundary."""
    random = Random()
    params = {f"experts.{e}.a": random(24, HIDDEN) for e in range(8)}
    params |= {"beta1": random(8, HIDDEN), "beta0": np.zeros(8, np.float32),
               "minus_beta0": np.zeros(8, np.float32)}
    function = build(ARCHITECTURES / "top_k_gating.mlir", params).function()
    p, x = wide(params), random(500, HIDDEN, scale=1).astype(np.float64)
    ranked = np.argsort(-(x @ p["beta1"].T), kind="stable")
    normal = p["beta1"][ranked[:, 2]] - p["beta1"][ranked[:, 3]]
    gap = (normal * x).sum(1, keepdims=True) / (normal ** 2).sum(1, keepdims=True)
    for side in (1e-3, -1e-3):
        beside = (x - (gap - side) * normal).astype(np.float32)
        affine = beside.astype(np.float64) @ p["beta1"].T
        chosen = top(affine, 3)
        weights = softmax(np.take_along_axis(affine, chosen, 1))
        expected = np.array([sum(w * (p[f"experts.{e}.a"] @ beside[t]) for w, e in zip(ws, es))
                             for t, (ws, es) in enumerate(zip(weights, chosen))])
        # A wrong set changes its row by far more.
        actual = function(beside)
        rows = np.linalg.norm(actual - expected, axis=1) / np.linalg.norm(expected, axis=1)
        assert rows.max() < 1e-4


def test_sade(build, lowering):
    random = Random()
    params = {f"head.{i}.weight": random(40, HIDDEN) for i in range(3)}
    mixture = softmax(np.array([0.3, -1.0, 0.8])).astype(np.float32)
    params["head.folded.weight"] = sum(
        m * params[f"head.{i}.weight"].astype(np.float64) for i, m in enumerate(mixture)
    ).astype(np.float32)
    model = build(ARCHITECTURES / "sade.mlir", params, *lowering)
    x, p = random(TOKENS, HIDDEN, scale=1), wide(params)
    columns = [np.full((TOKENS, 1), m, np.float32) for m in mixture]
    mixed = model.function("mixed")(x, *columns)
    assert_close(mixed, sum(m * (x @ p[f"head.{i}.weight"].T) for i, m in enumerate(mixture)))
    assert np.abs(model.function("folded")(x) - mixed).max() <= 1e-5


def test_hdee(build, lowering):
    model = build(ARCHITECTURES / "hdee.mlir", None, *lowering)
    mix, update = model.function("mix"), model.function("update")
    generator = np.random.default_rng(3)
    posterior = np.full((2, 3), np.log(1 / 3))  # of two sequences
    state = [np.full((2, 1), np.log(np.float32(1 / 3)), np.float32) for _ in range(3)]
    total = posterior.copy()
    for _ in range(1000):
        logits = generator.standard_normal((3, 2, 40)) * 2
        given = np.log(softmax(logits)).astype(np.float32)
        weights = softmax(total)
        expected = sum(weights[:, e, None] * np.exp(given[e].astype(np.float64)) for e in range(3))
        actual = mix(*given, *state)
        np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=1e-6)
        token = generator.integers(40, size=2)
        came = given[:, np.arange(2), token]
        total += came.T
        total -= total.max(1, keepdims=True)
        state = update(*state, *[row[:, None].copy() for row in came])
    actual = np.concatenate(state, 1)
    assert np.abs(np.exp(actual).sum(1) - 1).max() <= 1e-6
    np.testing.assert_allclose(np.exp(actual), softmax(total), atol=1e-5)
    average = model.function("simple_avg")(*given)
    np.testing.assert_allclose(average, given.astype(np.float64).mean(0), rtol=1e-6)


def test_home(build, lowering):
    random = Random()
    params = {}
    for name in ("shared.0", "shared.1", "task.0", "task.1"):
        # The batch norm of an expert, folded: g (W x - mean) / sqrt(variance) + b.
        weight, gain, mean = random(WIDTH, HIDDEN), 1 + random(WIDTH, scale=0.2), random(WIDTH)
        params[f"{name}.weight"] = weight * gain[:, None]
        params[f"{name}.bias"] = random(WIDTH) - gain * mean
    for t in range(2):
        params |= {f"task.{t}.feature.a": random(8, HIDDEN), f"task.{t}.feature.b": random(HIDDEN, 8),
                   f"task.{t}.self": random(1, HIDDEN)}
        params |= {f"task.{t}.gate.{e}": random(1, HIDDEN) for e in range(3)}
    model = build(ARCHITECTURES / "home.mlir", params, *lowering)
    v, p = random(TOKENS, HIDDEN, scale=1), wide(params)

    def expert(name, x):
        return silu(x @ p[f"{name}.weight"].T + p[f"{name}.bias"])

    for t, actual in enumerate(model.function()(v)):
        x = v * 2 * sigmoid(v @ p[f"task.{t}.feature.a"].T @ p[f"task.{t}.feature.b"].T)
        own = expert(f"task.{t}", x) * sigmoid(v @ p[f"task.{t}.self"].T)
        gate = softmax(np.concatenate([v @ p[f"task.{t}.gate.{e}"].T for e in range(3)], 1))
        parts = [expert("shared.0", v), expert("shared.1", v), own]
        assert_close(actual, sum(gate[:, e, None] * part for e, part in enumerate(parts)))


def test_multimodn(build, lowering):
    random, widths = Random(), (16, 24, 8)
    params = {"state": random(32), "decoder.weight": random(4, 32)}
    for i, width in enumerate(widths):
        params |= {f"encoder.{i}.input": random(32, width), f"encoder.{i}.state": random(32, 32),
                   f"encoder.{i}.bias": random(32)}
    function = build(ARCHITECTURES / "multimodn.mlir", params, *lowering).function()
    # Every pattern of presence, in one batch; what is missing is NaN.
    patterns = np.array([[m >> i & 1 for i in range(3)] for m in range(8)], np.float32)
    inputs = [random(8, width, scale=1) for width in widths]
    p = wide(params)
    expected = np.zeros((4, 8, 4))
    for sample, pattern in enumerate(patterns):
        state = p["state"]
        expected[0, sample] = p["decoder.weight"] @ state
        for i in range(3):
            if pattern[i]:
                state = np.maximum(p[f"encoder.{i}.input"] @ inputs[i][sample].astype(np.float64)
                                   + p[f"encoder.{i}.state"] @ state + p[f"encoder.{i}.bias"], 0)
            else:
                inputs[i][sample] = np.nan
            expected[i + 1, sample] = p["decoder.weight"] @ state
    outputs = function(*inputs, *[patterns[:, i:i + 1].copy() for i in range(3)])
    for actual, wanted in zip(outputs, expected):
        assert_close(actual, wanted, 1e-6)
    # A sample that lacks everything keeps the first state, to the bit.
    assert all(output[0].tobytes() == outputs[0][0].tobytes() for output in outputs)


def test_moge(build, lowering):
    random = Random()
    params = random.experts() | {"router.weight": random(EXPERTS, HIDDEN),
                                 "router.scale": 1 + random(EXPERTS, scale=0.3)}
    params |= {name.replace("experts.0", "shared"): random(*value.shape)
               for name, value in random.experts(1).items()}
    layer = build(ARCHITECTURES / "moge.mlir", params, *lowering).function()
    x, p = random(TOKENS, HIDDEN, scale=1), wide(params)
    y, ids = layer(x)
    scores = softmax(x @ p["router.weight"].T)
    best = scores.reshape(TOKENS, 4, 4).argmax(2) + 4 * np.arange(4)
    np.testing.assert_array_equal(np.sort(ids), best)
    # Every group has one choice for each token, whatever the batch.
    np.testing.assert_array_equal(np.bincount(ids.ravel() // 4, minlength=4), [TOKENS] * 4)
    expected = ffn(p, "shared", x.astype(np.float64))
    for t, chosen in enumerate(best):
        for e in chosen:
            weight = scores[t, e] * p["router.scale"][e]
            expected[t] += weight * ffn(p, f"experts.{e}", x[t].astype(np.float64))
    assert_close(y, expected)


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


def test_moiie_leaves_rows_out(tmp_path):
    out = tmp_path / "gating.mlir"
    subprocess.run([str(BUILD / "bin" / "moec"), "-q", "compile", str(ARCHITECTURES / "moiie.mlir"), "--compile-to",
                    "gating", "-o", str(out)], check=True)
    vision = out.read_text().split("func.func @vision")[1]
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


def uni_moe(p, x, counts, room=None):
    """What the released code computes, and the mask of what was chosen."""
    logits = x @ p["router.weight"].T
    weights = np.array([uni_moe_weights(row[:8], count) for row, count in zip(logits, counts)])
    mask = weights > 0
    weights /= weights.sum(1, keepdims=True) + 1e-6
    if room:
        mask &= np.cumsum(mask, 0) <= room
        weights *= mask
        weights /= weights.sum(1, keepdims=True) + 1e-6
    everything = np.concatenate([mask, np.ones((len(x), 2), bool)], 1)
    joint = softmax(np.where(everything, logits, -np.inf))
    weights *= joint[:, :8].sum(1, keepdims=True)
    y = sum(joint[:, 8 + i, None] * ffn(p, f"fixed.{i}", x) for i in range(2))
    return y + sum(weights[:, e, None] * ffn(p, f"experts.{e}", x) for e in range(6)), mask


@pytest.mark.parametrize("name", ["dynamic", "fixed_count", "dropped"])
def test_uni_moe_dynamic(build, lowering, name):
    random = Random()
    params = random.experts(6) | {"router.weight": random(10, HIDDEN, scale=0.2)}
    for i in range(2):
        params |= {key.replace("experts.0", f"fixed.{i}"): random(*value.shape)
                   for key, value in random.experts(1).items()}
    model = build(ARCHITECTURES / "uni_moe_dynamic.mlir", params, *lowering)
    x, p = random(300, HIDDEN, scale=1), wide(params)
    shares = -np.sort(-softmax(x @ p["router.weight"].T[:, :8]))
    counts = np.full(300, 2) if name == "fixed_count" else (np.cumsum(shares, 1) < 0.7).sum(1) + 1
    expected, mask = uni_moe(p, x.astype(np.float64), counts, int(np.ceil(300 / 8)) if name == "dropped" else None)
    y, ids = model.function(name)(x)
    np.testing.assert_array_equal(np.bincount((ids >= 0).sum(1)), np.bincount(mask.sum(1)))
    chosen = np.zeros_like(mask)
    chosen[np.nonzero(ids >= 0)[0], ids[ids >= 0]] = True
    np.testing.assert_array_equal(chosen, mask)
    assert_close(y, expected)
    # All happens here: several counts, null experts, and with a limit tokens that got less.
    assert mask[:, 6:].any() and (name == "fixed_count" or len(set(counts)) > 3)
    assert (mask.sum(1) < counts).any() == (name == "dropped")
    # Nothing is dispatched to null experts, and without them the mixture is another.
    without = {key: value.copy() for key, value in p.items()}
    without["router.weight"][6:8] *= -1
    with pytest.raises(AssertionError):
        assert_close(y, uni_moe(without, x.astype(np.float64), counts)[0], 1e-2)


def test_uni_moe_dispatches_no_null_experts(tmp_path):
    out = tmp_path / "dispatch.mlir"
    subprocess.run([str(BUILD / "bin" / "moec"), "-q", "compile", str(ARCHITECTURES / "uni_moe_dynamic.mlir"),
                    "--compile-to", "dispatch", "-o", str(out)], check=True)
    assert "moe.plan {others = 2 : i64}" in out.read_text()
