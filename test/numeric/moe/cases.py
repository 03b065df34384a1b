"""Logits for the routers of families.py: 4096 tokens of each, drawn and
adversarial, with what the family's own code makes of them."""

import functools
from typing import NamedTuple

import numpy as np

from engines import VOCABULARY
from papers import FAMILIES

TOKENS = 4096
MINUS_INF = -np.inf


class Case(NamedTuple):
    """Tokens of one kind. `exact`: the outcome depends on rounding to f32 and is
    judged by the family's code in f32, not in f64."""

    name: str
    logits: np.ndarray
    ids: np.ndarray
    weights: np.ndarray
    operands: dict

    def accepts(self, ids, weights):
        """Ids equal, weights within 1e-6 (of the largest, where a scale makes
        them larger than 1)."""
        if ids.shape != self.ids.shape or not np.array_equal(ids, self.ids):
            return False
        tolerance = 1e-6 * max(1.0, np.abs(self.weights).max(initial=0))
        with np.errstate(invalid="ignore"):
            difference = np.abs(weights - self.weights)
        return bool((difference <= tolerance).all())


# The operands that have a row for each token.
OF_TOKENS = ("eligible", "class_id", "token_k", "token_id", "sequence")


def fixed_operands(family, random, bias_mean, deviation=0.1):
    """The operands that are the same for all tokens."""
    experts = family.experts
    drawn = {
        "bias": random.normal(bias_mean, deviation, experts).astype(np.float32),
        "expert_scale": random.uniform(0.5, 2.0, experts).astype(np.float32),
        "table": np.int32(
            [random.permutation(experts)[: family.k] for _ in range(VOCABULARY)]
        ),
    }
    return {name: drawn[name] for name in family.operands if name in drawn}


def operands_of_tokens(family, random, tokens):
    drawn = {
        "eligible": (random.random((tokens, width(family))) < 0.6).astype(np.int8),
        "class_id": random.integers(0, 2, tokens).astype(np.int32),
        "token_k": random.integers(1, family.k + 1, tokens).astype(np.int32),
        "token_id": random.integers(0, VOCABULARY, tokens).astype(np.int32),
    }
    return {name: drawn[name] for name in family.operands if name in drawn}


def some_tokens(operands, which):
    return {
        name: value[which] if name in OF_TOKENS else value
        for name, value in operands.items()
    }


def evaluated(family, logits, operands, real):
    """Of the family's own code, in f32 or f64."""
    with np.errstate(invalid="ignore", divide="ignore"):
        cast = {
            name: value.astype(real) if value.dtype == np.float32 else value
            for name, value in operands.items()
        }
        ids, weights = family.original(logits.astype(real), family.k, **cast)
    assert weights.dtype == real, family.name
    return ids, weights


def steady(family, logits, operands, random):
    """The tokens whose experts no rounding can change: those that are chosen in
    f64 also when the logits move by a few units of f32."""
    ids, _ = evaluated(family, logits, operands, np.float64)
    keep = np.ones(len(logits), bool)
    for _ in range(4):
        moved = logits * (1 + 2e-6 * random.choice([-1, 1], logits.shape))
        keep &= (evaluated(family, moved, operands, np.float64)[0] == ids).all(1)
    assert keep.mean() > 0.9, family.name
    return keep


def width(family):
    return family.experts + family.shared


def normal(deviation):
    def draw(family, random, tokens):
        drawn = random.normal(0, deviation, (tokens, width(family)))
        return drawn.astype(np.float32)

    return draw


def tied(family, random, tokens):
    """Few different values, with zeros of both signs, and all equal ones."""
    logits = random.integers(-2, 3, (tokens, width(family))).astype(np.float32)
    logits[logits == 0] *= random.choice([-1.0, 1.0], (logits == 0).sum())
    logits[:3] = np.float32([[0.0], [-1.5], [7.25]])
    return logits


