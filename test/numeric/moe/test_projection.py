"""moe.combine_matmul as machine code: the same bytes as moe.combine and moe.grouped_matmul one behind the other, whoever
combines the rows, and NumPy beside both."""

import functools
from typing import NamedTuple

import numpy as np
import pytest

from harness import Host, build, dtype, error, from_bf16, guarded, invoke, machines, pair_machines, stack_spoiler, stored
from models import combine, memref, pack, plan, rounded
from reference import evaluate
from test_dispatch import draw_ids

FAST = ("-moe-cpu-lower-matmul", "-moe-cpu-lower-dispatch")
GENERIC = ("-moe-lower-to-linalg", "-convert-linalg-to-loops")
# Small tiles compile faster; a block of rows are 16 of them.
VARIANTS = ("variants = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 4, prefetch = 2048>,"
            " <tile_rows = 3, tile_vectors = 2>]>")
BLOCK = 16 * 3


class Form(NamedTuple):
    """Sizes, the type of the weights, and what the combine and the epilogue have besides."""

    width: int
    columns: int
    k: int
    weights: str = "f32"
    addends: int = 0
    locals: bool = False
    unweighted: bool = False
    banks: int = 1
    residual: bool = False
    packed: bool = True

    def text(self, name, machine, fused, kind="memref"):
        """A function of one op, or of two."""
        t = memref if kind == "memref" else lambda *a, **b: memref(*a, **b).replace("memref", "tensor")
        narrow = "bf16" if machine and machine.pairs and self.weights == "bf16" else "f32"
        rows, ids, weights = t(None, self.width), t(None, self.k, element="i32"), t(None, self.k)
        panels, step = -(-self.columns // 16), 2 if self.weights == "bf16" else 1
        shape = (panels, -(-self.width // step), 16) + (2,) * (step - 1)
        matrix = t(*(shape if self.packed else (self.columns, self.width)), element=self.weights)
        y, out = t(None, self.width, element=narrow), t(None, self.columns)
        given = {"%r": rows, "%tr": ids, "%ts": ids, "%w": weights, "%i": ids, "%l": rows, "%a": rows}
        given |= {f"%m{i}": matrix for i in range(self.banks)} | {"%x": out, "%y": y, "%z": out}

        def clause(word, *names):
            return f"{word}({', '.join(names)} : {', '.join(given[name] for name in names)})" if names else ""

        attributes = ["ranges = array<i64: 1, 3>"] * self.locals + ["unweighted"] * self.unweighted
        of_both, attributes = (f"{{{', '.join(each)}}}" for each in ([VARIANTS, *attributes], attributes))
        what = " ".join((clause("ins", "%r", "%tr", "%ts", "%w"), clause("ids", *["%i"] * self.locals),
                         clause("locals", *["%l"] * self.locals), clause("addends", *["%a"] * self.addends)))
        product = f"{clause('banks', *[f'%m{i}' for i in range(self.banks)])} {clause('extras', *['%x'] * self.residual)}"
        sums = ["%p: f32", "%q: f32"][: self.banks] + ["%e: f32"] * self.residual
        lines, last = [], "%p"
        for more in (*["%q"] * (self.banks - 1), *["%e"] * self.residual):
            lines.append(f"%s{len(lines)} = arith.{'mulf' if more == '%q' else 'addf'} {more}, {last} : f32")
            last = f"%s{len(lines) - 1}"
        body = "{\n      ^bb0(" + ", ".join(sums) + "):\n" + "\n".join(lines) + f"\n      moe.yield {last} : f32\n      }}"
        host = [] if kind == "tensor" else ["%host: !moe.host"]
        arguments = ", ".join(host + [f"{n}: {type}" for n, type in given.items()])
        if kind == "tensor":
            return f"""
    func.func @{name}({arguments}) -> ({y}, {out}) {{
      %0:2 = moe.combine_matmul {of_both} {what} {product} {clause('outs', '%y', '%z')} {body} -> {y}, {out}
      return %0#0, %0#1 : {y}, {out}
    }}"""
        if fused:
            ops = f"moe.combine_matmul {of_both} {what} {product} {clause('outs', '%y', '%z')} {body}"
        else:
            ops = f"moe.combine {attributes} {what} {clause('outs', '%y')}\n"
            ops += f"moe.grouped_matmul {{{VARIANTS}}} {clause('ins', '%y')} {product} {clause('outs', '%z')} {body}"
        return f"""
    func.func @{name}({arguments}) {{
      {ops}
      return
    }}"""

    def few(self):
        """Rows up to which tasks of the product combine them."""
        return min(BLOCK, max(1, 32768 // (self.width * (self.k + self.locals + self.addends))))

    def __str__(self):
        words = [f"{self.width} to {self.columns}", self.weights, f"{self.k} rows", f"{self.banks} matrices"]
        words += [f"{self.addends} addends"] * bool(self.addends)
        return ", ".join(words + [name for name in ("locals", "unweighted", "residual") if getattr(self, name)])


FORMS = (
    Form(7, 5, 1),
    # Of several tasks: a chunk of columns is 2^18 bytes of weights.
    Form(701, 200, 3, residual=True),
    Form(640, 330, 4, "bf16", addends=2, banks=2),
    Form(1401, 100, 2, "bf16", locals=True, residual=True),
    Form(64, 45, 2, unweighted=True, addends=1),
)
UNPACKED = (FORMS[0]._replace(packed=False), FORMS[3]._replace(packed=False))
MACHINES = machines() + pair_machines()
CASES = [(machine, FAST, form) for machine in MACHINES for form in FORMS if form.weights == "bf16" or not machine.pairs]
CASES += [(machine, GENERIC, form) for machine in (MACHINES[1], MACHINES[3]) for form in FORMS + UNPACKED
          if form.weights == "bf16" or not machine.pairs]
on_cases = pytest.mark.parametrize(
    "machine, passes, form", CASES,
    ids=[f"{m.name}-{'tiles' if p is FAST else 'generic'}-{f}{'' if f.packed else ', plain'}" for m, p, f in CASES])


# Orders of tasks. Where the first is the last, all others have to combine for themselves.
ascending, descending, at_once = Host(iter), Host(reversed), Host()


@functools.lru_cache(maxsize=None)
def library(machine, passes):
    """All forms of a machine are built at once."""
    forms = [form for m, p, form in CASES if (m, p) == (machine, passes)]
    text = "".join(form.text(f"{name}_{i}", machine, name == "fused")
                   for i, form in enumerate(forms) for name in ("separate", "fused"))
    return build(text, machine, passes, hosted=True), forms


def draw(form, tokens):
    """Rows, plan, weights, ids, local, addend, matrices and residual as f32 that their element types hold; some choices
    are none."""
    random = np.random.default_rng(form.width + tokens)
    ids = draw_ids(tokens, 6, form.k, form.width)
    ids[random.random(ids.shape) < 0.2] = -1
    of = plan(ids, 6)
    rows = random.normal(size=(tokens * form.k, form.width)).astype(np.float32)
    # Rows that no token has must not be read into a sum.
    rows[np.setdiff1d(np.arange(len(rows)), of.token_row)] = np.nan
    weights = random.uniform(0, 1, (tokens, form.k)).astype(np.float32)
    local, addend = (random.normal(size=(tokens, form.width)).astype(np.float32) for _ in range(2))
    matrices = [rounded(random.normal(0, form.width**-0.5, (form.columns, form.width)), form.weights)
                for _ in range(form.banks)]
    residual = random.normal(size=(tokens, form.columns)).astype(np.float32)
    return rows, of, weights, ids, local, addend, matrices, residual


def arrays(form, given):
    rows, of, weights, ids, local, addend, matrices, residual = given
    stack = [pack(m, form.weights) if form.packed else stored(m, form.weights) for m in matrices]
    return [rows, of.token_row, of.token_slot, weights, ids, local, addend, *stack, residual]


def run(machine, passes, form, given, name, host, at_start=False):
    """Both outputs."""
    code, forms = library(machine, passes)
    tokens, pairs = len(given[2]), machine.pairs and form.weights == "bf16"
    outs = [np.full((tokens, form.width), 0x7F55, dtype("bf16" if pairs else "f32")),
            np.full((tokens, form.columns), np.nan, np.float32)]
    outs = [guarded(out, at_start) for out in outs]
    inputs = [guarded(array, at_start) for array in arrays(form, given)]
    stack_spoiler()()
    invoke(code, f"{name}_{forms.index(form)}", *inputs, *outs, host=host)
    return outs


def expected(form, given):
    """y and the output in f64."""
    rows, of, weights, ids, local, addend, matrices, residual = given
    used = np.ones_like(weights) if form.unweighted else weights
    y = combine(np.nan_to_num(rows), of.token_row, of.token_slot, used, [addend] * form.addends)
    if form.locals:
        y += (weights.astype(np.float64) * ((ids >= 1) & (ids < 3))).sum(1, keepdims=True) * local
    z = y @ matrices[0].T.astype(np.float64)
    if form.banks == 2:
        z = z * (y @ matrices[1].T.astype(np.float64))
    return y, z + residual if form.residual else z


@on_cases
@pytest.mark.parametrize("at_start", (False, True), ids=("before a page", "behind a page"))
def test_same_bytes(machine, passes, form, at_start):
    """In any order of tasks, for one row, as many as tasks combine and one more, and for several blocks of rows."""
    few = form.few()
    for tokens in (0, 1, 2, few, few + 1, 2 * BLOCK + 1):
        given = draw(form, tokens)
        separate = run(machine, passes, form, given, "separate", ascending, at_start)
        # Rows that are said to be ready and are not, are found by chance.
        often = 10 if passes is FAST and 0 < tokens <= few else 1
        for host in (ascending, descending, *[at_once] * often):
            fused = run(machine, passes, form, given, "fused", host, at_start)
            for one, other in zip(separate, fused):
                assert one.tobytes() == other.tobytes()
        y, z = (from_bf16(out) if out.dtype == np.uint16 else out for out in fused)
        of_y, of_z = expected(form, given)
        rounds = 3e-3 if fused[0].dtype == np.uint16 else 1e-6
        assert error(y, of_y) <= rounds and error(z, of_z) <= 2 * rounds


@on_cases
def test_rows_alone_are_the_same_bytes(machine, passes, form):
    """Who combines a row changes no bit of it."""
    given = rows, of, weights, ids, local, addend, matrices, residual = draw(form, 40)
    together = run(machine, passes, form, given, "fused", ascending)
    for token in range(0, 40, 7):
        part = slice(token, token + 1)
        alone = (rows, of._replace(token_row=of.token_row[part], token_slot=of.token_slot[part]), weights[part], ids[part],
                 local[part], addend[part], matrices, residual[part])
        for all_rows, row in zip(together, run(machine, passes, form, alone, "fused", descending)):
            assert all_rows[part].tobytes() == row.tobytes()


@pytest.mark.parametrize("real", (np.float32, np.float64))
@pytest.mark.parametrize("form", [form._replace(packed=False, weights="f32") for form in FORMS], ids=str)
def test_reference(form, real):
    module = form.text("projection", None, True, "tensor")
    for tokens in (1, 40):
        given = draw(form, tokens)
        outs = [np.zeros((tokens, size), np.float32) for size in (form.width, form.columns)]
        results = evaluate(module, {"projection": [*arrays(form, given), *outs]}, real=real)["projection"]
        for result, wanted in zip(results, expected(form, given)):
            # They are stored in f32.
            assert error(result, wanted) <= (6e-8 if real is np.float64 else 1e-6)
