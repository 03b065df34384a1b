"""Layers that run several times, compiled as a user would, against their formulas in f64:
chains of experts with a router for each iteration, and recursions that fewer and fewer
tokens take part in. What is wrong in a first iteration decides who computes the next.
"""

import numpy as np
import pytest
from formulas import relative_error, sigmoid, silu, softmax, top, wide
from layer_text import MAPS, Ffn, Layer, Writer, rows

HIDDEN, TOKENS, LIMIT = 32, 96, 1e-5
EXPERT = Ffn(8, 16)
# Sequences of one step, one of them of a single token.
SEQUENCES = np.repeat(np.arange(4, dtype=np.int32), (40, 1, 33, 22))
PAIR = "tensor<?x{0}xi32>, tensor<?x{0}xf32>"


class Text:
    """A module of one function on %x, op by op."""

    def __init__(self, experts, routers):
        """`routers`: of each, the number of its outputs."""
        Writer.names = 0
        self.layer = Layer((experts,), 1, hidden=HIDDEN)
        self.experts, self.routers = experts, routers
        self.main = Writer(rows(HIDDEN), "%x", "f32")
        self.recipes = []
        self.banks = []
        for part, shape in zip(("gate", "up", "down"), self.layer.shapes(experts)):
            type = f"!moe.bank<{experts.count} x tensor<{shape[0]}x{shape[1]}xf32>>"
            self.banks.append((self.weight("load_bank", f"experts.0.{{expert}}.{part}", type), type))
        self.matrices = [
            self.weight("load", f"router.{i}", f"tensor<{n}x{HIDDEN}xf32>") for i, n in enumerate(routers)
        ]

    def weight(self, kind, name, type):
        at = len(self.recipes)
        self.recipes.append(f'%r{at} = moe.{kind} "{name}" : {type.removeprefix("!moe.bank")}')
        self.recipes.append(f'moe.define "{name}" role "experts", %r{at} : {type}')
        return self.main.new(f'moe.weight "{name}" : {type}')

    def route(self, x, i, routing, k, operands=""):
        logits = self.main.product(x, HIDDEN, self.matrices[i], self.routers[i])
        outs = self.main.empty(k, "i32"), self.main.empty(k)
        name, pair = self.main.name(), PAIR.format(k)
        self.main.lines.append(
            f"{name}:2 = moe.route {{routing = #moe.routing<k = {k}{routing}>}} ins({logits} : {rows(self.routers[i])})"
            f" {operands} outs({', '.join(outs)} : {pair}) -> {pair}"
        )
        return f"{name}#0", f"{name}#1"

    def apply(self, x, ids, weights, k):
        region = Writer(rows(HIDDEN), "%rows", "f32", "%r0")
        out = self.layer.network(region, "%rows", self.experts)
        members = [type.split(" x ", 1)[1][:-1] for _, type in self.banks]
        body = self.layer.region(region, members, out)
        return self.main.new(
            f"moe.experts ins({x}, {ids}, {weights} : {rows(HIDDEN)}, {PAIR.format(k)})"
            f" banks({', '.join(v for v, _ in self.banks)} : {', '.join(t for _, t in self.banks)})"
            f" outs({self.main.empty(HIDDEN)} : {rows(HIDDEN)}) {body} -> {rows(HIDDEN)}"
        )

    def integers(self, value, body, element="i32"):
        """A column of integers made of one of i32, %a0."""
        return self.main.new(
            f'linalg.generic {{indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}}'
            f" ins({value} : tensor<?x1xi32>) outs({self.main.empty(1, element)} : tensor<?x1x{element}>) {{\n"
            f"^bb0(%a0: i32, %o: {element}):\n{body}\nlinalg.yield %z : {element}\n}} -> tensor<?x1x{element}>"
        )

    def module(self, results, arguments=""):
        names = ", ".join(value for value, _ in results)
        types = ", ".join(type for _, type in results)
        named = ", ".join(f'{type} {{moe.name = "r{i}"}}' for i, (_, type) in enumerate(results))
        recipes, lines = "\n".join(self.recipes), "\n".join(self.main.lines)
        return f"""{MAPS}
module {{
moe.recipes {{
{recipes}
}}
func.func @layer(%x: {rows(HIDDEN)} {{moe.name = "x"}}{arguments}) -> ({named}) {{
%c0 = arith.constant 0 : index
{lines}
return {names} : {types}
}}
}}
"""


def parameters(experts, routers):
    found = Layer((experts,), 1, hidden=HIDDEN).parameters()
    random = np.random.default_rng(3)
    for i, n in enumerate(routers):
        found[f"router.{i}"] = random.normal(0, 0.5, (n, HIDDEN)).astype(np.float32)
    return found


def inputs():
    return np.random.default_rng(5).normal(0, 1, (TOKENS, HIDDEN)).astype(np.float32)


