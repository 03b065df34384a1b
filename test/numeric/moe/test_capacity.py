"""Capacities, expert choice and aliases, where tokens depend on each other or two experts are one: against
loops that admit one choice after the other, and routers that drop tokens as their own code has it."""

import functools
import math
from typing import NamedTuple

import numpy as np
import pytest

from engines import ENGINES, REFERENCES, Call, Router
from families import softmax

EXPERTS, K = 12, 3
ALIAS = [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 4]
TOKENS = (0, 1, 2, 29, 120)


class Limit(NamedTuple):
    capacity: float
    unit: str = "tokens"
    least: int = 0
    scope: str = "global"
    priority: str = "position"
    order: str = "k_major"
    light: int = 0
    share: float = 0.0
    late: bool = False
    alias: bool = False
    choice: bool = False
    score: str = "sigmoid"
    eps: float = 1e-6
    scale: float = 2.0

    @property
    def k(self):
        return EXPERTS if self.choice else K

    @property
    def attribute(self):
        words = [f"k = {self.k}", f"score = {self.score}"]
        if self.choice:
            words.append("policy = expert_choice")
        words += ["renorm = sum", f"eps = {self.eps:.17e} : f64", f"scale = {self.scale} : f64"]
        words += [f"capacity = {self.capacity:.17e} : f64", f"capacity_unit = {self.unit}"]
        words += [f"capacity_min = {self.least}", f"capacity_scope = {self.scope}"]
        words += [f"priority = {self.priority}", f"drop_order = {self.order}"]
        if self.light:
            words += [f"light_experts = {self.light}", f"light_share = {self.share:.17e} : f64"]
        words.append(f"renorm_after_drop = {str(self.late).lower()}")
        words.append(f"dedupe = {'sum' if self.alias else 'none'}")
        return f"#moe.routing<{', '.join(words)}>"

    def of(self, expert, tokens):
        """What an expert may take of so many tokens."""
        exact = self.capacity
        if self.unit == "fraction":
            exact = self.capacity * tokens
        if self.unit == "factor":
            parts = EXPERTS
            factor = self.capacity
            if self.light:
                parts = self.share * (EXPERTS - self.light) + self.light
                factor *= self.share if expert < EXPERTS - self.light else 1
            exact = factor * tokens / parts
        if self.choice:
            return max(1, self.least, math.floor(exact))
        return max(self.least, math.ceil(exact))


    def router(self, name):
        alias = f"alias = array<i32: {', '.join(map(str, ALIAS))}>" if self.alias else ""
        operands = ("sequence",) if self.scope == "sequence" else ()
        return Router(name, EXPERTS, self.k, self.attribute, operands, alias)

    def __str__(self):
        """What is not as by default."""
        return "-".join(f"{name}={value}" for name, value in self._asdict().items()
                        if value != self._field_defaults.get(name))


LIMITS = [
    Limit(5),
    Limit(5, order="token_major"),
    Limit(4, priority="prob"),
    Limit(4, priority="prob", order="token_major"),
    Limit(0.1, "fraction", late=True, priority="prob"),
    Limit(1.25, "factor", scope="sequence"),
    Limit(1.25, "factor", 2, "sequence", "prob", late=True),
    Limit(2.0, "factor", light=4, share=0.75),
    Limit(6, alias=True),
    Limit(1000, alias=True, late=True),
    Limit(7, choice=True),
    Limit(0.3, "fraction", choice=True),
    Limit(0.3, "fraction", scope="sequence", choice=True),
    Limit(1.5, "factor", 3, choice=True),
]
# Each parameter with each other.
LIMITS += [
    Limit(amount, unit, 0, scope, priority, order, late=late, score="softmax", eps=0.0, scale=1.0)
    for amount, unit in ((1.0, "factor"), (0.25, "fraction"))
    for scope in ("global", "sequence")
    for priority in ("position", "prob")
    for order in ("k_major", "token_major")
    for late in (False, True)
]


