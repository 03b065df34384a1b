"""Families of a user's file that combine what no family of the box does, as whole models against their formulas in f64."""

import json
import subprocess

import moec
import numpy as np
import pytest
from conftest import BUILD, FIXTURES, read_checkpoint, text_after, write_safetensors
from formulas import relative_error, rms, sigmoid, silu, softmax, top, turn, wide

HIDDEN, VOCABULARY, EXPERTS, WIDTH, HEADS, KV_HEADS, EPS = 48, 64, 8, 20, 4, 2, 1e-5
CONFIG = {"model_type": "unusual", "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_attention_heads": HEADS,
          "num_key_value_heads": KV_HEADS, "num_experts": EXPERTS, "num_experts_per_tok": 2, "moe_intermediate_size": WIDTH,
          "max_position_embeddings": 128, "rms_norm_eps": EPS}
IDS = np.random.default_rng(2).integers(0, VOCABULARY, 40, dtype=np.int32)


def drawn(shapes):
    rng = np.random.default_rng(4)

    def draw(name, shape):
        offset, scale = ("norm.weight" in name, 0.2) if len(shape) == 1 else (0, shape[-1] ** -0.5)
        return (offset + scale * rng.standard_normal(shape)).astype(np.float32)
    return {name: draw(name, shape) for name, shape in shapes.items()}


def mlp_shapes(name, width):
    return {f"{name}.gate_proj.weight": (width, HIDDEN), f"{name}.up_proj.weight": (width, HIDDEN),
            f"{name}.down_proj.weight": (HIDDEN, width)}


def mlp(t, name, x):
    hidden = silu(x @ t[f"{name}.gate_proj.weight"].T) * (x @ t[f"{name}.up_proj.weight"].T)
    return hidden @ t[f"{name}.down_proj.weight"].T


def logits(compiled, directory, family, config, tensors, *flags):
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "family.json").write_text(json.dumps({"family": "unusual", "model_types": ["unusual"]} | family))
    write_safetensors(directory / "model.safetensors", tensors)
    artifact = compiled(directory, "--arch-spec", str(directory / "family.json"), "--dtype", "f32", *flags)
    return moec.Model(artifact).session(threads=2).step([(0, IDS)], rows="all")


# A parallel block behind a LayerNorm, sinks, a part of each head turned, heads that differ in number and size from layer
# to layer, narrower values, caps of scores and of logits, residuals by depth, a shared expert behind a gate, tied embeddings.
MIXED = {
    "extends": "decoder",
    "keys": {"num_attention_heads": {"type": "ints", "length": "num_hidden_layers"},
             "num_key_value_heads": {"type": "ints", "length": "num_hidden_layers"},
             "head_dim": {"type": "int"}, "full_head_dim": {"type": "int"}, "v_head_dim": {"type": "int"},
             "scale_depth": {"type": "float"}, "score_cap": {"type": "float"}, "logit_cap": {"type": "float"}},
    "define": {
        "heads": "each(num_attention_heads)", "kv_heads": "each(num_key_value_heads)",
        "size": "head_dim if slides else full_head_dim",
        "rope_dims": "int(size * partial_rotary_factor)",
        "norm(x, name)": "layer_norm(x, name, rms_norm_eps)",
        "head_norm(x, name)": "rms_norm(x, name, rms_norm_eps, size)",
        "residual_scale": "scale_depth / sqrt(num_hidden_layers)",
        "logit_softcap": "logit_cap",
        "shared_width": 24,
        "shared_expert(x)": "sigmoid(linear(x, 'mlp.shared_expert_gate', 1)) * mlp(x, 'mlp.shared_expert', shared_width)",
        "part(x, name, count)": "turn(head_norm(project(x, name + '_proj', count * size, false), name + '_norm'), size)",
        "self_attention(x)": [
            "v = project(x, 'self_attn.v_proj', kv_heads * v_head_dim, false)",
            "o = attention(part(x, 'self_attn.q', heads), part(x, 'self_attn.k', kv_heads), v, heads, kv_heads, "
            "window=window_where_it_slides, softcap=score_cap, sinks='self_attn.sinks')",
            "project(o, 'self_attn.o_proj', hidden_size, false)"]},
    "layer": ["h = norm(x, 'input_layernorm')", "residual(x, self_attention(h) + sparse(h))"]}