def ffn(p, i, x):
    return (silu(x @ p[f"experts.0.{i}.gate"].T) * (x @ p[f"experts.0.{i}.up"].T)) @ p[f"experts.0.{i}.down"].T


# Chains of experts ----------------------------------------------------------

K = 2


def chain_text(iterations, routers=None):
    text, x = Text(EXPERT, [EXPERT.count] * iterations), "%x"
    chosen = []
    for i in routers or range(iterations):
        ids, weights = text.route(x, i, "", K)
        x = text.main.sum(text.apply(x, ids, weights, K), x, HIDDEN)
        chosen.append((ids, f"tensor<?x{K}xi32>"))
    return text.module([(x, rows(HIDDEN)), *chosen])


def chain(p, x, routers, residual=True):
    """The result, and of each iteration the logits."""
    y, all_logits = x.astype(np.float64), []
    for i in routers:
        logits = y @ p[f"router.{i}"].T
        ids, scores, step = top(logits, K), softmax(logits), np.zeros_like(y)
        for t in range(len(y)):
            for id in ids[t]:
                step[t] += scores[t, id] * ffn(p, id, y[t])
        y = step + y if residual else step
        all_logits.append(logits)
    return y, all_logits


def assert_chosen(ids, logits):
    """The same experts, unless the last one chosen and the next nearly tie."""
    order = top(logits, K + 1)
    differ = (np.sort(ids) != np.sort(order[:, :K])).any(1)
    ranked = np.take_along_axis(logits, order, 1)
    gap = ranked[:, K - 1] - ranked[:, K]
    assert (gap[differ] < 1e-5 * np.abs(logits).max(1)[differ]).all()


@pytest.mark.parametrize("iterations", (1, 2, 3))
def test_chain(build, iterations, lowering):
    given = parameters(EXPERT, [EXPERT.count] * iterations)
    y, *chosen = build(chain_text(iterations), given, *lowering).function()(inputs())
    expected, logits = chain(wide(given), inputs(), range(iterations))
    for ids, of in zip(chosen, logits, strict=True):
        assert_chosen(ids, of)
    assert relative_error(y, expected) <= LIMIT


def test_chain_of_one_is_a_layer(build):
    """To the bit."""
    given = parameters(EXPERT, [EXPERT.count])
    layer = Layer((EXPERT,), K, hidden=HIDDEN)
    same = {**given, "router": given["router.0"]}
    del same["router.0"]
    plain, _ = build(layer.text(), same).function()(inputs())
    y, _ = build(chain_text(1), given).function()(inputs())
    assert (plain + inputs()).tobytes() == y.tobytes()


@pytest.mark.parametrize("routers, residual", (((0, 0), True), ((1, 0), True), ((0,), True), ((0, 1), False)))
def test_another_chain_shows(build, routers, residual):
    given = parameters(EXPERT, [EXPERT.count] * 2)
    y, *_ = build(chain_text(2), given).function()(inputs())
    assert relative_error(y, chain(wide(given), inputs(), routers, residual)[0]) > 100 * LIMIT


def test_chain_by_pieces_and_threads(build):
    given = parameters(EXPERT, [EXPERT.count] * 3)
    model, x = build(chain_text(3), given), inputs()
    whole = [a.tobytes() for a in model.function("layer", threads=1)(x)]
    assert [a.tobytes() for a in model.function("layer", threads=2)(x)] == whole
    parts = [model.function()(part) for part in np.split(x, (1, 2, 50))]
    assert [np.concatenate(pieces).tobytes() for pieces in zip(*parts)] == whole


# Recursions -----------------------------------------------------------------

BLOCK = Ffn(1, 24)
CAPACITIES = (1.0, 0.5, 0.25)
ALPHA = 0.1


def expert_choice_text(filtered=True):
    """In every recursion the block takes the best tokens of each sequence, out of
    those that it took in the one before."""
    text, x, before = Text(BLOCK, [1] * len(CAPACITIES)), "%x", None
    results = []
    for r, capacity in enumerate(CAPACITIES):
        routing = (
            f", policy = expert_choice, score = sigmoid, scale = {ALPHA} : f64, capacity = {capacity} : f64,"
            " capacity_unit = fraction, capacity_scope = sequence"
        )
        operands = "sequence(%sequence : tensor<?xi32>)"
        if before and filtered:
            body = "%c = arith.constant 0 : i32\n%q = arith.cmpi sge, %a0, %c : i32\n%z = arith.extui %q : i1 to i8"
            operands = f"eligible({text.integers(before, body, 'i8')} : tensor<?x1xi8>) {operands}"
        before, weights = text.route(x, r, routing, 1, operands)
        x = text.main.sum(text.apply(x, before, weights, 1), x, HIDDEN)
        results.append((before, "tensor<?x1xi32>"))
    return text.module([(x, rows(HIDDEN)), *results], ', %sequence: tensor<?xi32> {moe.name = "sequence", moe.below = 1024}')


