"""MoE++ as a whole model: as released, with each of its switches, and as published, against NumPy models
of the formulas. Experts that compute nothing, and router logits that reach the next layer, run here."""

import json
import re
import subprocess

import moec
import numpy as np
import pytest
from conftest import BUILD, SOURCE, targets, text_after, write_safetensors
from formulas import decoder_logits, relative_error, rounded, silu, softmax, top, wide
from test_guard_pages import run_step

PUBLISHED = SOURCE / "examples" / "architectures" / "moe_plus_plus_published.json"
NETWORKS, EXPERTS = 8, 12  # Two constants, the token itself and nothing stand behind the networks.
SIZES = dict(vocab_size=96, hidden_size=48, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-6, rope_theta=10000.0,
             num_experts=[EXPERTS], moe_expert_interval=1)
HEAD = SIZES["hidden_size"] // SIZES["num_attention_heads"]


def random_tensors(rng, two_matrices):
    h, kv, width = SIZES["hidden_size"], SIZES["num_key_value_heads"] * HEAD, SIZES["intermediate_size"]
    shapes = {"model.embed_tokens.weight": (SIZES["vocab_size"], h), "model.norm.weight": (h,),
              "lm_head.weight": (SIZES["vocab_size"], h)}
    for n in range(SIZES["num_hidden_layers"]):
        p = f"model.layers.{n}."
        shapes |= {p + "input_layernorm.weight": (h,), p + "post_attention_layernorm.weight": (h,)}
        shapes |= {f"{p}self_attn.{m}_proj.weight": (rows, h) for m, rows in zip("qkvo", (h, kv, kv, h))}
        gate = p + "mlp.moe.gate."
        shapes[gate + "gate_map.weight"] = (EXPERTS, EXPERTS)
        if two_matrices:
            shapes |= {gate + "wg.0.weight": (8 * EXPERTS, h), gate + "wg.2.weight": (EXPERTS, 8 * EXPERTS)}
        else:
            shapes[gate + "wg.weight"] = (EXPERTS, h)
        for e in range(NETWORKS):
            name = f"{p}mlp.moe.experts.experts.{e}."
            shapes |= {name + "up_proj.weight": (2 * width, h), name + "down_proj.weight": (h, width)}
        for e in (NETWORKS, NETWORKS + 1):
            name = f"{p}mlp.moe.experts.experts.{e}."
            shapes |= {name + "constant": (h,), name + "wg.weight": (2, h)}

    def draw(name, shape):
        if name.endswith("norm.weight"):
            return 1 + 0.1 * rng.standard_normal(shape)
        scale = 1 if "embed" in name or name.endswith("constant") else shape[-1] ** -0.5
        return rng.standard_normal(shape) * scale * (2 if "gate.wg" in name else 1)
    return {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}


class Oracle:
    """In f64; one sequence in one step."""

    def __init__(self, tensors, mixtral=False, logits_norm=None, factor=2, capacity=None):
        self.t, self.mixtral, self.logits_norm = wide(tensors), mixtral, logits_norm
        self.factor, self.capacity = factor, capacity
        self.router_logits, self.ids, self.outputs = [], [], []

    def weigh(self, logits):
        """The two experts of each token, by descending score, and their weights."""
        if self.logits_norm:
            logits = logits / (logits.std(1, ddof=1, keepdims=True) / self.logits_norm)
        ids = top(logits, 2)
        if self.mixtral:
            return ids, softmax(np.take_along_axis(logits, ids, 1))
        weights = np.take_along_axis(softmax(logits), ids, 1)
        if self.capacity:
            return self.drop(ids, weights)
        weights[ids == EXPERTS - 1] = 0
        return ids, weights / weights.sum(1, keepdims=True)

    def drop(self, ids, weights):
        factor, share = self.capacity
        whole = share * NETWORKS + (EXPERTS - NETWORKS)
        room = [int(np.ceil((share if e < NETWORKS else 1) * factor * len(ids) / whole)) for e in range(EXPERTS)]
        for j in range(2):
            for t in range(len(ids)):
                if room[ids[t, j]]:
                    room[ids[t, j]] -= 1
                else:
                    ids[t, j], weights[t, j] = -1, 0
        return ids, weights

    def expert(self, x, e, p):
        t, name = self.t, f"{p}experts.experts.{e}."
        if e < NETWORKS:
            gate, up = np.split(t[name + "up_proj.weight"] @ x, 2)
            return t[name + "down_proj.weight"] @ (silu(gate) * up)
        if e < NETWORKS + 2:
            a = softmax(t[name + "wg.weight"] @ x)
            return a[0] * x + a[1] * t[name + "constant"]
        return x if e == NETWORKS + 2 else np.zeros_like(x)

    def sparse(self, x, p):
        t, gate = self.t, p + "gate."
        if gate + "wg.weight" in t:
            logits = x @ t[gate + "wg.weight"].T
        else:
            logits = np.tanh(x @ t[gate + "wg.0.weight"].T) @ t[gate + "wg.2.weight"].T
        if self.router_logits:
            logits = logits + self.router_logits[-1] @ t[gate + "gate_map.weight"].T
        self.router_logits.append(logits)
        ids, weights = self.weigh(logits)
        self.ids.append(ids)
        y = np.zeros_like(x)
        for i, row in enumerate(x * self.factor):
            for e, w in zip(ids[i], weights[i]):
                if e >= 0:
                    y[i] += w * self.expert(row, e, p)
        self.outputs.append((x, y))
        return y

    def logits(self, ids):
        return decoder_logits(self.t, ids, SIZES | {"head_dim": HEAD}, lambda x, p: self.sparse(x, p + "mlp.moe."))


