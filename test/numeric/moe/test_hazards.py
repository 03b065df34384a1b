"""Where implementations of routing disagree or go wrong (docs/routing.md), what
papers promise of their routers, and input that no router should get."""

import numpy as np
import pytest

from cases import cases_of, some_tokens
from engines import ENGINES, REFERENCES, Call, Router, router_of
from mutations import refused_texts
from papers import FAMILIES
from families import softmax, topk
from test_capacity import EXPERTS, draw, nllb

F32 = REFERENCES[1]
BY_NAME = {family.name: family for family in FAMILIES}


def run(router, logits, engine=F32, **operands):
    ((ids, weights),) = engine.run([Call(router, logits.astype(np.float32), operands)])
    return ids, weights


of_engines = pytest.mark.parametrize("engine", ENGINES, ids=str)


def normal(shape, seed=0, deviation=1.0):
    return np.random.default_rng(seed).normal(0, deviation, shape).astype(np.float32)


@pytest.mark.parametrize("mean, least, most", ((-0.9, 0.85, 0.98), (-0.5, 0.0, 0.0)))
def test_fill_of_groups(mean, least, most):
    """Zero is above negative keys: with a bias of -0.9 nine tokens of ten go
    elsewhere, with one of at least -0.5 none does."""
    form = (
        "#moe.routing<k = 8, score = sigmoid, groups = 8, group_reduce = top2_sum,"
        " group_keep = 4, group_fill = {}>"
    )
    logits = normal((1000, 256))
    bias = np.full(256, mean, np.float32) + np.abs(normal(256, 1, 0.02))
    chosen = [
        run(Router("fill", 256, 8, form.format(fill), ("bias",)), logits, bias=bias)[0]
        for fill in ("neg_inf", "zero")
    ]
    differ = (np.sort(chosen[0], 1) != np.sort(chosen[1], 1)).any(1).mean()
    assert least <= differ <= most


def test_windows_by_signed_and_absolute_maximum_are_the_same():
    """Below a largest logit that is negative every logit is larger in magnitude,
    so the divisor is the same; both spellings of families are served."""
    form = (
        "#moe.routing<k = 2, policy = sequential_masked, scope = window,"
        " window = 0.1 : f64{}>"
    )
    for shift in (-3.0, 0.0, 3.0):
        logits = normal((2000, 8)) + np.float32(shift)
        signed = run(Router("signed", 8, 2, form.format("")), logits)
        by = ", window_by = magnitude"
        absolute = run(Router("absolute", 8, 2, form.format(by)), logits)
        assert all(np.array_equal(a, b) for a, b in zip(signed, absolute))
        assert (signed[1] < 1).any()


def test_second_choices_reach_every_expert():
    """Not only the experts 0 and 1, as when a mask is taken for a class."""
    ids, _ = nllb(draw(200)[0].astype(np.float64), 1000)
    router = Router("second", EXPERTS, 2, "#moe.routing<k = 2, renorm = sum>")
    found, _ = run(router, draw(200)[0])
    assert np.array_equal(found, ids)
    assert set(found[:, 1]) == set(range(EXPERTS))


@pytest.mark.parametrize("family", FAMILIES, ids=[f.name for f in FAMILIES])
def test_a_token_does_not_see_the_others(family):
    case = cases_of(family)[-1]
    router = router_of(family)
    places = [np.arange(60)] + [np.array([i]) for i in range(0, 60, 7)]
    calls = [
        Call(router, case.logits[at], some_tokens(case.operands, at)) for at in places
    ]
    (ids, weights), *single = F32.run(calls)
    for at, (its_ids, its_weights) in zip(places[1:], single):
        assert np.array_equal(ids[at], its_ids)
        assert weights[at].tobytes() == its_weights.tobytes()


def test_a_capacity_sees_the_others():
    router = Router("few", EXPERTS, 2, "#moe.routing<k = 2, capacity = 3.0 : f64>")
    whole, _ = run(router, draw(40)[0])
    parts = [run(router, part)[0] for part in np.split(draw(40)[0], 2)]
    assert not np.array_equal(whole, np.concatenate(parts))


def test_saturated_scores_tie():
    """A sigmoid of f32 is 1 from about 17 on: the choice is the lowest index,
    unless it is made on the logits."""
    logits = np.arange(20, 36, dtype=np.float32)[None]
    form = "#moe.routing<k = 3, score = sigmoid{}>"
    ids, _ = run(Router("score", 16, 3, form.format("")), logits)
    assert ids.tolist() == [[0, 1, 2]]
    ids, _ = run(Router("logit", 16, 3, form.format(", select_on = logit")), logits)
    assert ids.tolist() == [[15, 14, 13]]


# What papers promise --------------------------------------------------------


