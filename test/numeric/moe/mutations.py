"""Every parameter of every family's router, flipped.

A flip that no case of the family notices is a hole in the tests, unless the flip
says the same in other words: then a rule below names why, and the flip must
change nothing at all.

    PYTHONPATH=test/numeric MOEC_BUILD_DIR=build python test/numeric/moe/mutations.py

prints the matrix of parameters and cases
"""

import re
import subprocess
from typing import NamedTuple

import numpy as np

from cases import cases_of, some_tokens
from engines import REFERENCES, Call, router_of
from papers import FAMILIES
from harness import moe_opt

TOKENS_OF_A_CASE = 60

DEFAULTS = {
    "policy": "topk",
    "score": "softmax",
    "scope": "all",
    "select_on": "score",
    "weight_from": "score",
    "renorm": "none",
    "eps_mode": "add",
    "eps": "0.0",
    "lp": "1.0",
    "scale": "1.0",
    "softcap": "0.0",
    "window": "0.0",
    "threshold": "0.0",
    "groups": "1",
    "group_reduce": "max",
    "group_keep": "0",
    "group_fill": "neg_inf",
    "group_quota": "0",
    "null_experts": "0",
    "null_before_norm": "false",
    "window_by": "signed",
    "shared_experts": "0",
    "dedupe": "none",
}
REALS = ("eps", "lp", "scale", "softcap", "window", "threshold")

# What each parameter is flipped to, with the parameters that it then needs.
FLIPS = {
    "policy": [
        {"policy": "topk"},
        {"policy": "sequential_masked"},
        {"policy": "topp", "threshold": "0.3"},
        {"policy": "threshold", "threshold": "0.2"},
    ],
    "score": [
        {"score": score}
        for score in ("softmax", "sigmoid", "identity", "sqrt_softplus", "tanh")
    ],
    "scope": [
        {"scope": "all"},
        {"scope": "selected", "weight_from": "logit"},
        {"scope": "window", "window": "0.02"},
    ],
    "select_on": [{"select_on": "score"}, {"select_on": "logit"}],
    "weight_from": [{"weight_from": "score"}, {"weight_from": "logit"}],
    "renorm": [
        {"renorm": renorm}
        for renorm in ("none", "sum", "softmax", "logsigmoid_softmax")
    ]
    + [{"renorm": "lp", "lp": "1.0"}, {"renorm": "lp", "lp": "2.0"}],
    "eps_mode": [{"eps_mode": "add"}, {"eps_mode": "clamp"}],
    "eps": [{"eps": "0.0"}, {"eps": "0.05"}],
    "lp": [{"lp": "1.0"}, {"lp": "2.0"}],
    "scale": [{"scale": "1.0"}, {"scale": "1.25"}],
    "softcap": [{"softcap": "0.0"}, {"softcap": "1.5"}],
    "window": [{"window": "0.0"}, {"window": "0.2"}],
    "groups": [
        {"groups": "1", "group_keep": "0", "group_quota": "0"},
        {"groups": "2", "group_keep": "1"},
    ],
    "group_reduce": [{"group_reduce": "max"}, {"group_reduce": "top2_sum"}],
    "group_keep": [{"group_keep": "0"}, {"group_keep": "2"}],
    "group_fill": [{"group_fill": "neg_inf"}, {"group_fill": "zero"}],
    "group_quota": [{"group_quota": "0"}],
    "null_experts": [{"null_experts": "0"}, {"null_experts": "2"}],
    "null_before_norm": [{"null_before_norm": "false"}, {"null_before_norm": "true"}],
    "window_by": [{"window_by": "signed"}, {"window_by": "magnitude"}],
    "threshold": [{"threshold": "0.5"}, {"threshold": "0.0"}],
    "dedupe": [{"dedupe": "none"}, {"dedupe": "sum"}],
}


def parameters(text):
    pairs = re.findall(r"(\w+) = ([^,]+)", text)
    return {name: value.removesuffix(" : f64").strip() for name, value in pairs}


def attribute(of):
    words = [
        f"{name} = {value}" + (" : f64" if name in REALS else "")
        for name, value in of.items()
        if DEFAULTS.get(name) != value
    ]
    return f"#moe.routing<{', '.join(words)}>"


class Mutant(NamedTuple):
    family: object
    what: str  # the parameter or operand
    to: str
    before: dict
    after: dict
    operands: tuple
    attributes: str = ""

    def __str__(self):
        return f"{self.family.name}: {self.what} = {self.to}"

    def value(self, name, before=False):
        of = self.before if before else self.after
        return of.get(name, DEFAULTS.get(name))

    def router(self, name):
        return router_of(self.family)._replace(
            name=name,
            k=int(self.after["k"]),
            attribute=attribute(self.after),
            operands=self.operands,
            attributes=self.attributes,
        )