VARIANTS = {
    "released": ({}, {}),
    "one-matrix": ({"moe_2layer_gate": False}, {}),
    "not-doubled": ({"moe_feature_no_mul_topk": True}, {"factor": 1}),
    "mixtral": ({"moe_use_mixtral_gating": True}, {"mixtral": True, "factor": 1}),
    "normed": ({"moe_use_logits_norm": True, "moe_gate_norm_std": 1.5}, {"logits_norm": 1.5}),
    "published": ({"moe_2layer_gate": False}, {"factor": 1, "capacity": (1.1, 0.75)}),
}


def checkpoint(directory, changes, tensors):
    (directory / "config.json").write_text(json.dumps({"model_type": "MoE++"} | SIZES | changes))
    write_safetensors(directory / "model.safetensors", tensors)
    return directory


# Every form in baseline code and generic, the released one also in every other form of the code.
CASES = [(variant, flags) for variant in VARIANTS for flags in [("--target", "cpu"), ("--fallback",)]]
CASES += [("released", ("--target", *target.split())) for target in targets("moe_plus_plus", "f32") if target != "cpu"]


@pytest.mark.parametrize("variant, lowering", CASES)
def test_equals_the_formulas(compiled, tmp_path, variant, lowering):
    changes, formulas = VARIANTS[variant]
    rng = np.random.default_rng(11)
    tensors = random_tensors(rng, changes.get("moe_2layer_gate", True))
    flags = ("--arch-spec", str(PUBLISHED)) if variant == "published" else ()
    model = moec.Model(compiled(checkpoint(tmp_path, changes, tensors), "--dtype", "f32", "--taps", *lowering, *flags))
    ids = rng.integers(0, SIZES["vocab_size"], 90, dtype=np.int32)
    session, oracle = model.session(threads=2), Oracle(tensors, **formulas)
    actual, expected = session.step([(0, ids)], rows="all"), oracle.logits(ids)
    assert relative_error(actual, expected) <= 2e-5
    for layer in range(SIZES["num_hidden_layers"]):
        chosen = oracle.ids[layer]
        np.testing.assert_array_equal(session.tap(f"layers.{layer}.experts"), chosen)
        # Each kind was chosen, and in the published form some choices found no room.
        assert set(range(NETWORKS, EXPERTS)) < set(chosen.ravel())
        assert (chosen < 0).any() == (variant == "published")
        # The sum of all layers' logits so far, mapped from layer to layer.
        if not changes.get("moe_use_logits_norm"):
            assert relative_error(session.tap(f"layers.{layer}.router_logits"), oracle.router_logits[layer]) <= 1e-5
    # The map of the logits before is part of the gate; a norm over all logits of a token is not.
    assert ("moe.route " in text_after("gating", tmp_path, *flags)) == changes.get("moe_use_logits_norm", False)
    if variant == "published":
        return  # What finds room depends on the step.
    pieces = model.session(threads=1)
    rest = [pieces.step([(0, part)], rows="all") for part in np.split(ids, [1, 2, 40])]
    assert np.concatenate(rest).tobytes() == actual.tobytes()


