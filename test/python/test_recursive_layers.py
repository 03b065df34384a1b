"""Layers of all kinds in recursions: experts, windows and chunks of positions, mixers that remember. Whole models against
NumPy in f64, where a layer gets the tokens that take part, with their positions, and no others."""

import json
import re
import subprocess

import moec
import numpy as np
import pytest
import test_mixture_of_recursions as plain
from conftest import ARCHITECTURES, BUILD, text_after, write_safetensors
from formulas import causal_attention, relative_error, rms, sigmoid, silu, softmax, top, turn
from test_guard_pages import run_step
from test_mixture_of_recursions import EXPERT, HEAD, HIDDEN, IDS, LIKELY, SHARED, SIZES, TOKEN

SPEC = ["--arch-spec", str(ARCHITECTURES / "recursive_layers.json")]
FULL, SLIDING, CHUNKED, CONV, DELTA = "full_attention", "sliding_attention", "chunked_attention", "conv", "linear_attention"
EXPERTS, WIDTH, WINDOW, CHUNK = 6, 20, 5, 8
# Who chooses, and the kinds of the two layers that recur, with S where they have experts.
VARIANTS = {
    "windows": (LIKELY, (SLIDING, CHUNKED), ""),
    "windows-first": (LIKELY | {"shares": True}, (SLIDING, CHUNKED), ""),
    "windows-token": (TOKEN, (CHUNKED, SLIDING), "-S"),
    "experts": (LIKELY, (FULL, FULL), "SS"),
    "experts-first": (TOKEN | {"shares": True}, (FULL, FULL), "SS"),
    "experts-largest": (EXPERT, (FULL, SLIDING), "SS"),
    "experts-table": (LIKELY, (FULL, FULL), "SS"),
    "mixers": (LIKELY, (CONV, DELTA), ""),
    "mixers-token": (TOKEN, (DELTA, CONV), "S-"),
    "mixers-largest": (EXPERT, (CONV, DELTA), ""),
    "all": (LIKELY, (DELTA, SLIDING), "SS"),
}
CAUSAL = [name for name in VARIANTS if "largest" not in name]


def config(variant):
    mor, kinds, sparse = VARIANTS[variant]
    sparse = sparse.ljust(SHARED, "-")
    first, last = (FULL, FULL) if mor.get("shares") else (CONV, FULL)
    return plain.config(**mor) | {
        "model_type": "recursive_layers", "layer_types": [first, *kinds, last], "sliding_window": WINDOW,
        "attention_chunk_size": CHUNK, "sparse_layers": [False, *(each == "S" for each in sparse), True],
        "num_experts": EXPERTS, "num_experts_per_tok": 2, "moe_intermediate_size": WIDTH,
        "experts_by_table": variant == "experts-table"}


def random_tensors(config):
    rng, tensors = np.random.default_rng(23), plain.random_tensors(config)
    for n, (kind, sparse) in enumerate(zip(config["layer_types"], config["sparse_layers"])):
        p, shapes = f"model.layers.{n}.", {}
        if kind == CONV:
            shapes = {"conv.in_proj.weight": (HIDDEN, HIDDEN), "conv.conv.weight": (HIDDEN, 1, 3),
                      "conv.out_proj.weight": (HIDDEN, HIDDEN)}
        elif kind == DELTA:
            shapes = {f"linear.{m}_proj.weight": (HIDDEN, HIDDEN) for m in "qkvo"}
            shapes |= {f"linear.{m}.weight": (4, HIDDEN) for m in ("decay", "beta")}
        if shapes:
            tensors = {name: value for name, value in tensors.items() if not name.startswith(p + "self_attn")}
        if sparse:
            tensors = {name: value for name, value in tensors.items() if not name.startswith(p + "mlp")}
            shapes["mlp.gate.weight"] = (EXPERTS, HIDDEN)
            shapes |= {f"mlp.experts.{e}.{m}_proj.weight": shape for e in range(EXPERTS) for m, shape in
                       (("gate", (WIDTH, HIDDEN)), ("up", (WIDTH, HIDDEN)), ("down", (HIDDEN, WIDTH)))}
        tensors |= {p + name: (rng.standard_normal(shape) * shape[-1] ** -0.5).astype(np.float32)
                    for name, shape in shapes.items()}
    if config["experts_by_table"]:
        tensors["model.experts_of_token"] = rng.integers(0, 3, SIZES["vocab_size"]).astype(np.int32)
    return tensors