OF_LAYERS = ([4, 6, 2], [2, 3, 1])
VALUES = 10


def mixed_shapes():
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,), "model.norm.bias": (HIDDEN,)}
    for layer, (heads, kv_heads) in enumerate(zip(*OF_LAYERS)):
        p, size = f"model.layers.{layer}.", 16 if layer == 1 else 12
        shapes |= {p + "input_layernorm.weight": (HIDDEN,), p + "input_layernorm.bias": (HIDDEN,),
                   p + "self_attn.q_proj.weight": (heads * size, HIDDEN), p + "self_attn.k_proj.weight": (kv_heads * size, HIDDEN),
                   p + "self_attn.v_proj.weight": (kv_heads * VALUES, HIDDEN), p + "self_attn.o_proj.weight": (HIDDEN, heads * VALUES),
                   p + "self_attn.q_norm.weight": (size,), p + "self_attn.k_norm.weight": (size,), p + "self_attn.sinks": (heads,),
                   p + "mlp.gate.weight": (EXPERTS, HIDDEN), p + "mlp.shared_expert_gate.weight": (1, HIDDEN)}
        shapes |= mlp_shapes(p + "mlp.shared_expert", 24)
        for e in range(EXPERTS):
            shapes |= mlp_shapes(f"{p}mlp.experts.{e}", WIDTH)
    return shapes


def attention_with_sinks(q, k, v, sinks, window, cap):
    at, out = np.arange(len(q)), np.zeros((len(q), q.shape[1], v.shape[2]))
    seen = (at <= at[:, None]) & (at[:, None] - at < (window or len(q)))
    for head in range(q.shape[1]):
        of = head // (q.shape[1] // k.shape[1])
        scores = cap * np.tanh(q[:, head] @ k[:, of].T / np.sqrt(q.shape[2]) / cap)
        scores = np.hstack([np.where(seen, scores, -np.inf), np.full((len(q), 1), sinks[head])])
        out[:, head] = softmax(scores)[:, :-1] @ v[:, of]
    return out.reshape(len(q), -1)


def layer_norm(t, name, x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + EPS) * t[name + ".weight"] + t[name + ".bias"]


def routed(t, p, x, scores, k, expert):
    y = np.zeros_like(x)
    for i, chosen in enumerate(top(scores, k)):
        for e in chosen:
            y[i] += scores[i, e] * expert(e, x[i])
    return y