def mutants_of(family):
    before = {"k": str(family.k), **parameters(family.routing)}
    of = lambda what, to, after: Mutant(
        family, what, to, before, after, family.operands, family.attributes
    )
    for what, flips in FLIPS.items():
        for flip in flips:
            current = {name: before.get(name, DEFAULTS[name]) for name in flip}
            if current[what] == flip[what] and current == flip:
                continue
            yield of(what, flip[what], {**before, **flip})
    fewer = str(family.k - 1 or 2)
    if "table" not in family.operands:  # which says k itself
        yield of("k", fewer, {**before, "k": fewer})
    for operand in family.operands:
        left = tuple(name for name in family.operands if name != operand)
        kept = "" if operand == "class_id" else family.attributes
        yield of(operand, "absent", before)._replace(operands=left, attributes=kept)
    for old, new in (("true", "false"), ("array<i32: 0", "array<i32: 3")):
        if old in family.attributes:
            name = family.attributes.split()[0]
            other = family.attributes.replace(old, new, 1)
            yield of(name, new, before)._replace(attributes=other)


# Flips that say the same ----------------------------------------------------


class Meaning:
    """What a router is made of, as far as the rules below ask."""

    def __init__(self, parameters, family):
        value = lambda name: parameters.get(name, DEFAULTS.get(name))
        self.k = int(parameters["k"])
        self.bias = "bias" in family.operands
        self.softmax = value("score") == "softmax"
        self.all = value("scope") == "all"
        self.selected = value("scope") == "selected"
        self.topk = value("policy") == "topk" and value("group_quota") == "0"
        self.chooses_all = value("policy") == "dense"
        self.no_keys = value("policy") in ("dense", "table")
        self.quota = value("group_quota") != "0" and not self.bias
        self.sequential = value("policy") == "sequential_masked"
        self.grouped = value("group_keep") not in ("0", value("groups"))
        self.topp = value("policy") == "topp" and not self.bias and not self.grouped
        self.normed = value("renorm") in ("sum", "lp")
        self.by_sum = value("renorm") == "sum" or self.normed and value("lp") == "1.0"
        self.eps = float(value("eps"))
        self.nulls = value("null_experts") != "0"
        keys = self.selected or self.sequential or value("select_on") == "logit"
        self.key_is_logit = keys
        self.weight_is_logit = value("weight_from") == "logit"
        # Without a bias and groups, softmax scores have the order of the logits.
        self.largest = self.topk and not self.bias and not self.grouped
        # The weights sum to 1 before anything is renormalised.
        self.over_selected = self.selected and self.softmax


def why_equal(m):
    """Why a flip cannot matter, or an empty string."""
    before, after = Meaning(m.before, m.family), Meaning(m.after, m.family)
    both = lambda rule: rule(before) and rule(after)
    if m.what in ("eps", "eps_mode"):
        if both(lambda r: not r.normed):
            return "no norm to add an epsilon to"
        if m.what == "eps_mode" and after.eps == 0:
            return "there is no epsilon"
        if both(lambda r: r.softmax and not r.bias and r.eps < 1e-12):
            return "the largest softmax scores sum to more than rounding loses"
    if m.what in ("group_reduce", "group_fill") and both(lambda r: not r.grouped):
        return "no group is left out"
    if m.what == "group_fill" and both(lambda r: r.softmax and not r.bias):
        return "no softmax score is below a fill of 0"
    if m.what == "groups" and both(lambda r: r.largest or r.grouped) and before.k == 1:
        return "the best expert is in the best group"
    if m.what == "null_before_norm" and both(lambda r: not r.normed):
        return "nothing is renormalised"
    if m.what == "scope" and both(lambda r: not r.softmax and r.key_is_logit):
        return "other scores than softmax are the same over any experts"
    if m.what == "scope" and both(lambda r: not r.softmax and r.no_keys):
        return "other scores than softmax are the same over any experts"
    if m.what == "select_on" and both(lambda r: r.no_keys):
        return "no keys are compared"
    if m.what in ("scope", "renorm") and both(
        lambda r: r.chooses_all and r.softmax and (r.by_sum or not r.normed)
    ):
        if m.value("renorm") in ("none", "sum", "lp") and m.value("scope") != "window":
            return "a softmax over all that are chosen sums to 1"
    if m.what == "window_by" and both(lambda r: r.softmax):
        return "no smaller logit has a smaller magnitude below 0"
    if m.what == "dedupe" and "alias" not in m.attributes:
        return "no experts are merged"
    if m.what in ("select_on", "scope") and both(
        lambda r: r.key_is_logit or (r.softmax and (r.largest or r.quota or r.topp))
    ):
        if m.what == "select_on":
            return "the scores have the order of the logits, or come after the choice"
        if both(lambda r: r.softmax and r.normed and r.eps == 0) and both(
            lambda r: r.over_selected or r.all and not r.weight_is_logit
        ):
            return "softmax scores by their norm are the same over the selected"
    if m.what in ("score", "scope") and both(
        lambda r: r.key_is_logit and r.weight_is_logit and not r.over_selected
    ):
        return "neither keys nor weights are scores"
    if m.what == "renorm":
        if both(lambda r: r.by_sum) and not both(lambda r: r.weight_is_logit):
            return "the norm of positive weights is their sum"
        norm_of_ones = lambda r: r.over_selected and (r.by_sum or not r.normed)
        kept = m.value("renorm", True) in ("none", "sum", "lp")
        if both(norm_of_ones) and kept and m.value("renorm") in ("none", "sum", "lp"):
            return "a softmax over the selected sums to 1"
    if m.what == "policy" and before.k == 1:
        if m.value("policy") == "topp":
            return "the first expert is taken in any case"
        if m.value("policy") == "sequential_masked" and before.largest:
            return "the first round is a softmax over all"
    return ""


