"""Modules of a sparse layer, written op by op, and their parameters.

A layer is a Layer: what its experts and their weights are. `text` is the module, and
the tests have what it computes as a formula.
"""

from typing import NamedTuple

import numpy as np
from formulas import bf16, rounded

MAPS = """
#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#column = affine_map<(t, n) -> (n)>
"""
SIGMOID = """%n = arith.negf {0} : f32
%p = math.exp %n : f32
%one = arith.constant 1.0 : f32
%q = arith.addf %one, %p : f32
%s = arith.divf {1}, %q : f32
"""
# What becomes of the scalars %a0 (gate) and %a1 (up); the last line defines %z.
ACTIVATIONS = {
    "silu": SIGMOID.format("%a0", "%a0") + "%z = arith.mulf %s, %a1 : f32",
    "relu": "%c = arith.constant 0.0 : f32\n%m = arith.maximumf %a0, %c : f32\n%z = arith.mulf %m, %a1 : f32",
    "relu2": "%c = arith.constant 0.0 : f32\n%m = arith.maximumf %a0, %c : f32\n%z = arith.mulf %m, %m : f32",
    "clamped": "%l = arith.constant 0.75 : f32\n%g = arith.minimumf %a0, %l : f32\n"
    + SIGMOID.format("%g", "%g") + "%z = arith.mulf %s, %a1 : f32",
}


def rows(width):
    return f"tensor<?x{width}xf32>"


class Writer:
    """Lines of a function or a region on rows; values have fresh names in a module."""

    names = 0  # Set to 0 where a module begins, so that equal modules are equal texts.

    def __init__(self, of, x, element, zero="%c0"):
        self.lines, self.element = [], element
        self.count = self.new(f"tensor.dim {x}, {zero} : {of}")

    def name(self):
        Writer.names += 1
        return f"%v{Writer.names}"

    def new(self, op):
        name = self.name()
        self.lines.append(f"{name} = {op}")
        return name

    def empty(self, width, element="f32"):
        return self.new(f"tensor.empty({self.count}) : tensor<?x{width}x{element}>")

    def product(self, x, inner, weight, width, element=None):
        """x [T, inner] times the transpose of a weight [width, inner]."""
        zero = self.new("arith.constant 0.0 : f32")
        init = self.new(
            f"linalg.fill ins({zero} : f32) outs({self.empty(width)} : {rows(width)}) -> {rows(width)}"
        )
        return self.new(
            "linalg.matmul indexing_maps = [#x, #w, #y]"
            f" ins({x}, {weight} : {rows(inner)}, tensor<{width}x{inner}x{element or self.element}>)"
            f" outs({init} : {rows(width)}) -> {rows(width)}"
        )

    def each(self, width, body, *inputs):
        """Elementwise; an input is (value, type, map)."""
        maps = ", ".join(map for _, _, map in inputs)
        arguments = "".join(f"%a{i}: f32, " for i in range(len(inputs)))
        return self.new(
            f'linalg.generic {{indexing_maps = [{maps}, #rows], iterator_types = ["parallel", "parallel"]}}'
            f" ins({', '.join(v for v, _, _ in inputs)} : {', '.join(t for _, t, _ in inputs)})"
            f" outs({self.empty(width)} : {rows(width)}) {{\n^bb0({arguments}%o: f32):\n"
            f"{body}\nlinalg.yield %z : f32\n}} -> {rows(width)}"
        )

    def times(self, x, width, factor):
        body = f"%f = arith.constant {factor:.9e} : f32\n%z = arith.mulf %a0, %f : f32"
        return self.each(width, body, (x, rows(width), "#rows"))

    def sum(self, a, b, width):
        whole = [(value, rows(width), "#rows") for value in (a, b)]
        return self.each(width, "%z = arith.addf %a0, %a1 : f32", *whole)


class Ffn(NamedTuple):
    """Experts that compute down(act(gate x, up x)), perhaps with a bias behind."""

    count: int
    width: int
    activation: str = "silu"
    bias: bool = False


class Others(NamedTuple):
    """Experts that move no rows: `constant` (one vector), `identity` or `zero`."""

    kind: str
    count: int