def draw(tokens, seed=0):
    """Logits that prefer the first experts, with some tokens that are equal, and the sequences of a step:
    neighbours, of different lengths."""
    random = np.random.default_rng(seed + tokens)
    logits = random.normal(0, 1.5, (tokens, EXPERTS)) + np.linspace(1.5, 0, EXPERTS)
    half = logits[tokens // 2 : tokens // 2 + 3]
    half[...] = logits[: len(half)]
    sequence = np.repeat(np.int32([3, 0, 3]), [tokens - tokens // 2, tokens // 4, tokens])[:tokens]
    return logits.astype(np.float32), np.ascontiguousarray(sequence)


def scopes(scope, sequence):
    if scope == "global" or not len(sequence):
        return [range(len(sequence))]
    cuts = [0, *(np.flatnonzero(np.diff(sequence)) + 1), len(sequence)]
    return [range(a, b) for a, b in zip(cuts, cuts[1:])]


def expected(limit, logits, sequence):
    """One choice after the other, as long as its expert has room."""
    wide = logits.astype(np.float64)
    scores = softmax(wide) if limit.score == "softmax" else 1 / (1 + np.exp(-wide))
    tokens = len(logits)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    chosen = [
        {(j, e): scores[t, e] for j, e in enumerate(range(EXPERTS) if limit.choice else order[t])}
        for t in range(tokens)
    ]

    def normalise():
        for of in chosen:
            total = sum(of.values()) + limit.eps
            for pair in of:
                of[pair] = limit.scale * of[pair] / total

    if not limit.late and not limit.choice:
        normalise()
    for scope in scopes(limit.scope, sequence):
        if limit.choice:
            for e in range(EXPERTS):
                ranked = sorted(scope, key=lambda t: (-scores[t, e], t))
                for t in ranked[limit.of(e, len(scope)) :]:
                    del chosen[t][e, e]
            continue
        pairs = [(t, j, e) for t in scope for j, e in chosen[t]]
        pairs.sort(
            key=lambda p: (
                p[1] if limit.order == "k_major" else 0,
                -chosen[p[0]][p[1], p[2]] if limit.priority == "prob" else 0,
                p[0],
                p[1],
            )
        )
        taken = [0] * EXPERTS
        for t, j, e in pairs:
            taken[e] += 1
            if taken[e] > limit.of(e, len(scope)):
                del chosen[t][j, e]
    if limit.late or limit.choice:
        normalise()
    ids = np.full((tokens, limit.k), -1)
    weights = np.zeros(ids.shape)
    for t, of in enumerate(chosen):
        for (j, e), weight in of.items():
            name = ALIAS[e] if limit.alias else e
            same = np.flatnonzero(ids[t] == name)
            slot = same[0] if limit.alias and len(same) else j
            ids[t, slot] = name
            weights[t, slot] += weight
    return ids, weights


@functools.lru_cache(maxsize=None)
def results(engine):
    calls = []
    for number, limit in enumerate(LIMITS):
        for tokens in TOKENS:
            logits, sequence = draw(tokens)
            calls.append(Call(limit.router(f"limit_{number}"), logits, {"sequence": sequence}))
    return engine.run(calls)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
@pytest.mark.parametrize("number", range(len(LIMITS)), ids=map(str, LIMITS))
def test_against_loops(engine, number):
    limit, dropped, kept = LIMITS[number], False, False
    for at, tokens in enumerate(TOKENS):
        ids, weights = results(engine)[number * len(TOKENS) + at]
        right, right_weights = expected(limit, *draw(tokens))
        assert np.array_equal(ids, right)
        assert np.abs(weights - right_weights).max(initial=0) <= 1e-6 * limit.scale
        dropped |= bool((right < 0).any())
        kept |= bool((right >= 0).any())
    assert dropped and kept


def test_every_parameter_of_a_capacity_matters():
    """Each of them, changed alone, changes what is kept or how it weighs."""
    logits, sequence = draw(40)
    base = Limit(3.0)
    ids, w = expected(base, logits, sequence)
    for change in (dict(capacity=4.0), dict(unit="factor"), dict(least=9), dict(scope="sequence"),
                   dict(priority="prob"), dict(order="token_major"), dict(late=True), dict(alias=True),
                   dict(choice=True)):
        other_ids, other_w = expected(base._replace(**change), logits, sequence)
        assert not np.array_equal(ids, other_ids) or np.abs(w - other_w).max() > 1e-3, change
    light = Limit(1.0, "factor", light=4, share=0.75)
    for change in (dict(light=2), dict(share=0.5)):
        assert not np.array_equal(expected(light, logits, sequence)[0],
                                  expected(light._replace(**change), logits, sequence)[0]), change


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
    logits, sequence = draw(40)
    router = Router(
        "switch", EXPERTS, 1,
        f"#moe.routing<k = 1, capacity = {capacity}.0 : f64, capacity_scope = sequence>",
        ("sequence",),
    )
    ids, weights = run(router, logits, sequence=sequence)
    for of in map(list, scopes("sequence", sequence)):
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
    logits, _ = draw(40)
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
