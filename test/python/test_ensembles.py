"""Ensembles and other architectures without a sparse choice: SADE, HDEE, HoME, MultiModN, against their formulas in f64."""

import numpy as np

from conftest import ARCHITECTURES, text_after
from formulas import HIDDEN, WIDTH, Random, relative_error, sigmoid, silu, softmax, wide

TOKENS, CLASSES = 37, 40


# SADE -------------------------------------------------------------------------


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def sade_params(random, mixture):
    params = {"stem.weight": random(48, HIDDEN)}
    for i in range(3):
        params |= {f"branch.{i}.weight": random(WIDTH, 48), f"head.{i}.weight": unit(random(CLASSES, WIDTH)),
                   f"mixture.{i}": np.array([mixture[i]], np.float32)}
    return params


def sade_logits(p, x):
    """Of each expert: 30 times the cosines."""
    stem = np.maximum(x @ p["stem.weight"].T, 0)
    features = [np.maximum(stem @ p[f"branch.{i}.weight"].T, 0) for i in range(3)]
    return np.array([30 * unit(f) @ p[f"head.{i}.weight"].T for i, f in enumerate(features)])


def agreement(v, first, second):
    """The mean cosine of what a mixture says of two views."""
    w = softmax(v)[:, None, None]
    return (unit(softmax((w * first).sum(0))) * unit(softmax((w * second).sum(0)))).sum(1).mean()


def adapted(first, second, epochs=5, batch=32):
    """The mixture that test-time training on frozen logits finds: SGD of rate 0.1 with Nesterov momentum 0.9 and
    decay 5e-4, which maximises the agreement of two views."""
    v, velocity = np.full(3, 1 / 3), np.zeros(3)
    for _ in range(epochs):
        for at in range(0, first.shape[1], batch):
            views = first[:, at:at + batch], second[:, at:at + batch]
            steps = 1e-5 * np.eye(3)
            slope = np.array([agreement(v + d, *views) - agreement(v - d, *views) for d in steps]) / 2e-5
            gradient = 5e-4 * v - slope
            velocity = 0.9 * velocity + gradient
            v = v - 0.1 * (gradient + 0.9 * velocity)
    return softmax(v)


def test_sade(build, lowering):
    random = Random()
    mixture = softmax(np.array([0.3, -1.0, 0.8])).astype(np.float32)
    params = sade_params(random, mixture)
    model, p = build(ARCHITECTURES / "sade.mlir", params, *lowering), wide(params)
    x = random(TOKENS, HIDDEN, scale=1)
    each = sade_logits(p, x.astype(np.float64))
    for actual, expected in zip(model.function("logits")(x), each):
        assert relative_error(actual, expected) <= 5e-6
    assert relative_error(model.function("plain")(x), each.mean(0)) <= 5e-6
    mixed = model.function("mixed")(x, *[np.full((TOKENS, 1), m, np.float32) for m in mixture])
    expected = (mixture[:, None, None] * each).sum(0)
    assert relative_error(mixed, expected) <= 5e-6
    # Heads side by side are the weighted sum of the heads.
    assert np.abs(model.function("folded")(x) - mixed).max() <= 1e-5
    # A mixture of its own for each row.
    own = softmax(random.generator.standard_normal((TOKENS, 3))).astype(np.float32)
    actual = model.function("mixed")(x, *[own[:, i:i + 1].copy() for i in range(3)])
    assert relative_error(actual, (own.T[:, :, None] * each).sum(0)) <= 5e-6


def test_sade_learns_its_mixture(build):
    """On the artifact's logits as on those of the formulas; an expert that disagrees with itself loses."""
    random = Random()
    params = sade_params(random, np.full(3, 1 / 3))
    # The second branch lives on what differs between the views.
    params["branch.1.weight"] = random(WIDTH, 48, scale=3)
    p = wide(params)
    clean = random(256, HIDDEN, scale=1)
    views = [clean + random(256, HIDDEN, scale=0.5) for _ in range(2)]
    logits = build(ARCHITECTURES / "sade.mlir", params).function("logits")
    learned = adapted(*[np.array(logits(view), np.float64) for view in views])
    expected = adapted(*[sade_logits(p, view.astype(np.float64)) for view in views])
    assert np.abs(learned - expected).max() <= 0.02
    assert np.abs(learned - 1 / 3).max() > 0.02