class Layer(NamedTuple):
    experts: tuple  # of Ffn and Others, in the order of their ids
    k: int
    hidden: int = 48
    weight_on: str = "output"
    input_scale: float = 1.0  # of what experts read
    output_scale: float = 1.0  # of the sum of the experts
    shared: tuple = ()  # of Ffn
    shared_gate: bool = False
    element: str = "f32"
    alias: tuple = ()  # of what the router knows, the experts that compute

    @property
    def count(self):
        return sum(of.count for of in self.experts)

    @property
    def scored(self):
        return len(self.alias) or self.count

    def text(self):
        Writer.names = 0
        h, e = self.hidden, self.element
        recipes, banks, regions, ranges, own = [], [], [], [], []

        def load(kind, name, type, role):
            of = type.removeprefix("!moe.bank") if kind == "load_bank" else type
            recipes.append(f'%r{len(recipes)} = moe.{kind} "{name}" : {of}')
            recipes.append(
                f'moe.define "{name}" role "{role}", %r{len(recipes) - 1} : {type}'
            )
            own.append(f'moe.weight "{name}" : {type}')
            return own[-1]

        main = Writer(rows(h), "%x", e)

        def weight(name, shape, role, element=e):
            sizes = "x".join(map(str, shape))
            type = f"tensor<{sizes}x{element}>"
            load("load", name, type, role)
            return main.new(own[-1]), type

        router, _ = weight("router", (self.scored, h), "router", "f32")
        logits = main.product("%x", h, router, self.scored, "f32")
        ids, weights = main.empty(self.k, "i32"), main.empty(self.k)
        pair = f"tensor<?x{self.k}xi32>, tensor<?x{self.k}xf32>"
        choice = main.name()
        names = ", ".join(map(str, self.alias))
        alias = f"alias = array<i32: {names}>, " if self.alias else ""
        dedupe = ", dedupe = sum" if self.alias else ""
        main.lines.append(
            f"{choice}:2 = moe.route {{{alias}routing = #moe.routing<k = {self.k}{dedupe}>}}"
            f" ins({logits} : {rows(self.scored)}) outs({ids}, {weights} : {pair}) -> {pair}"
        )
        x = "%x" if self.input_scale == 1 else main.times("%x", h, self.input_scale)
        for n, of in enumerate(self.experts):
            if isinstance(of, Others) and of.kind != "constant":
                ranges.append(f"<{of.kind}, {of.count}>")
            elif isinstance(of, Others):
                ranges.append(f"<local, {of.count}>")
                banks.append(weight(f"constant.{n}", (h,), "experts", "f32"))
                region = Writer(rows(h), "%rows", e, "%r0")
                # The vector, whatever the rows are.
                body = "%c = arith.constant 0.0 : f32\n%z = arith.addf %a1, %c : f32"
                vector = ("%w0", f"tensor<{h}xf32>", "#column")
                out = region.each(h, body, ("%rows", rows(h), "#rows"), vector)
                regions.append(self.region(region, [f"tensor<{h}xf32>"], out))
            else:
                ranges.append(f"<ffn, {of.count}>")
                shapes = self.shapes(of)
                members = [f"tensor<{'x'.join(map(str, s))}x{'f32' if len(s) == 1 else e}>" for s in shapes]
                for part, member in zip(PARTS, members):
                    type = f"!moe.bank<{of.count} x {member}>"
                    load("load_bank", f"experts.{n}.{{expert}}.{part}", type, "experts")
                    banks.append((main.new(own[-1]), type))
                region = Writer(rows(h), "%rows", e, "%r0")
                regions.append(self.region(region, members, self.network(region, "%rows", of)))
        attributes = [f"ranges = #moe.ranges<[{', '.join(ranges)}]>"]
        if self.weight_on == "input":
            attributes.append("weight_on_input")
        y = main.new(
            f"moe.experts {{{', '.join(attributes)}}} ins({x}, {choice}#0, {choice}#1 : {rows(h)}, {pair})"
            f" banks({', '.join(v for v, _ in banks)} : {', '.join(t for _, t in banks)})"
            f" outs({main.empty(h)} : {rows(h)}) {', '.join(regions)} -> {rows(h)}"
        )
        if self.output_scale != 1:
            y = main.times(y, h, self.output_scale)
        for n, of in enumerate(self.shared):
            y = main.sum(y, self.shared_text(main, weight, n, of), h)
        body = "\n".join(main.lines)
        return f"""{MAPS}
module {{
moe.recipes {{
{chr(10).join(recipes)}
}}
func.func @layer(%x: {rows(h)} {{moe.name = "x"}}) -> ({rows(h)} {{moe.name = "y"}}, tensor<?x{self.k}xi32> {{moe.name = "experts"}}) {{
%c0 = arith.constant 0 : index
{body}
return {y}, {choice}#0 : {rows(h)}, tensor<?x{self.k}xi32>
}}
}}
"""

    def shapes(self, of):
        inner = (of.width, self.hidden)
        return [inner, inner, inner[::-1]] + [(of.width,)] * of.bias

    def network(self, region, x, of):
        h, inner = self.hidden, of.width
        gate, up = (region.product(x, h, w, inner) for w in ("%w0", "%w1"))
        inputs = [(gate, rows(inner), "#rows"), (up, rows(inner), "#rows")]
        hidden = region.each(inner, ACTIVATIONS[of.activation], *inputs)
        if of.bias:
            vector = ("%w3", f"tensor<{inner}xf32>", "#column")
            hidden = region.each(inner, "%z = arith.addf %a0, %a1 : f32", (hidden, rows(inner), "#rows"), vector)
        return region.product(hidden, inner, "%w2", h)

    def region(self, region, members, out):
        arguments = "".join(f", %w{i}: {type}" for i, type in enumerate(members))
        lines = "\n".join(region.lines)
        return f"""{{
^bb0(%rows: {rows(self.hidden)}{arguments}):
%r0 = arith.constant 0 : index
{lines}
moe.yield {out} : {rows(self.hidden)}
}}"""

    def shared_text(self, main, weight, n, of):
        h = self.hidden
        params = [weight(f"shared.{n}.{part}", shape, "shared", "f32" if len(shape) == 1 else self.element)
                  for part, shape in zip(PARTS, self.shapes(of))]
        region = Writer(rows(h), "%rows", self.element, "%r0")
        body = self.region(region, [t for _, t in params], self.network(region, "%rows", of))
        made = main.new(
            f"moe.shared ins(%x : {rows(h)}) params({', '.join(v for v, _ in params)} : {', '.join(t for _, t in params)})"
            f" outs({main.empty(h)} : {rows(h)}) {body} -> {rows(h)}"
        )
        if not self.shared_gate:
            return made
        gate, _ = weight(f"shared.{n}.weigher", (1, h), "router", "f32")
        logit = main.product("%x", h, gate, 1, "f32")
        body = SIGMOID.format("%a1", "%a0") + "%z = arith.mulf %s, %one : f32"
        return main.each(h, body, (made, rows(h), "#rows"), (logit, rows(1), "#row"))

    def parameters(self, seed=0):
        """By name, in f32; those of matrices as the element type holds them."""
        random = np.random.default_rng(seed)
        h, found = self.hidden, {}

        def draw(name, *shape, scale=None):
            values = (random.normal(0, scale or shape[-1] ** -0.5, shape)).astype(np.float32)
            found[name] = rounded(values) if self.is_narrow(name, values) else values

        draw("router", self.scored, h, scale=0.4)
        for n, of in enumerate(self.experts):
            if isinstance(of, Ffn):
                for i in range(of.count):
                    for part, shape in zip(PARTS, self.shapes(of)):
                        draw(f"experts.{n}.{i}.{part}", *shape)
            elif of.kind == "constant":
                draw(f"constant.{n}", h, scale=1)
        for n, of in enumerate(self.shared):
            for part, shape in zip(PARTS, self.shapes(of)):
                draw(f"shared.{n}.{part}", *shape)
            draw(f"shared.{n}.weigher", 1, h)
        return found

    def is_narrow(self, name, values):
        return self.element == "bf16" and values.ndim == 2 and name != "router" and "weigher" not in name


PARTS = ("gate", "up", "down", "bias")


def stored(layer, parameters):
    """Parameters as their file has them."""
    return {name: bf16(value) if layer.is_narrow(name, value) else value for name, value in parameters.items()}