def test_moge_gives_every_group_all_tokens():
    family = BY_NAME["pangu_moge"]
    logits = normal((777, 64))
    scale = np.random.default_rng(2).uniform(0.5, 2, 64).astype(np.float32)
    ids, weights = run(router_of(family), logits, expert_scale=scale)
    assert (np.bincount(ids.ravel() // 8, minlength=8) == 777).all()
    expected = softmax(logits.astype(np.float64))
    unscaled = np.take_along_axis(expected, ids, 1)
    assert np.abs(weights / scale[ids] - unscaled).max() <= 2e-7
    # The mass of the gate against that of a free choice, on Gaussian logits.
    free, _ = topk(expected, 8)
    limited = np.take_along_axis(expected, ids, 1).sum(1).mean()
    assert abs(free.sum(1).mean() - 0.427) <= 0.01
    assert abs(limited - 0.381) <= 0.01


def test_moiie_tokens_stay_in_their_set():
    family = BY_NAME["moiie"]
    class_id = np.random.default_rng(3).integers(0, 2, 100_000).astype(np.int32)
    ids, _ = run(router_of(family), normal((100_000, 8)), class_id=class_id)
    assert ids[class_id == 0].max() <= 5 and ids[class_id == 1].min() >= 2
    # A batch without a token of one modality.
    ids, _ = run(router_of(family), normal((50, 8)), class_id=np.ones(50, np.int32))
    assert ids.min() >= 2


def test_unimoe_takes_as_many_as_the_mass_wants():
    family = BY_NAME["unimoe_audio"]
    logits = cases_of(family)[-1].logits
    ids, _ = run(router_of(family), logits)
    ordered, _ = topk(softmax(logits.astype(np.float64)), 8)
    wanted = np.minimum((np.cumsum(ordered, 1) < 0.7).sum(1) + 1, 4)
    counts = (ids >= 0).sum(1)
    assert np.array_equal(np.bincount(counts), np.bincount(wanted))
    assert len(set(counts)) >= 3


def test_deepseek_moe_drops_nothing():
    ids, _ = run(router_of(BY_NAME["deepseek_moe"]), normal((500, 64)))
    assert np.bincount(ids.ravel(), minlength=64).sum() == 500 * 6


# Bad input ------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES, ids=[f.name for f in FAMILIES])
def test_what_is_no_number_chooses_distinct_experts_in_range(family):
    case = cases_of(family)[-1]
    first = np.arange(40)
    logits = case.logits[first].copy()
    random = np.random.default_rng(4)
    specials = np.float32([np.nan, np.inf, -np.inf])
    where = random.random(logits.shape) < 0.3
    logits[where] = random.choice(specials, where.sum())
    logits[0], logits[1], logits[2] = np.nan, -np.inf, np.inf
    ids, _ = run(router_of(family), logits, **some_tokens(case.operands, first))
    for chosen in ids:
        used = chosen[chosen >= 0]
        assert len(set(used)) == len(used)
        assert used.max(initial=0) < family.experts and (chosen >= -1).all()


@of_engines
def test_a_token_without_eligible_experts_chooses_none(engine):
    family = BY_NAME["eligible"]
    some = np.zeros((5, family.experts), np.int8)
    some[2, 7] = 1
    ids, weights = run(router_of(family), normal((5, family.experts)), engine, eligible=some)
    # Beside one that has a single one.
    assert ids[2].tolist() == [7, -1, -1, -1] and weights[2].tolist() == [1, 0, 0, 0]
    others = [0, 1, 3, 4]
    assert (ids[others] == -1).all() and (weights[others] == 0).all()
    # So does one of a class that does not exist.
    classes = np.int32([-1, 2, 2147483647, -2147483648])
    ids, weights = run(router_of(BY_NAME["moiie"]), normal((4, 8)), engine, class_id=classes)
    assert (ids == -1).all() and (weights == 0).all()


@of_engines
def test_a_token_outside_of_the_table_chooses_none(engine):
    family = BY_NAME["deepseek_v4_hash"]
    table = np.tile(np.arange(6, dtype=np.int32), (50, 1))
    table[7] = [0, 1, 32, -5, 2, 3]  # 32 and -5 are no experts
    ids, weights = run(
        router_of(family), normal((4, 32)), engine, table=table, token_id=np.int32([-1, 50, 7, 3])
    )
    assert (ids[:2] == -1).all() and (weights[:2] == 0).all()
    assert sorted(ids[2]) == [-1, -1, 0, 1, 2, 3]
    assert ids[3].tolist() == [0, 1, 2, 3, 4, 5]


BAD = {
    "k over E": ("k = 9", "", ""),
    "groups that do not divide": ("k = 2, groups = 3, group_keep = 1", "", ""),
    "quota over the group": ("k = 10, groups = 2, group_quota = 5", "", ""),
    "quota and keep": ("k = 2, groups = 2, group_quota = 1, group_keep = 1", "", ""),
    "selected scores as weights": ("k = 2, scope = selected", "", ""),
    "no threshold": ("k = 2, policy = topp", "", ""),
    "window of a sigmoid": (
        "k = 2, score = sigmoid, scope = window, window = 0.1 : f64", "", ""
    ),
    "negative epsilon": ("k = 2, renorm = sum, eps = -1.0 : f64", "", ""),
    "more null experts than experts": ("k = 2, null_experts = 9", "", ""),
    "dense without all": ("k = 2, policy = dense", "", ""),
    "expert choice without capacity": ("k = 2, policy = expert_choice", "", ""),
    "table without a table": ("k = 2, policy = table", "", ""),
    "bias with a table": ("k = 2, policy = table", "", "bias"),
    "class without a mask": ("k = 2", "", "class_id"),
    "mask of other size": ("k = 2", "class_mask = array<i1: true>", "class_id"),
    "alias of other size": ("k = 2", "alias = array<i32: 0, 1>", ""),
    "dedupe without alias": ("k = 2, dedupe = sum", "", ""),
}


@pytest.mark.parametrize("what", BAD)
def test_contradictions_are_refused(what):
    routing, attributes, operands = BAD[what]
    router = Router(
        "bad", 8, int(routing.split()[2].strip(",")), f"#moe.routing<{routing}>",
        tuple(operands.split()), attributes,
    )
    assert refused_texts([router.text("tensor")]) == {0}