# Verdicts -------------------------------------------------------------------


def refused_texts(functions):
    """The numbers of those that the verifier does not accept."""
    chunks = [text.strip().replace("\n", " ") for text in functions]
    done = subprocess.run(
        [moe_opt(), "-", "-split-input-file", "-o", "/dev/null"],
        input="\n// -----\n".join(chunks),
        capture_output=True,
        text=True,
    )
    lines = re.findall(r"^<stdin>:(\d+):\d+: error", done.stderr, re.MULTILINE)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return {(int(line) - 1) // 2 for line in lines}


def refused(mutants):
    return refused_texts(
        m.router(f"f{i}").text("tensor") for i, m in enumerate(mutants)
    )


class Verdict(NamedTuple):
    mutant: Mutant
    is_refused: bool
    noticed: tuple  # the names of the cases that fail

    @property
    def outcome(self):
        if self.is_refused:
            return "refused by the verifier"
        if self.noticed:
            return ", ".join(self.noticed)
        return f"the same: {why_equal(self.mutant) or 'NOBODY NOTICES'}"


def head(case):
    first = np.arange(min(len(case.logits), TOKENS_OF_A_CASE))
    return case._replace(
        logits=case.logits[first],
        ids=case.ids[first],
        weights=case.weights[first],
        operands=some_tokens(case.operands, first),
    )


def verdicts():
    """Of every flip of every family, by the reference in f32."""
    mutants = [m for family in FAMILIES for m in mutants_of(family)]
    bad = refused(mutants)
    calls, of = [], []
    for i, m in enumerate(mutants):
        if i in bad:
            continue
        for case in map(head, cases_of(m.family)):
            calls.append(Call(m.router(f"f{i}"), case.logits, case.operands))
            of.append((i, case))
    found = {}
    for (i, case), (ids, weights) in zip(of, REFERENCES[1].run(calls)):
        if not case.accepts(ids, weights):
            found.setdefault(i, []).append(case.name)
    return [
        Verdict(m, i in bad, tuple(found.get(i, ())))
        for i, m in enumerate(mutants)
    ]


def matrix(table):
    """Lines: a parameter of a family and by how many flips which cases notice."""
    names = [case.name for case in cases_of(FAMILIES[0])]
    rows = {}
    for verdict in table:
        m = verdict.mutant
        row = rows.setdefault((m.family.name, m.what), [])
        row.append(verdict)
    yield f"{'':34}" + " ".join(f"{name:>13}" for name in names)
    for (family, what), row in rows.items():
        counts = [sum(name in verdict.noticed for verdict in row) for name in names]
        cells = " ".join(f"{count or '.':>13}" for count in counts)
        others = [v for v in row if not v.noticed]
        refusals = sum(v.is_refused for v in others)
        notes = [f"{refusals} refused"] * bool(refusals)
        notes += [v.outcome for v in others if not v.is_refused]
        yield f"{family:16} {what:16} {cells}  {'; '.join(notes)}".rstrip()


if __name__ == "__main__":
    print("\n".join(matrix(verdicts())))