class Oracle(plain.Oracle):
    """`by_place` counts windows in tokens that take part."""

    def __init__(self, config, tensors, by_place=False):
        super().__init__(config, tensors)
        self.kinds, self.sparse, self.by_place = config["layer_types"], config["sparse_layers"], by_place
        self.made = []  # Of layers that recur: the positions, and what the layer made.

    def project(self, x, name):
        return x @ self.t[name + ".weight"].T

    def attention(self, p, kind, h, at, cache):
        q, k, v = (self.project(h, f"{p}self_attn.{m}_proj").reshape(len(h), -1, HEAD) for m in "qkv")
        q, k = (turn(each, HEAD, SIZES["rope_theta"], at) for each in (q, k))
        k, v, stored = cache = (k, v, at) if cache is None else cache
        seen = (np.arange(len(at)), np.arange(len(stored))) if self.by_place else (at, stored)
        y = causal_attention(q, k, v, *seen, window=WINDOW if kind == SLIDING else None,
                             chunk=CHUNK if kind == CHUNKED else None)
        return self.project(y, p + "self_attn.o_proj"), cache

    def convolution(self, p, h):
        x, w = self.project(h, p + "conv.in_proj"), self.t[p + "conv.conv.weight"][:, 0]
        past = np.concatenate((np.zeros((2, HIDDEN)), x))
        return self.project(sum(w[:, j] * past[j:j + len(x)] for j in range(3)), p + "conv.out_proj")

    def delta(self, p, h):
        q, k, v = (self.project(h, f"{p}linear.{m}_proj").reshape(len(h), 4, HEAD) for m in "qkv")
        q, k = (each / np.sqrt((each * each).mean(-1, keepdims=True) + 1e-6) / np.sqrt(HEAD) for each in (q, k))
        decay = -np.log1p(np.exp(self.project(h, p + "linear.decay")))
        beta, s, y = sigmoid(self.project(h, p + "linear.beta")), np.zeros((4, HEAD, HEAD)), np.zeros(v.shape)
        for t in range(len(h)):
            s = s * np.exp(decay[t])[:, None, None]
            s = s + k[t][:, :, None] * (beta[t][:, None] * (v[t] - np.einsum("hk,hkv->hv", k[t], s)))[:, None]
            y[t] = np.einsum("hk,hkv->hv", q[t], s)
        return self.project(y.reshape(len(h), -1), p + "linear.o_proj")

    def network(self, h, p):
        return self.project(silu(self.project(h, p + "gate_proj")) * self.project(h, p + "up_proj"), p + "down_proj")

    def numbers(self, at):
        table = self.t.get("model.experts_of_token", np.full(SIZES["vocab_size"], 2))
        return table[IDS[at]].astype(int)

    def experts(self, h, p, at):
        scores, y = softmax(self.project(h, p + "gate")), np.zeros_like(h)
        for i, (chosen, number) in enumerate(zip(top(scores, 2), self.numbers(at))):
            chosen = chosen[:number]
            for e in chosen:
                y[i] += scores[i, e] / scores[i, chosen].sum() * self.network(h[i], f"{p}experts.{e}.")
        return y

    def layer(self, n, x, at, cache=None):
        p, eps, kind = f"model.layers.{n}.", SIZES["rms_norm_eps"], self.kinds[n]
        h = rms(x, self.t[p + "input_layernorm.weight"], eps)
        if kind == CONV:
            y = self.convolution(p, h)
        elif kind == DELTA:
            y = self.delta(p, h)
        else:
            y, cache = self.attention(p, kind, h, at, cache)
        x = x + y
        h = rms(x, self.t[p + "post_attention_layernorm.weight"], eps)
        x = x + (self.experts(h, p + "mlp.", at) if self.sparse[n] else self.network(h, p + "mlp."))
        if n in range(1, 1 + SHARED):
            self.made.append((at, x))
        return x, cache


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    return tmp_path_factory.mktemp("recursive-layers")