def mixed_logits(t, caps, depth):
    x = t["model.embed_tokens.weight"][IDS]
    for layer in range(3):
        p, size = f"model.layers.{layer}.", 16 if layer == 1 else 12
        h = layer_norm(t, p + "input_layernorm", x)
        q, k, v = ((h @ t[f"{p}self_attn.{m}_proj.weight"].T).reshape(len(x), -1, n) for m, n in (("q", size), ("k", size), ("v", VALUES)))
        q, k = (turn(rms(each, t[f"{p}self_attn.{m}_norm.weight"], EPS), size // 2, 10000.0) for each, m in ((q, "q"), (k, "k")))
        o = attention_with_sinks(q, k, v, t[p + "self_attn.sinks"], None if layer == 1 else 7, caps[0])
        y = routed(t, p, h, softmax(h @ t[p + "mlp.gate.weight"].T), 2, lambda e, row: mlp(t, f"{p}mlp.experts.{e}", row))
        y += sigmoid(h @ t[p + "mlp.shared_expert_gate.weight"].T) * mlp(t, p + "mlp.shared_expert", h)
        x = x + depth / np.sqrt(3) * (o @ t[p + "self_attn.o_proj.weight"].T + y)
    y = layer_norm(t, "model.norm", x) @ t["model.embed_tokens.weight"].T
    return caps[1] * np.tanh(y / caps[1])


@pytest.mark.parametrize("flags", [("--target", "cpu"), ("--fallback",)], ids=["cpu", "fallback"])
def test_many_features_at_once(compiled, tmp_path, flags):
    caps, depth = (1.5, 4.0), 1.4
    config = CONFIG | {
        "num_hidden_layers": 3, "num_attention_heads": OF_LAYERS[0], "num_key_value_heads": OF_LAYERS[1], "head_dim": 12,
        "full_head_dim": 16, "v_head_dim": VALUES, "partial_rotary_factor": 0.5, "sliding_window": 7, "tie_word_embeddings": True,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "scale_depth": depth, "score_cap": caps[0], "logit_cap": caps[1]}
    tensors = drawn(mixed_shapes())
    actual, t = logits(compiled, tmp_path, MIXED, config, tensors, *flags), wide(tensors)
    assert relative_error(actual, mixed_logits(t, caps, depth)) <= 2e-5
    # Each of these says something.
    for other in (((1e6, 4.0), depth), ((1.5, 1e6), depth), (caps, 1.0)):
        assert relative_error(actual, mixed_logits(t, *other)) > 1e-3
    assert relative_error(actual, mixed_logits({n: v - 1e6 if "sinks" in n else v for n, v in t.items()}, caps, depth)) > 1e-3


# The router gives a score to each of two halves of an expert's number, and an expert is a single neuron.
PRODUCT_KEYS = {
    "extends": "decoder",
    "define": {
        "num_keys": "int(sqrt(num_experts))",
        "in_turn(x, n)": "x if n == 1 else join_heads(in_turn(x, n - 1), x, 1)",
        "pairs(y)": "repeat(head_part(y, 2 * num_keys, 0, num_keys), num_keys) + in_turn(head_part(y, 2 * num_keys, num_keys, num_keys), num_keys)",
        "logits(x)": "pairs(linear(x, 'mlp.router_gate', 2 * num_keys, role='router'))",
        "expert(x)": "linear(silu(linear(x, tensor('mlp.down_embed.weight', stacked='rows'), 1)), "
                     "tensor('mlp.up_embed.weight', stacked='rows', transposed=true), hidden_size)",
        "self_attention(x)": "0 * x"}}


def test_product_keys(compiled, tmp_path):
    experts, keys, p = 25, 5, "model.layers.0."
    tensors = drawn({"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN),
                     p + "input_layernorm.weight": (HIDDEN,), p + "post_attention_layernorm.weight": (HIDDEN,),
                     p + "mlp.router_gate.weight": (2 * keys, HIDDEN), p + "mlp.down_embed.weight": (experts, HIDDEN),
                     p + "mlp.up_embed.weight": (experts, HIDDEN)})
    config = {name: value for name, value in CONFIG.items() if name != "moe_intermediate_size"}
    config |= {"num_hidden_layers": 1, "num_experts": experts, "num_experts_per_tok": 4}
    actual, t = logits(compiled, tmp_path, PRODUCT_KEYS, config, tensors), wide(tensors)
    x = t["model.embed_tokens.weight"][IDS]
    h = rms(x, t[p + "post_attention_layernorm.weight"], EPS)
    first, second = np.split(h @ t[p + "mlp.router_gate.weight"].T, 2, 1)
    scores = softmax((first[:, :, None] + second[:, None]).reshape(len(x), experts))
    down, up = t[p + "mlp.down_embed.weight"], t[p + "mlp.up_embed.weight"]
    y = x + routed(t, p, h, scores, 4, lambda e, row: silu(down[e] @ row) * up[e])
    assert relative_error(actual, rms(y, t["model.norm.weight"], EPS) @ t["lm_head.weight"].T) <= 2e-5
    # Ten columns are multiplied, not twenty-five: the sums of their pairs are rows of their own, and no epilogue of that product.
    text = text_after("gating", tmp_path, "--arch-spec", str(tmp_path / "family.json"))
    assert "moe.route " in text and "moe.gate" not in text


def test_shared_experts_side_by_side(compiled, tmp_path):
    """As one wide network, which shared experts become, and one by one, as networks that are said apart from each other."""
    p = "model.layers.0."
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN),
              p + "input_layernorm.weight": (HIDDEN,), p + "post_attention_layernorm.weight": (HIDDEN,), p + "mlp.gate.weight": (EXPERTS, HIDDEN)}
    for name in ("shared.0", "shared.1", *(f"experts.{e}" for e in range(EXPERTS))):
        shapes |= mlp_shapes(f"{p}mlp.{name}", WIDTH)
    tensors, layers = drawn(shapes), {}
    for form in ("shared(x, {})", "{}(x)"):
        one, two = form.format("first"), form.format("second")
        family = {"extends": "decoder", "define": {
            "self_attention(x)": "0 * x", "first(x)": "mlp(x, 'mlp.shared.0', expert_width)", "second(x)": "mlp(x, 'mlp.shared.1', expert_width)",
            "sparse(x)": f"experts(x, choose(x), expert) + {one} + {two}"}}
        directory = tmp_path / str(len(layers))
        directory.mkdir()
        logits(compiled, directory, family, CONFIG | {"num_hidden_layers": 1}, tensors, "--taps")
        text = text_after("dispatch", directory, "--arch-spec", str(directory / "family.json"))
        session = moec.Model(compiled(directory, "--arch-spec", str(directory / "family.json"), "--dtype", "f32", "--taps")).session()
        session.step([(0, IDS)], rows="all")
        layers["moe.concat" in text] = session.tap("layers.0.mlp_norm"), session.tap("layers.0.moe")
    h, fused = layers[True]
    assert relative_error(fused, layers[False][1]) <= 1e-6
    # Without one of them it is another layer; and both are the formula.
    t, h = wide(tensors), h.astype(np.float64)
    both = [mlp(t, f"{p}mlp.shared.{i}", h) for i in range(2)]
    y = routed(t, p, h, softmax(h @ t[p + "mlp.gate.weight"].T), 2, lambda e, row: mlp(t, f"{p}mlp.experts.{e}", row))
    assert relative_error(fused, y + sum(both)) <= 5e-6
    assert relative_error(fused, y + both[0]) > 0.1


