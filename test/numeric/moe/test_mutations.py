"""No parameter of a family's router can be changed without a case of the family
failing, unless the change says the same in other words."""

import functools

import pytest

from engines import OPERANDS
from mutations import DEFAULTS, FAMILIES, FLIPS, matrix, verdicts, why_equal


@functools.lru_cache(maxsize=None)
def table():
    return verdicts()


@pytest.mark.parametrize("family", FAMILIES, ids=[f.name for f in FAMILIES])
def test_every_flip_is_noticed(family):
    of = [verdict for verdict in table() if verdict.mutant.family is family]
    assert of
    for verdict in of:
        if verdict.is_refused:
            continue
        assert bool(verdict.noticed) != bool(why_equal(verdict.mutant)), (
            f"{verdict.mutant}: {verdict.outcome}; "
            f"a rule says: {why_equal(verdict.mutant) or 'nothing'}"
        )


def test_every_parameter_is_noticed_somewhere():
    noticed = {verdict.mutant.what for verdict in table() if verdict.noticed}
    every = set(DEFAULTS) | set(FLIPS) | set(OPERANDS) | {"k", "class_mask", "alias"}
    # These can only be absent together with operands, or never matter.
    elsewhere = {"shared_experts", "window_by", "table", "token_id", "sequence"}
    assert not every - elsewhere - noticed


def test_fill_of_groups_shows_where_keys_are_negative():
    """With a bias of -0.9 a fill of 0 and of minus infinity differ for most tokens."""
    (flip,) = [
        verdict
        for verdict in table()
        if str(verdict.mutant) == "deepseek_v3: group_fill = zero"
    ]
    assert "negative bias" in flip.noticed


def test_the_matrix_can_be_printed():
    lines = list(matrix(table()))
    assert len(lines) > 10 * len(FAMILIES)