def test_what_distinguishes_the_forms(compiled, tmp_path):
    """Each switch is far from the others' tolerance; a token that chose itself and nothing becomes twice itself."""
    rng = np.random.default_rng(11)
    tensors = random_tensors(rng, True)
    ids = rng.integers(0, SIZES["vocab_size"], 90, dtype=np.int32)
    model = moec.Model(compiled(checkpoint(tmp_path, {}, tensors), "--dtype", "f32", "--taps"))
    session = model.session()
    actual = session.step([(0, ids)], rows="all")
    for other in ({"factor": 1}, {"mixtral": True}, {"logits_norm": 1.5}):
        assert relative_error(actual, Oracle(tensors, **other).logits(ids)) > 0.05
    alone = {name: np.zeros_like(value) if "gate_map" in name else value for name, value in tensors.items()}
    assert relative_error(actual, Oracle(alone).logits(ids)) > 0.05
    found = 0
    for layer in range(SIZES["num_hidden_layers"]):
        chosen = np.sort(session.tap(f"layers.{layer}.experts"), 1)
        for t in np.flatnonzero((chosen == [EXPERTS - 2, EXPERTS - 1]).all(1)):
            row = session.tap(f"layers.{layer}.mlp_norm")[t]
            assert (session.tap(f"layers.{layer}.moe")[t] == 2 * row).all()
            found += 1
    assert found


def test_doubled_weights_are_doubled_inputs(compiled, tmp_path):
    """For tokens with two networks, gate and up matrices that are twice as large say the same as twice the input."""
    rng = np.random.default_rng(11)
    tensors = random_tensors(rng, True)
    larger = {name: 2 * value if "experts" in name and "up_proj" in name else value for name, value in tensors.items()}
    ids = rng.integers(0, SIZES["vocab_size"], 90, dtype=np.int32)
    moe = []
    for folder, changes, weights in (("a", {}, tensors), ("b", {"moe_feature_no_mul_topk": True}, larger)):
        (tmp_path / folder).mkdir()
        artifact = compiled(checkpoint(tmp_path / folder, changes, weights), "--dtype", "f32", "--taps")
        session = moec.Model(artifact).session()
        session.step([(0, ids)], rows="all")
        networks = (session.tap("layers.0.experts") < NETWORKS).all(1)
        moe.append(session.tap("layers.0.moe")[networks])
    assert len(moe[0]) > 20
    assert relative_error(*moe) <= 1e-6


def test_only_networks_get_rows(tmp_path):
    """Plans make no rows for the four experts that compute nothing."""
    tensors = random_tensors(np.random.default_rng(11), True)
    text = text_after("dispatch", checkpoint(tmp_path, {}, tensors))
    plans = re.findall(r"moe\.plan \{(.*?)\}", text)
    assert len(plans) == 2 and all("others = 4 : i64" in plan for plan in plans)  # The first layer, the others.
    assert len(re.findall(r"moe\.combine .*locals", text)) == 2


def test_what_the_original_lacks_too(tmp_path):
    for changes, message in (({"moe_expert_interval": 2}, "dense layers between sparse ones"),
                             ({"num_experts": [4]}, "four experts compute nothing"),
                             ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_scaling.type")):
        directory = checkpoint(tmp_path, changes, {"a": np.zeros(1, np.float32)})
        done = subprocess.run([str(BUILD / "bin" / "moec"), "compile", str(directory), "-o", str(tmp_path / "x.moec")],
                              capture_output=True, text=True)
        assert done.returncode in (1, 3) and message in done.stderr, done.stderr


def narrow(tensors):
    """What weights of bf16 hold; routers and norms stay as they are."""
    return {name: value if "gate" in name or "norm" in name or "constant" in name else rounded(value)
            for name, value in tensors.items()}


@pytest.mark.parametrize("target", targets("moe_plus_plus", "bf16"))
def test_bf16(compiled, tmp_path, target):
    rng = np.random.default_rng(11)
    tensors = random_tensors(rng, True)
    ids = rng.integers(0, SIZES["vocab_size"], 90, dtype=np.int32)
    model = moec.Model(compiled(checkpoint(tmp_path, {}, tensors), "--dtype", "bf16", "--target", *target.split()))
    session, oracle = model.session(threads=2), Oracle(narrow(tensors))
    actual, expected = session.step([(0, ids)], rows="all"), oracle.logits(ids)
    same = np.ones(90, bool)
    for layer in range(SIZES["num_hidden_layers"]):
        same &= (session.tap(f"layers.{layer}.experts") == oracle.ids[layer]).all(1)
    assert same.sum() >= 85
    assert relative_error(actual[same], expected[same]) <= 2e-2
    pieces = model.session(threads=1)
    rest = [pieces.step([(0, part)], rows="all") for part in np.split(ids, [1, 2, 40])]
    assert np.concatenate(rest).tobytes() == actual.tobytes()


@pytest.mark.parametrize("side", ["after", "before"])
def test_step_between_guard_pages(compiled, tmp_path, side):
    directory = checkpoint(tmp_path, {}, random_tensors(np.random.default_rng(11), True))
    artifact = compiled(directory, "--dtype", "f32", "--target", "cpu", "--max-sequences", "3")
    done = run_step(artifact, tmp_path, side)
    assert done.returncode == 0, (done.returncode, done.stderr)
