"""What carries out moe.route: the reference in f32 and f64, the generic lowering,
and the fast one on every number of lanes."""

import functools
from typing import NamedTuple

import numpy as np

from harness import build, call, guarded, machines
from models import BLOCKS, COUNT_ROWS, count, memref
from reference import evaluate

VOCABULARY = 50

FAST = ("-moe-cpu-lower-routing",)
GENERIC = ("-moe-lower-to-linalg", "-convert-linalg-to-loops")

# The operands of moe.route besides the logits, in the order of its assembly: the
# type of the elements and the shape, of tokens, experts, vocabulary and k.
OPERANDS = {
    "bias": ("f32", "E"),
    "eligible": ("i8", "TE"),
    "class_id": ("i32", "T"),
    "token_k": ("i32", "T"),
    "table": ("i32", "Vk"),
    "token_id": ("i32", "T"),
    "expert_scale": ("f32", "E"),
    "sequence": ("i32", "T"),
}


class Router(NamedTuple):
    """One moe.route: a name, its attribute, and the operands that it has."""

    name: str
    experts: int
    k: int
    attribute: str
    operands: tuple = ()
    attributes: str = ""
    shared: int = 0

    def ordered(self):
        return [name for name in OPERANDS if name in self.operands]

    def outs(self, tokens):
        """Fresh buffers; what was there before must not matter."""
        outs = [
            np.full((tokens, self.k), -7, np.int32),
            np.full((tokens, self.k), np.nan, np.float32),
        ]
        if self.shared:
            outs.append(np.full((tokens, self.shared), np.nan, np.float32))
        return outs + [np.full((BLOCKS, self.experts), -7, np.int32)]

    def text(self, kind):
        """As a function on memrefs or on tensors; outs are arguments."""
        t = typed if kind == "tensor" else memref
        types = {"logits": t(None, self.experts + self.shared)}
        types |= {name: self.operand_type(name, t) for name in self.ordered()}
        outs = {"i": t(None, self.k, element="i32"), "w": t(None, self.k)}
        if self.shared:
            outs["s"] = t(None, self.shared)
        outs["c"] = t(BLOCKS, self.experts, element="i32")
        arguments = ", ".join(f"%{n}: {type}" for n, type in (types | outs).items())
        clauses = " ".join(
            f"{'ins' if n == 'logits' else n}(%{n} : {type})" for n, type in types.items()
        )
        attributes = [f"routing = {self.attribute}", f"count_rows = {COUNT_ROWS} : i64"]
        attributes = ", ".join(filter(None, [self.attributes, *attributes]))
        of = ", ".join(outs.values())
        op = f"moe.route {{{attributes}}} {clauses}"
        op += f" outs({', '.join(f'%{n}' for n in outs)} : {of})"
        if kind != "tensor":
            return f"""
    func.func @{self.name}({arguments}) {{
      {op}
      return
    }}"""
        results = ", ".join(f"%0#{i}" for i in range(len(outs)))
        return f"""
    func.func @{self.name}({arguments}) -> ({of}) {{
      %0:{len(outs)} = {op} -> {of}
      return {results} : {of}
    }}"""

    def operand_type(self, name, t):
        element, shape = OPERANDS[name]
        sizes = {"T": None, "E": self.experts, "V": VOCABULARY, "k": self.k}
        return t(*(sizes[size] for size in shape), element=element)


def joined(ids, weights, *rest):
    """The weights of shared experts behind those of the chosen. What was counted
    must be what was chosen."""
    *shared, counts = rest
    expected = count(ids, counts.shape[1])
    assert np.array_equal(counts[: len(expected)], expected)
    assert (counts[len(expected) :] < 0).all()
    shared = shared[0] if shared else None
    return ids, weights if shared is None else np.hstack([weights, shared])


def typed(*shape, element="f32"):
    return memref(*shape, element=element).replace("memref", "tensor")


def router_of(family):
    return Router(
        family.name,
        family.experts,
        family.k,
        family.attribute,
        family.operands,
        family.attributes,
        family.shared,
    )


class Call(NamedTuple):
    router: Router
    logits: np.ndarray
    operands: dict


class Reference:
    def __init__(self, real):
        self.real = real

    def __str__(self):
        return f"reference-{self.real.__name__}"

    def run(self, calls):
        routers = {call.router.name: call.router for call in calls}
        module = "\n".join(router.text("tensor") for router in routers.values())
        arguments = {}
        for i, (router, logits, operands) in enumerate(calls):
            given = [operands[name] for name in router.ordered()]
            arguments[f"{router.name}@{i}"] = [
                logits, *given, *router.outs(len(logits))
            ]
        results = evaluate(module, arguments, real=self.real)
        return [joined(*results[name]) for name in arguments]


@functools.lru_cache(maxsize=None)
def library(routers, machine, passes):
    return build("".join(router.text("memref") for router in routers), machine, passes)


class Compiled:
    def __init__(self, machine, passes):
        self.machine, self.passes = machine, passes

    def __str__(self):
        return "generic" if self.passes == GENERIC else self.machine.name

    def run(self, calls):
        routers = tuple(dict.fromkeys(call.router for call in calls))
        code = library(routers, self.machine, self.passes)
        return [self.run_one(code, *call) for call in calls]

    def run_one(self, code, router, logits, operands):
        outs = [guarded(out) for out in router.outs(len(logits))]
        inputs = [logits, *(operands[name] for name in router.ordered())]
        call(code, router.name, *map(guarded, inputs), *outs)
        return joined(*outs)


REFERENCES = (Reference(np.float64), Reference(np.float32))
COMPILED = tuple(Compiled(machine, FAST) for machine in machines()) + (
    Compiled(machines()[1], GENERIC),
)
ENGINES = REFERENCES + COMPILED
