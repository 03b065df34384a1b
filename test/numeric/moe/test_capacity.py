"""Capacities and expert choice, where tokens depend on each other: against
loops that admit one choice after the other, and routers that drop tokens as
their own code has it."""

import functools
import itertools
import math

import numpy as np
import pytest

from engines import ENGINES, REFERENCES, Call, Router
from families import softmax, topk

EXPERTS, K = 6, 2
TOKENS = 40
# Sequences of a step: neighbours, of different lengths.
SEQUENCE = np.repeat(np.int32([4, 0, 7, 2]), [1, 15, 20, 4])


def draw(seed, tokens=TOKENS):
    """Logits that prefer the first experts, with some tokens that are equal."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1, (tokens, EXPERTS)) + np.linspace(1.5, 0, EXPERTS)
    logits[tokens // 2 : tokens // 2 + 3] = logits[:3]
    return logits.astype(np.float32)


def capacity_of(amount, unit, tokens):
    if unit == "tokens":
        return math.floor(amount)
    share = amount if unit == "fraction" else amount / EXPERTS
    return math.ceil(share * tokens)


def admit(logits, sequence, amount, unit, scope, priority, order, after):
    """One choice after the other, as long as its expert has room."""
    w, ids = topk(softmax(logits.astype(np.float64)), K)
    ids = ids.astype(np.int32)
    if not after:
        w = w / w.sum(-1, keepdims=True)
    scopes = [range(len(logits))]
    if scope == "sequence":
        starts = np.flatnonzero(np.diff(sequence, prepend=-1))
        ends = [*starts[1:], len(logits)]
        scopes = [range(a, b) for a, b in zip(starts, ends)]
    kept = np.zeros(ids.shape, bool)
    for tokens in scopes:
        room = [capacity_of(amount, unit, len(tokens))] * EXPERTS
        choices = list(itertools.product(tokens, range(K)))
        place = {
            ("position", "k_major"): lambda c: (c[1], c[0]),
            ("position", "token_major"): lambda c: c,
            ("prob", "k_major"): lambda c: (c[1], -w[c], c[0]),
            ("prob", "token_major"): lambda c: (-w[c], *c),
        }[priority, order]
        for choice in sorted(choices, key=place):
            if room[ids[choice]] > 0:
                room[ids[choice]] -= 1
                kept[choice] = True
    w = np.where(kept, w, 0)
    if after:
        with np.errstate(invalid="ignore"):
            w = np.where(kept, w / w.sum(-1, keepdims=True), 0)
    return np.where(kept, ids, -1), w


FORMS = [
    (amount, unit, scope, priority, order, after)
    for amount, unit in ((3.0, "tokens"), (1.0, "factor"), (0.25, "fraction"))
    for scope in ("global", "sequence")
    for priority in ("position", "prob")
    for order in ("k_major", "token_major")
    for after in (False, True)
]


def attribute(amount, unit, scope, priority, order, after):
    return (
        f"#moe.routing<k = {K}, renorm = sum, capacity = {amount} : f64,"
        f" capacity_unit = {unit}, capacity_scope = {scope}, priority = {priority},"
        f" drop_order = {order}, renorm_after_drop = {str(after).lower()}>"
    )


@functools.lru_cache(maxsize=None)
def results(engine):
    calls = [
        Call(
            Router(
                f"form_{i}", EXPERTS, K, attribute(*form),
                ("sequence",) if "sequence" in form else (),
            ),
            draw(i),
            {"sequence": SEQUENCE},
        )
        for i, form in enumerate(FORMS)
    ]
    return engine.run(calls)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
@pytest.mark.parametrize("number", range(len(FORMS)), ids=lambda i: "-".join(map(str, FORMS[i])))
def test_capacity(engine, number):
    ids, weights = results(engine)[number]
    expected, expected_weights = admit(draw(number), SEQUENCE, *FORMS[number])
    assert (expected < 0).any() and (expected >= 0).any()
    assert np.array_equal(ids, expected)
    assert np.abs(weights - expected_weights).max() <= 1e-6


def test_every_parameter_of_a_capacity_matters():
    """Each of them, flipped alone, changes what is kept or how it weighs."""
    logits = draw(0)
    base = (3.0, "tokens", "global", "position", "k_major", False)
    ids, w = admit(logits, SEQUENCE, *base)
    for i, other in enumerate((4.0, "factor", "sequence", "prob", "token_major", True)):
        flipped = base[:i] + (other,) + base[i + 1 :]
        other_ids, other_w = admit(logits, SEQUENCE, *flipped)
        assert not np.array_equal(ids, other_ids) or np.abs(w - other_w).max() > 1e-3


def run(router, logits, **operands):
    ((ids, weights),) = REFERENCES[1].run([Call(router, logits, operands)])
    return ids, weights


def switch(logits, capacity):
    """Of one sequence, before the capacity of later versions lost its effect:
    a token stays while the running count of its expert is within capacity."""
    p = softmax(logits)
    index = p.argmax(-1)
    mask = np.eye(EXPERTS, dtype=int)[index]
    mask = mask * (np.cumsum(mask, axis=0) <= capacity)
    kept = mask.any(-1)
    return np.where(kept, index, -1), np.where(kept, p.max(-1), 0)


@pytest.mark.parametrize("capacity", (1, 2, 4, 100))
def test_switch_drops_by_position_in_each_sequence(capacity):
    logits = draw(3)
    router = Router(
        "switch", EXPERTS, 1,
        f"#moe.routing<k = 1, capacity = {capacity}.0 : f64, capacity_scope = sequence>",
        ("sequence",),
    )
    ids, weights = run(router, logits, sequence=SEQUENCE)
    for name in np.unique(SEQUENCE):
        of = SEQUENCE == name
        expected, expected_weights = switch(logits[of].astype(np.float64), capacity)
        assert np.array_equal(ids[of, 0], expected)
        assert np.abs(weights[of, 0] - expected_weights).max() <= 1e-6
    assert (ids < 0).any() == (capacity < 100)


def nllb(logits, capacity):
    """Second choices stand in line behind all first ones; what is left is
    renormalised after the drop."""
    p = softmax(logits)
    first = np.eye(EXPERTS, dtype=int)[p.argmax(-1)]
    second = np.eye(EXPERTS, dtype=int)[np.where(first, -np.inf, logits).argmax(-1)]
    place_1 = (np.cumsum(first, 0) - 1) * first
    place_2 = (np.cumsum(second, 0) - 1 + first.sum(0)) * second
    first, second = first * (place_1 < capacity), second * (place_2 < capacity)
    gates = np.stack([(p * first).sum(1), (p * second).sum(1)], 1)
    gates = gates / np.maximum(gates.sum(1, keepdims=True), np.finfo(np.float32).eps)
    ids = np.stack([np.where(m.any(1), m.argmax(1), -1) for m in (first, second)], 1)
    return ids, gates


@pytest.mark.parametrize("capacity", (2, 8, 40))
def test_nllb_renormalises_after_the_drop(capacity):
    logits = draw(5)
    eps = float(np.finfo(np.float32).eps)
    router = Router(
        "nllb", EXPERTS, 2,
        f"#moe.routing<k = 2, renorm = sum, eps_mode = clamp, eps = {eps:.17e} : f64,"
        f" capacity = {capacity}.0 : f64, renorm_after_drop = true>",
    )
    ids, weights = run(router, logits)
    expected, expected_weights = nllb(logits.astype(np.float64), capacity)
    assert np.array_equal(ids, expected)
    assert np.abs(weights - expected_weights).max() <= 1e-6


def test_experts_that_compute_little_keep_more():
    """MoE++ as published: of 1.1 * T choices, experts with weights take a share of
    0.75 each, those without 1."""
    experts, light, tau, gamma, tokens = EXPERTS, 2, 0.75, 1.1, TOKENS
    router = Router(
        "light", experts, 2,
        f"#moe.routing<k = 2, capacity = {gamma} : f64, capacity_unit = factor,"
        f" light_experts = {light}, light_share = {tau} : f64>",
    )
    ids, _ = run(router, draw(8)[:, ::-1].copy())
    parts = tau * (experts - light) + light
    limits = [math.ceil(tau * gamma * tokens / parts)] * (experts - light)
    limits += [math.ceil(gamma * tokens / parts)] * light
    counts = np.bincount(ids[ids >= 0], minlength=experts)
    assert (counts <= limits).all() and (counts == limits).any()


@pytest.mark.parametrize("scope", ("global", "sequence"))
def test_experts_choose_tokens(scope):
    """Mixture of recursions: the largest keys of each sequence, the earliest
    among equals."""
    logits = draw(9)
    router = Router(
        "choice", EXPERTS, EXPERTS,
        f"#moe.routing<k = {EXPERTS}, policy = expert_choice, score = sigmoid,"
        f" capacity = 0.3 : f64, capacity_unit = fraction, capacity_scope = {scope},"
        " scale = 0.1 : f64>",
        ("sequence",) if scope == "sequence" else (),
    )
    ids, weights = run(router, logits, sequence=SEQUENCE)
    found = np.zeros((TOKENS, EXPERTS))
    for t, row in enumerate(ids):
        for e, w in zip(row, weights[t]):
            if e >= 0:
                found[t, e] = w
    p = 0.1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = np.zeros_like(found)
    names = SEQUENCE if scope == "sequence" else np.zeros(TOKENS, int)
    for name in np.unique(names):
        (of,) = np.nonzero(names == name)
        for e in range(EXPERTS):
            best = of[np.argsort(-logits[of, e], kind="stable")]
            best = best[: max(1, int(0.3 * len(of)))]
            expected[best, e] = p[best, e]
    assert np.abs(found - expected).max() <= 1e-6