def expert_choice(p, x, sequences, filtered=True, alpha=ALPHA):
    y, active = x.astype(np.float64), np.ones(len(x), bool)
    taken = []
    for r, capacity in enumerate(CAPACITIES):
        weights = sigmoid(y @ p[f"router.{r}"].T)[:, 0] * alpha
        now = np.zeros(len(x), bool)
        for sequence in np.unique(sequences):
            (members,) = np.nonzero(sequences == sequence)
            may = members[active[members]] if filtered else members
            count = max(1, int(capacity * len(members)))
            best = may[top(weights[may], count)]
            now[np.sort(best)] = True
        y[now] += weights[now, None] * ffn(p, 0, y[now])
        active = now
        taken.append(now)
    return y, taken


def test_recursion_by_expert_choice(build, lowering):
    given = parameters(BLOCK, [1] * len(CAPACITIES))
    y, *chosen = build(expert_choice_text(), given, *lowering).function()(inputs(), SEQUENCES)
    expected, taken = expert_choice(wide(given), inputs(), SEQUENCES)
    for ids, of in zip(chosen, taken, strict=True):
        assert np.array_equal(ids[:, 0] >= 0, of)
    assert np.array_equal([of[SEQUENCES == 0].sum() for of in taken], [40, 20, 10])
    assert relative_error(y, expected) <= LIMIT
    # Without the filter, without alpha, or over the whole step, it is something else.
    assert relative_error(y, expert_choice(wide(given), inputs(), SEQUENCES, alpha=1.0)[0]) > 100 * LIMIT
    assert relative_error(y, expert_choice(wide(given), inputs(), SEQUENCES, filtered=False)[0]) > 100 * LIMIT
    assert relative_error(y, expert_choice(wide(given), inputs(), 0 * SEQUENCES)[0]) > 100 * LIMIT
    other, *_ = build(expert_choice_text(filtered=False), given, *lowering).function()(inputs(), SEQUENCES)
    assert relative_error(other, expected) > 100 * LIMIT


def test_sequences_of_a_recursion_are_alone(build):
    """A sequence gets the same bytes with and without others in its step."""
    given = parameters(BLOCK, [1] * len(CAPACITIES))
    function = build(expert_choice_text(), given).function()
    y, *_ = function(inputs(), SEQUENCES)
    parts = [function(inputs()[SEQUENCES == s], SEQUENCES[SEQUENCES == s])[0] for s in range(4)]
    assert np.concatenate(parts).tobytes() == y.tobytes()


DEPTHS = 3


def token_choice_text():
    """Each token chooses once how many recursions it takes; what comes out of the last
    one counts by its weight."""
    text = Text(BLOCK, [DEPTHS])
    depth, weight = text.route("%x", 0, "", 1)
    one = text.main.new("arith.constant 1.0 : f32")
    ones = text.main.new(f"linalg.fill ins({one} : f32) outs({text.main.empty(1)} : {rows(1)}) -> {rows(1)}")
    h = "%x"
    for r in range(DEPTHS):
        body = (
            f"%c = arith.constant {r} : i32\n%n = arith.constant -1 : i32\n%b = arith.constant 0 : i32\n"
            "%q = arith.cmpi sge, %a0, %c : i32\n%z = arith.select %q, %b, %n : i32"
        )
        h = text.main.sum(text.apply(h, text.integers(depth, body), ones, 1), h, HIDDEN)
    weighed = text.main.each(
        HIDDEN, "%z = arith.mulf %a0, %a1 : f32", (h, rows(HIDDEN), "#rows"), (weight, rows(1), "#row")
    )
    y = text.main.sum(weighed, "%x", HIDDEN)
    return text.module([(y, rows(HIDDEN)), (depth, "tensor<?x1xi32>")])


def token_choice(p, x, more=0):
    x = x.astype(np.float64)
    scores = softmax(x @ p["router.0"].T)
    depth, h = scores.argmax(1), x.copy()
    for r in range(DEPTHS):
        on = depth + more >= r
        h[on] += ffn(p, 0, h[on])
    return x + scores.max(1)[:, None] * h, depth


def test_recursion_by_token_choice(build, lowering):
    given = parameters(BLOCK, [DEPTHS])
    model = build(token_choice_text(), given, *lowering)
    y, depth = model.function()(inputs())
    expected, chosen = token_choice(wide(given), inputs())
    assert np.array_equal(depth[:, 0], chosen)
    assert set(chosen) == set(range(DEPTHS))
    assert relative_error(y, expected) <= LIMIT
    assert relative_error(y, token_choice(wide(given), inputs(), more=1)[0]) > 100 * LIMIT
    # Who is done does not depend on who else is.
    parts = [model.function()(part)[0] for part in np.split(inputs(), (1, 30))]
    assert np.concatenate(parts).tobytes() == y.tobytes()