@pytest.fixture
def checkpoint(checkpoints):
    def make(variant):
        chosen, folder = config(variant), checkpoints / variant
        tensors = random_tensors(chosen)
        if not folder.exists():
            folder.mkdir()
            (folder / "config.json").write_text(json.dumps(chosen))
            write_safetensors(folder / "model.safetensors", tensors)
        return folder, chosen, tensors
    return make


@pytest.fixture
def model(compiled, checkpoint):
    def make(variant, *flags):
        folder, chosen, tensors = checkpoint(variant)
        return moec.Model(compiled(folder, "--dtype", "f32", "--taps", *SPEC, *flags)), chosen, tensors
    return make


CASES = [(variant, ()) for variant in VARIANTS] + [
    (variant, ("--fallback",)) for variant in ("windows", "windows-first", "experts", "mixers-token", "all")]


@pytest.mark.parametrize("variant, lowering", CASES, ids=["-".join((variant, *flags)) for variant, flags in CASES])
def test_equals_the_formulas(model, variant, lowering):
    artifact, chosen, tensors = model(variant, *lowering)
    session, oracle = artifact.session(threads=2), Oracle(chosen, tensors)
    actual, expected = session.step([(0, IDS)], rows="all"), oracle.logits(IDS)
    assert relative_error(actual, expected) <= 2e-5
    assert 2 < len(oracle.chosen[-1]) < len(oracle.chosen[0]) <= len(IDS)
    # Taps in a recursion have rows of all tokens, those that pass it by nothing in them.
    for i, (at, made) in enumerate(oracle.made):
        prefix, others = f"recursions.{i // SHARED}.layers.{i % SHARED + 1}.", np.setdiff1d(np.arange(len(IDS)), at)
        out = session.tap(prefix + "out")
        assert relative_error(out[at], made) <= 2e-5 and not out[others].any()
        if oracle.sparse[i % SHARED + 1]:
            ids = session.tap(prefix + "experts")
            np.testing.assert_array_equal((ids[at] >= 0).sum(1), oracle.numbers(at))
            assert (ids[others] == -1).all()
    assert len(oracle.made) == SHARED * len(oracle.chosen)
    if variant in ("windows", "windows-token", "all"):
        # A window of those that take part is another model.
        assert relative_error(actual, Oracle(chosen, tensors, by_place=True).logits(IDS)) > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_and_batches(model, variant):
    artifact, _, _ = model(variant)
    whole = artifact.session(threads=2).step([(0, IDS)], rows="all")
    both = artifact.session(threads=1).step([(3, IDS[:20]), (1, IDS)], rows="all")
    assert both[20:].tobytes() == whole.tobytes()
    if variant not in CAUSAL:
        return
    pieces = artifact.session(threads=2)
    rest = [pieces.step([(2, part)], rows="all") for part in np.split(IDS, [1, 2, 3, 40])]
    assert np.concatenate(rest).tobytes() == whole.tobytes()
    # Token by token, between others of which few take part, in any order.
    mixed, others, rows = artifact.session(threads=2), np.random.default_rng(2).integers(0, 96, (2, 70), dtype=np.int32), []
    for t, token in enumerate(IDS):
        batch = [(5, others[0, t:t + 1]), (2, np.array([token])), (0, others[1, t:t + 1])]
        order = np.random.default_rng(t).permutation(3)
        rows.append(mixed.step([batch[i] for i in order], rows="all")[list(order).index(1)])
    assert np.stack(rows).tobytes() == whole.tobytes()
    # A slot that begins anew has forgotten what it was.
    mixed.reset(2)
    assert mixed.step([(2, IDS)], rows="all").tobytes() == whole.tobytes()