def test_sade_without_an_expert(build):
    """A mixture that gives an expert less than 0.05 says nearly the same without it, at a smaller product."""
    random = Random()
    mixture = np.array([0.58, 0.004, 0.416])
    params = sade_params(random, mixture)
    model = build(ARCHITECTURES / "sade.mlir", params, "--max-step-tokens", "1024")
    x = random(1000, HIDDEN, scale=1)
    whole, pruned = model.function("folded")(x), model.function("pruned")(x)
    assert (whole.argmax(1) == pruned.argmax(1)).mean() >= 0.995
    each = sade_logits(wide(params), x.astype(np.float64))
    assert relative_error(pruned, mixture[0] * each[0] + mixture[2] * each[2]) <= 5e-6


# HDEE -------------------------------------------------------------------------


def log_softmax(x):
    return x - x.max(-1, keepdims=True) - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True))


def hdee_params(random):
    params = {}
    for i, width in enumerate((16, 24, 32)):
        params |= {f"model.{i}.embedding": random(CLASSES, width, scale=1),
                   f"model.{i}.hidden": random(2 * width, width),
                   f"model.{i}.output": random(CLASSES, 2 * width)}
    return params


def columns(values):
    """[E, B] as one column for each expert."""
    return [row[:, None].astype(np.float32) for row in values]


def test_hdee_experts(build, lowering):
    params = hdee_params(Random())
    p, experts = wide(params), build(ARCHITECTURES / "hdee.mlir", params, *lowering).function("experts")
    ids = np.arange(CLASSES, dtype=np.int32)[::-1].copy()
    for i, actual in enumerate(experts(ids)):
        hidden = np.maximum(p[f"model.{i}.embedding"][ids] @ p[f"model.{i}.hidden"].T, 0)
        np.testing.assert_allclose(actual, log_softmax(hidden @ p[f"model.{i}.output"].T), rtol=1e-5, atol=1e-5)