# Logits with a factor for each expert, one for each token that a product of one column makes, and one for all, between a floor and a cap.
SCALED_ROUTER = {
    "extends": "decoder",
    "define": {
        "sharpness(x)": "softplus(linear(x, 'mlp.sharpness', 1, role='router'))",
        "raw(x)": "linear(x, 'mlp.gate', num_experts, role='router') * parameter('mlp.gate.scale', num_experts, 'router')",
        "logits(x)": ["scaled_logits = raw(x) / sharpness(x) * exp(parameter('mlp.temperature', 1, 'router'))",
                      "max(capped(scaled_logits, 9.0), -0.5)"],
        "self_attention(x)": "0 * x"}}


@pytest.mark.parametrize("flags", [(), ("--fallback",)], ids=["cpu", "fallback"])
def test_scaled_router(compiled, tmp_path, flags):
    p = "model.layers.0."
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN),
              p + "input_layernorm.weight": (HIDDEN,), p + "post_attention_layernorm.weight": (HIDDEN,), p + "mlp.gate.weight": (EXPERTS, HIDDEN),
              p + "mlp.sharpness.weight": (1, HIDDEN), p + "mlp.gate.scale": (EXPERTS,), p + "mlp.temperature": (1,)}
    for e in range(EXPERTS):
        shapes |= mlp_shapes(f"{p}mlp.experts.{e}", WIDTH)
    tensors = drawn(shapes)
    tensors[p + "mlp.gate.scale"] += 1
    actual = logits(compiled, tmp_path, SCALED_ROUTER, CONFIG | {"num_hidden_layers": 1}, tensors, *flags)
    t = wide(tensors)
    x = t["model.embed_tokens.weight"][IDS]
    h = rms(x, t[p + "post_attention_layernorm.weight"], EPS)
    raw = h @ t[p + "mlp.gate.weight"].T * t[p + "mlp.gate.scale"] / np.log1p(np.exp(h @ t[p + "mlp.sharpness.weight"].T))
    scores = softmax(np.maximum(9 * np.tanh(raw * np.exp(t[p + "mlp.temperature"]) / 9), -0.5))
    y = x + routed(t, p, h, scores, 2, lambda e, row: mlp(t, f"{p}mlp.experts.{e}", row))
    assert relative_error(actual, rms(y, t["model.norm.weight"], EPS) @ t["lm_head.weight"].T) <= 2e-5
    # All of it is in the gate but the column for each token.
    text = text_after("gating", tmp_path, "--arch-spec", str(tmp_path / "family.json"))
    gate = text[text.index("moe.gate"):]
    assert "moe.route " not in text and "math.tanh" in gate[:gate.index("moe.yield")] and "extras(" in gate


