"""The routers of families and papers: reference, generic lowering and kernels
against each family's own code."""

import functools

import numpy as np
import pytest

from cases import TOKENS, cases_of, some_tokens
from engines import COMPILED, ENGINES, Call, router_of
from papers import FAMILIES

NAMES = [family.name for family in FAMILIES]


@functools.lru_cache(maxsize=None)
def results(engine):
    """Of every case of every family, by (family, case)."""
    calls = {
        (family.name, case.name): Call(router_of(family), case.logits, case.operands)
        for family in FAMILIES
        for case in cases_of(family)
    }
    return dict(zip(calls, engine.run(list(calls.values()))))


def test_there_are_enough():
    assert len(set(NAMES)) == len(NAMES) >= 25
    for family in FAMILIES:
        assert sum(len(case.logits) for case in cases_of(family)) == TOKENS


@pytest.mark.parametrize("engine", ENGINES, ids=str)
@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_family(engine, family):
    for case in cases_of(family):
        # An f64 evaluation does not saturate where f32 does.
        if str(engine) == "reference-float64" and case.name == "saturated":
            continue
        ids, weights = results(engine)[family.name, case.name]
        assert case.accepts(ids, weights), f"{case.name}\n{difference(case, ids, weights)}"


def difference(case, ids, weights):
    """The first token that is not as expected."""
    for t in range(len(case.ids)):
        error = np.abs(weights[t] - case.weights[t])
        if not np.array_equal(ids[t], case.ids[t]) or not (error <= 1e-6).all():
            return (
                f"token {t} of {len(case.ids)}: ids {ids[t]} for {case.ids[t]}, "
                f"weights {weights[t]} for {case.weights[t]}"
            )
    return "shapes differ"


def nonsense(family):
    """Tokens of which three of ten logits, or all, are no number or infinite."""
    case = cases_of(family)[-1]
    first = np.arange(40)
    logits = case.logits[first].copy()
    random = np.random.default_rng(4)
    where = random.random(logits.shape) < 0.3
    specials = np.float32([np.nan, np.inf, -np.inf])
    logits[where] = random.choice(specials, where.sum())
    logits[0], logits[1], logits[2] = np.nan, -np.inf, np.inf
    return Call(router_of(family), logits, some_tokens(case.operands, first))


@pytest.mark.parametrize("engine", COMPILED, ids=str)
def test_what_is_no_number_chooses_distinct_experts_in_range(engine):
    for family, (ids, _) in zip(FAMILIES, engine.run(list(map(nonsense, FAMILIES)))):
        for chosen in ids:
            used = chosen[chosen >= 0]
            assert len(set(used)) == len(used), family.name
            assert (chosen >= -1).all() and used.max(initial=0) < family.experts