def test_hdee(build, lowering):
    """Two sequences of a thousand tokens."""
    model = build(ARCHITECTURES / "hdee.mlir", hdee_params(Random()), *lowering)
    mix, update, pruned = (model.function(name) for name in ("mix", "update", "pruned"))
    generator = np.random.default_rng(3)
    total = np.full((3, 2), np.log(1 / 3))
    state, few = columns(total), 0
    for _ in range(1000):
        given = log_softmax(generator.standard_normal((3, 2, CLASSES)) * 2).astype(np.float32)
        held = np.concatenate(state, 1).T
        expected = (np.exp(held.astype(np.float64))[:, :, None] * np.exp(given.astype(np.float64))).sum(0)
        np.testing.assert_allclose(mix(*given, *state), expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(np.exp(held.astype(np.float64)), softmax(total.T).T, atol=1e-5)
        if np.abs(held - np.log(0.001)).min() > 1e-3:
            kept = np.where(np.exp(held.astype(np.float64)) >= 0.001, np.exp(held.astype(np.float64)), 0)
            few += (kept == 0).any()
            expected = (kept[:, :, None] * np.exp(given.astype(np.float64))).sum(0) / kept.sum(0)[:, None]
            np.testing.assert_allclose(pruned(*given, *state), expected, rtol=1e-5, atol=1e-7)
        token = generator.integers(CLASSES, size=2)
        came = given[:, np.arange(2), token]
        total += came
        total -= total.max(0)
        state = update(*state, *columns(came))
    actual = np.concatenate(state, 1).T
    assert few  # Some model was left out.
    assert np.abs(np.exp(actual).sum(0) - 1).max() <= 1e-6
    np.testing.assert_allclose(np.exp(actual), softmax(total.T).T, atol=1e-5)
    mean = given.astype(np.float64).mean(0)
    np.testing.assert_allclose(model.function("simple_avg")(*given), mean, rtol=1e-6)
    assert (np.exp(mean).sum(1) < 0.99).all()  # As in the original, it is no distribution.
    average = model.function("normalised_avg")(*given)
    np.testing.assert_allclose(average, log_softmax(mean), rtol=1e-5, atol=1e-5)


def test_hdee_learns_its_prior(build, lowering):
    """From a hundred sequences each of two domains, with the decay of the original."""
    prior = build(ARCHITECTURES / "hdee.mlir", hdee_params(Random()), *lowering).function("prior")
    generator = np.random.default_rng(4)
    expected = np.zeros((3, 2))  # The original begins with 0, not with the logarithms of shares.
    state = columns(expected)
    for n in range(100):
        likelihood = (generator.standard_normal((3, 2)) - [[0.0, 1.0], [0.3, 0.0], [1.0, 0.5]]).astype(np.float32)
        posterior = log_softmax((likelihood + expected).T).T
        most = expected.max(0)
        expected = np.log(0.3 ** (n + 1) * np.exp(expected - most) + np.exp(posterior - most)) + most
        state = prior(*state, *columns(likelihood), np.full((2, 1), 0.3 ** (n + 1), np.float32))
    actual = np.concatenate(state, 1).T
    np.testing.assert_allclose(softmax(actual.T.astype(np.float64)), softmax(expected.T), rtol=0, atol=1e-5)


# HoME, MultiModN --------------------------------------------------------------


def home_params(random):
    """Folded for the checkpoint, and the batch norms as they were: g (W x - mean) / sqrt(variance) + b."""
    params, norms, both = {}, {}, 2 * WIDTH
    first = ["meta.shared", "meta.group.0", "meta.group.1"]
    second = ["shared", "group.0", "group.1"] + [f"task.{t}" for t in range(4)]
    for name in first + second:
        weight, gain, mean, shift = (value.astype(np.float64) for value in (
            random(WIDTH, HIDDEN if name in first else both), 1 + random(WIDTH, scale=0.2), random(WIDTH), random(WIDTH)))
        gain = gain / np.sqrt(0.5 + random.generator.random(WIDTH))
        norms[name] = weight, gain, mean, shift
        params[f"{name}.weight"] = (weight * gain[:, None]).astype(np.float32)
        params[f"{name}.bias"] = (shift - gain * mean).astype(np.float32)
    params |= {"meta.gate.shared": random(3, HIDDEN), "meta.gate.0": random(2, HIDDEN), "meta.gate.1": random(2, HIDDEN)}
    for t in range(4):
        params |= {f"task.{t}.feature.a": random(8, both), f"task.{t}.feature.b": random(both, 8),
                   f"task.{t}.self": random(1, both), f"task.{t}.gate": random(3, both),
                   f"task.{t}.tower": random(1, WIDTH, scale=0.5)}
    return params, norms


def home(p, norms, v):
    def expert(name, x):
        weight, gain, mean, shift = norms[name]
        return silu((x @ weight.T - mean) * gain + shift)

    def mixed(gate, parts):
        return sum(share[:, None] * part for share, part in zip(softmax(gate).T, parts))

    shared, groups = expert("meta.shared", v), [expert(f"meta.group.{g}", v) for g in range(2)]
    everyone = mixed(v @ p["meta.gate.shared"].T, [shared, *groups])
    for t in range(4):
        g = t // 2
        z = np.concatenate([everyone, mixed(v @ p[f"meta.gate.{g}"].T, [shared, groups[g]])], 1)
        x = z * 2 * sigmoid(z @ p[f"task.{t}.feature.a"].T @ p[f"task.{t}.feature.b"].T)
        own = expert(f"task.{t}", x) * sigmoid(z @ p[f"task.{t}.self"].T)
        y = mixed(z @ p[f"task.{t}.gate"].T, [expert("shared", x), expert(f"group.{g}", x), own])
        yield sigmoid(y @ p[f"task.{t}.tower"].T)


def test_home(build, lowering):
    random = Random()
    params, norms = home_params(random)
    tasks = build(ARCHITECTURES / "home.mlir", params, *lowering).function()
    v, p = random(TOKENS, HIDDEN, scale=1), wide(params)
    outputs = tasks(v)
    assert len(outputs) == 4
    for actual, expected in zip(outputs, home(p, norms, v.astype(np.float64))):
        assert relative_error(actual, expected) <= 5e-6
    # A task's output does not depend on the experts of the other group, nor on the batch.
    other = dict(params)
    for name in ("group.1.weight", "task.2.weight", "task.3.tower"):
        other[name] = -params[name]
    changed = build(ARCHITECTURES / "home.mlir", other, *lowering).function()(v)
    assert [(one == two).all() for one, two in zip(outputs, changed)] == [True, True, False, False]
    assert all(one.tobytes() == two[3:4].tobytes() for one, two in zip(tasks(v[3:4]), outputs))


def test_home_computes_the_first_level_once():
    text = text_after("dispatch", ARCHITECTURES / "home.mlir")
    products = [line.split("banks(")[1].split(" :")[0].split(", ") for line in text.split("\n") if "banks(" in line]
    for name in ("meta.shared", "meta.group.0", "meta.group.1"):
        weight = "%" + text.split(f' = moe.weight "{name}.weight"')[0].split("%")[-1]
        assert sum(weight in banks for banks in products) == 1, name


def test_multimodn(build, lowering):
    random, widths = Random(), (16, 24, 8)
    params = {"state": random(32), "decoder.0.weight": random(4, 32), "decoder.1.weight": random(2, 32)}
    for i, width in enumerate(widths):
        params |= {f"encoder.{i}.input": random(32, width), f"encoder.{i}.state": random(32, 32),
                   f"encoder.{i}.bias": random(32)}
    function = build(ARCHITECTURES / "multimodn.mlir", params, *lowering).function()
    # Every pattern of presence, in one batch; what is missing is NaN.
    patterns = np.array([[m >> i & 1 for i in range(3)] for m in range(8)], np.float32)
    inputs = [random(8, width, scale=1) for width in widths]
    p = wide(params)
    states = np.zeros((4, 8, 32))
    for sample, pattern in enumerate(patterns):
        state = p["state"]
        states[0, sample] = state
        for i in range(3):
            if pattern[i]:
                state = np.maximum(p[f"encoder.{i}.input"] @ inputs[i][sample].astype(np.float64)
                                   + p[f"encoder.{i}.state"] @ state + p[f"encoder.{i}.bias"], 0)
            else:
                inputs[i][sample] = np.nan
            states[i + 1, sample] = state
    outputs = function(*inputs, *[patterns[:, i:i + 1].copy() for i in range(3)])
    assert len(outputs) == 8  # Each state has an answer of each decoder.
    for n, actual in enumerate(outputs):
        assert relative_error(actual, states[n // 2] @ p[f"decoder.{n % 2}.weight"].T) <= 1e-6
    # A sample without a modality keeps its state, to the bit, and all decoders read all states.
    for sample, pattern in enumerate(patterns):
        for i in range(3):
            for d in range(2):
                same = outputs[2 * i + 2 + d][sample].tobytes() == outputs[2 * i + d][sample].tobytes()
                assert same == (not pattern[i])
    # With everything present it is the composition of the encoders, whatever else is in the batch.
    alone = function(*[x[7:] for x in inputs], *[patterns[7:, i:i + 1].copy() for i in range(3)])
    assert all(one[0].tobytes() == output[7].tobytes() for one, output in zip(alone, outputs))
