"""Capacity, expert choice and alias against brute force: what a token gets
depends on the tokens beside it, or two experts are one."""

import math
import subprocess
from typing import NamedTuple

import numpy as np
import pytest

from harness import build, call, guarded, machines, moe_opt
from models import memref

FAST = ("-moe-cpu-lower-routing",)
GENERIC = ("-moe-lower-to-linalg", "-convert-linalg-to-loops")
EXPERTS, K = 12, 3
ALIAS = [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 4]

on_variants = pytest.mark.parametrize(
    "machine, passes",
    [(machine, FAST) for machine in machines()] + [(machines()[1], GENERIC)],
    ids=[machine.name for machine in machines()] + ["generic"],
)


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

    @property
    def k(self):
        return EXPERTS if self.choice else K

    @property
    def attribute(self):
        words = [f"k = {self.k}", "score = sigmoid"]
        if self.choice:
            words.append("policy = expert_choice")
        words += ["renorm = sum", "eps = 1.0e-6 : f64", "scale = 2.0 : f64"]
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


def text(number):
    limit = LIMITS[number]
    l, s = memref(None, EXPERTS), memref(None, element="i32")
    i, w = memref(None, limit.k, element="i32"), memref(None, limit.k)
    sequence = f"sequence(%s : {s})" if limit.scope == "sequence" else ""
    alias = f"alias = array<i32: {', '.join(map(str, ALIAS))}>, " if limit.alias else ""
    return f"""
    func.func @route_{number}(%l: {l}, %s: {s}, %i: {i}, %w: {w}) {{
      moe.route {{{alias}routing = {limit.attribute}}} ins(%l : {l}) {sequence}
        outs(%i, %w : {i}, {w})
      return
    }}"""


def scopes(limit, sequence):
    if limit.scope == "global" or not len(sequence):
        return [range(len(sequence))]
    cuts = [0, *(np.flatnonzero(np.diff(sequence)) + 1), len(sequence)]
    return [range(a, b) for a, b in zip(cuts, cuts[1:])]


def expected(limit, logits, sequence):
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    tokens = len(logits)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    chosen = [
        {(j, e): scores[t, e] for j, e in enumerate(range(EXPERTS) if limit.choice else order[t])}
        for t in range(tokens)
    ]

    def normalise():
        for of in chosen:
            total = sum(of.values()) + 1e-6
            for pair in of:
                of[pair] = 2 * of[pair] / total

    if not limit.late and not limit.choice:
        normalise()
    for scope in scopes(limit, sequence):
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


@on_variants
@pytest.mark.parametrize("number", range(len(LIMITS)), ids=map(str, LIMITS))
def test_against_brute_force(machine, passes, number):
    limit = LIMITS[number]
    library = build("".join(map(text, range(len(LIMITS)))), machine, passes)
    dropped = False
    for tokens in (0, 1, 2, 29, 200):
        random = np.random.default_rng(tokens)
        logits = random.normal(0, 1.5, (tokens, EXPERTS)).astype(np.float32)
        sequence = np.repeat(np.int32([3, 0, 3]), [tokens - tokens // 2, tokens // 4, 200])
        sequence = np.ascontiguousarray(sequence[:tokens])
        ids = guarded(np.full((tokens, limit.k), -7, np.int32))
        weights = guarded(np.full(ids.shape, np.nan, np.float32))
        call(library, f"route_{number}", guarded(logits), guarded(sequence), ids, weights)
        right, right_weights = expected(limit, logits, sequence)
        assert np.array_equal(ids, right)
        assert np.abs(weights - right_weights).max(initial=0) <= 2e-6
        dropped |= bool((right < 0).any())
    assert dropped


def test_a_mask_of_classes_has_a_limit():
    """Larger than what a task keeps on its stack."""
    mask = ", ".join(["true"] * (8 * 8193))
    module = f"""
    func.func @f(%l: tensor<?x8xf32>, %c: tensor<?xi32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {{
      %0:2 = moe.route {{class_mask = array<i1: {mask}>, routing = #moe.routing<k = 2>}}
        ins(%l : tensor<?x8xf32>) class_id(%c : tensor<?xi32>)
        outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
      return
    }}"""
    command = [moe_opt(), "-", "-moe-check-support"]
    done = subprocess.run(command, input=module, capture_output=True, text=True)
    assert done.returncode == 1
    assert "[MOE0321]" in done.stderr
    assert "a class_mask of at most 65536 entries" in done.stderr