def saturated(family, random, tokens):
    """So large that a sigmoid of f32 is 1."""
    return random.permuted(
        np.tile(np.arange(width(family), dtype=np.float32) * 0.25 + 20, (tokens, 1)),
        axis=1,
    )


def masked(family, random, tokens):
    """Minus infinity for a quarter of the experts, or for all but k (not where
    the groups that are kept must have k left)."""
    logits = random.normal(0, 2, (tokens, width(family))).astype(np.float32)
    free = "group_keep" not in family.routing and not family.operands
    few = family.k if free else family.experts * 3 // 4
    for t, row in enumerate(logits):
        left = few if t % 2 else max(family.k, family.experts * 3 // 4)
        row[random.permutation(family.experts)[left:]] = MINUS_INF
    return logits


def tiny(family, random, tokens):
    """A sigmoid of these is near the epsilons in use (1e-6, 1e-12, 1e-20), or
    about 1e-36: two digits less than what is not subnormal."""
    means = random.choice([-14, -27.5, -46, -83], (tokens, 1))
    drawn = random.normal(means, 0.5, (tokens, width(family)))
    return drawn.astype(np.float32)


def subnormal(family, random, tokens):
    """Sigmoids of 3e-39 to 8e-39, far enough from each other for the few bits that
    they have; their sums, too, may be subnormal."""
    steps = -88.6 + np.arange(width(family)) / width(family)
    return random.permuted(np.tile(steps, (tokens, 1)), axis=1).astype(np.float32)


@functools.lru_cache(maxsize=None)
def cases_of(family):
    """The cases of a family; together TOKENS tokens."""
    random = np.random.default_rng(list(family.name.encode()))
    near = fixed_operands(family, random, 0.0)
    # A bias that chooses experts of which a softmax leaves less than 1e-12.
    apart = 40.0 if "bias" in family.operands and "score" not in family.routing else 12.0
    if "softcap" in family.routing:
        apart = 3.0
    strong = fixed_operands(family, random, 0.0, 2.0)
    negative = fixed_operands(family, random, -0.9)
    # Beside which no bias is small.
    none = {**near, "bias": 0 * near["bias"]} if "bias" in near else near

    def case(name, draw, tokens, fixed=near, real=np.float64, is_steady=True):
        spare = tokens // 4 + 8 if is_steady and tokens > 1 else 0
        logits = draw(family, random, tokens + spare)
        operands = {**fixed, **operands_of_tokens(family, random, len(logits))}
        keep = np.ones(len(logits), bool)
        if is_steady and tokens:
            keep = steady(family, logits, operands, random)
        ids, weights = evaluated(family, logits, operands, real)
        if real == np.float64 and tokens:
            rounded = evaluated(family, logits, operands, np.float32)[0]
            keep &= (rounded == ids).all(1)
            assert keep.mean() > 0.2, (family.name, name)
        which = np.flatnonzero(keep)[:tokens]
        return Case(
            name,
            logits[which],
            ids[which].astype(np.int32),
            weights[which],
            some_tokens(operands, which),
        )

    drawn = normal(2.0)
    cases = [
        case("ties", tied, 200, is_steady=False),
        case("saturated", saturated, 100, real=np.float32, is_steady=False),
        case("masked", masked, 200, is_steady=False),
        case("tiny", tiny, 120),
        case("subnormal", subnormal, 40, none),
        case("one token", drawn, 1),
        case("no token", drawn, 0),
        case("flat", normal(0.05), 300),
        case("sharp", normal(8.0), 300),
        case("against bias", normal(apart), 100, strong),
        case("negative bias", normal(1.0), 900, negative),
    ]
    left = TOKENS - sum(len(case.logits) for case in cases)
    cases.append(case("drawn", drawn, left))
    assert sum(len(case.logits) for case in cases) == TOKENS
    return tuple(cases)


def family_named(name):
    (found,) = [family for family in FAMILIES if family.name == name]
    return found