# Experts that norm their rows, double them, and add what they got.
RESIDUAL_EXPERTS = {
    "extends": "decoder",
    "define": {
        "expert(x)": ["n = 2 * rms_norm(x, null, rms_norm_eps)", "x + mlp(n, 'mlp.experts.{expert}', expert_width)"],
        "self_attention(x)": "0 * x"}}


@pytest.mark.parametrize("flags", [(), ("--fallback",)], ids=["cpu", "fallback"])
def test_residuals_of_experts(compiled, tmp_path, flags):
    p = "model.layers.0."
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN),
              p + "input_layernorm.weight": (HIDDEN,), p + "post_attention_layernorm.weight": (HIDDEN,), p + "mlp.gate.weight": (EXPERTS, HIDDEN)}
    for e in range(EXPERTS):
        shapes |= mlp_shapes(f"{p}mlp.experts.{e}", WIDTH)
    tensors = drawn(shapes)
    actual = logits(compiled, tmp_path, RESIDUAL_EXPERTS, CONFIG | {"num_hidden_layers": 1}, tensors, *flags)
    t = wide(tensors)
    x = t["model.embed_tokens.weight"][IDS]
    h = rms(x, t[p + "post_attention_layernorm.weight"], EPS)

    def expected(expert):
        y = x + routed(t, p, h, softmax(h @ t[p + "mlp.gate.weight"].T), 2, expert)
        return rms(y, t["model.norm.weight"], EPS) @ t["lm_head.weight"].T
    assert relative_error(actual, expected(lambda e, row: row + mlp(t, f"{p}mlp.experts.{e}", 2 * rms(row, 1, EPS)))) <= 2e-5
    for other in (lambda e, row: mlp(t, f"{p}mlp.experts.{e}", 2 * rms(row, 1, EPS)), lambda e, row: row + mlp(t, f"{p}mlp.experts.{e}", 2 * row)):
        assert relative_error(actual, expected(other)) > 1e-2
    # Neither what is multiplied with an expert's rows nor a vector of its own in front of a product has a place among sorted rows.
    for expert, code, message in (("x * mlp(x, 'mlp.experts.{expert}', expert_width)", 3, "MOE0330"),
                                  ("mlp(rms_norm(x, 'mlp.experts.{expert}.norm', 1e-5), 'mlp.experts.{expert}', expert_width)", 1,
                                   "has weights of each expert")):
        family = {"extends": "decoder", "define": RESIDUAL_EXPERTS["define"] | {"expert(x)": expert}}
        (tmp_path / "family.json").write_text(json.dumps({"family": "unusual", "model_types": ["unusual"]} | family))
        done = subprocess.run([str(BUILD / "bin" / "moec"), "compile", str(tmp_path), "--arch-spec", str(tmp_path / "family.json"), "-o",
                               str(tmp_path / "x.moec")], capture_output=True, text=True)
        assert done.returncode == code and message in done.stderr, done.stderr


def test_two_stacks_of_layers(compiled, tmp_path):
    """Dense and sparse layers under lists of their own, each counted from 0, are the same model."""
    source = FIXTURES / "afmoe-a"
    names = {"model.layers.0.": "model.dense.0.", "model.layers.1.": "model.sparse.0.", "model.layers.2.": "model.sparse.1."}

    def renamed(name):
        return next((new + name[len(old):] for old, new in names.items() if name.startswith(old)), name)
    (tmp_path / "config.json").write_text((source / "config.json").read_text())
    (tmp_path / "family.json").write_text(json.dumps({
        "family": "two_stacks", "extends": "afmoe", "model_types": ["afmoe"], "layer_prefix": "model.{kind}.{number}.",
        "define": {"kind": "'sparse' if is_sparse else 'dense'", "number": "layer - num_dense_layers if is_sparse else layer"}}))
    write_safetensors(tmp_path / "model.safetensors", {renamed(name): value for name, value in read_checkpoint(source).items()})
    actual, expected = (moec.Model(artifact).session().step([(0, IDS)], rows="all") for artifact in (
        compiled(tmp_path, "--arch-spec", str(tmp_path / "family.json"), "--dtype", "bf16"), compiled(source, "--dtype", "bf16")))
    assert actual.tobytes() == expected.tobytes()