@pytest.mark.parametrize("side", ["after", "before"])
@pytest.mark.parametrize("variant", ["windows-token", "experts", "mixers", "all"])
def test_guard_pages(compiled, checkpoint, tmp_path, variant, side):
    folder, _, _ = checkpoint(variant)
    artifact = compiled(folder, "--dtype", "f32", "--target", "cpu", "--max-sequences", "3", *SPEC)
    done = run_step(artifact, tmp_path, side)
    assert done.returncode == 0, (done.returncode, done.stderr)


@pytest.mark.parametrize("variant", VARIANTS)
def test_verify(compiled, checkpoint, variant):
    folder, _, _ = checkpoint(variant)
    artifact = compiled(folder, "--dtype", "f32", "--taps", *SPEC)
    done = subprocess.run([str(BUILD / "bin" / "moec"), "verify", str(folder), str(artifact), *SPEC],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "logits " in done.stdout, done.stdout + done.stderr
    assert "recursions.2.layers.2.out" in done.stdout, done.stdout


def test_bf16(compiled, checkpoint):
    folder, _, _ = checkpoint("all")
    artifact = compiled(folder, "--dtype", "bf16", "--taps", *SPEC)
    done = subprocess.run([str(BUILD / "bin" / "moec"), "verify", str(folder), str(artifact), *SPEC],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    whole = moec.Model(artifact).session(threads=2).step([(0, IDS)], rows="all")
    pieces = moec.Model(artifact).session(threads=1)
    rest = [pieces.step([(0, part)], rows="all") for part in np.split(IDS, [1, 2, 40])]
    assert np.concatenate(rest).tobytes() == whole.tobytes()


def test_experts_get_rows_of_those_that_take_part(checkpoint):
    """The plan of a layer's experts is one of the rows that it gets, and so is its router."""
    folder, _, _ = checkpoint("experts")
    text = text_after("dispatch", folder, *SPEC)
    layer = text[text.index("func.func private @layer_1("):]
    rows = layer[:layer.index("return")]
    assert "moe.gate" in rows and "moe.plan" in rows and "moe.combine" in rows


@pytest.mark.parametrize("variant", ["all", "experts-first"])
def test_inspect(checkpoint, tmp_path, variant):
    """In words and as a page, on which a layer that recurs is drawn once, whatever it is the next time."""
    folder, _, _ = checkpoint(variant)
    done = subprocess.run([str(BUILD / "bin" / "moec"), "inspect", str(folder), *SPEC, "--html", str(tmp_path / "page.html")],
                          capture_output=True, text=True, check=True)
    assert "3 recursions, by s" in done.stdout and "softmax, top-2, renormalised" in done.stdout, done.stdout
    page = (tmp_path / "page.html").read_text()
    headings = re.findall(r"Layers (\S+)</h2>", page)
    assert sorted(headings) == (["0", "1", "2", "3"] if variant == "all" else ["0", "1–3"]), headings


def test_refusals(checkpoint, tmp_path):
    """A mixer's state is of the last token only."""
    folder, chosen, _ = checkpoint("mixers")
    (tmp_path / "config.json").write_text(json.dumps(chosen | {"kv_sharing": {"enable": True}}))
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    done = subprocess.run([str(BUILD / "bin" / "moec"), "inspect", str(tmp_path), *SPEC], capture_output=True, text=True)
    assert done.returncode == 1 and "short_conv() remembers what the last token left" in done.stderr, done.stderr
