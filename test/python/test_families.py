"""Families that are data files of a user: the examples of docs/families.md, as they stand there."""

import json
import re
import subprocess

import moec
import numpy as np
import pytest
from conftest import BUILD, FIXTURES, SOURCE, read_safetensors, text_after, write_safetensors
from formulas import relative_error, rms, sigmoid, silu, wide

HIDDEN, HEADS, KV_HEADS, SIZE, EXPERTS, WIDTH, VOCABULARY, LAYERS = 48, 4, 2, 12, 4, 32, 64, 3
CONFIG = {
    "model_type": "example", "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": WIDTH,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
    "num_local_experts": EXPERTS, "num_experts_per_tok": 2, "max_position_embeddings": 128,
    "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10000.0},
                        "sliding_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0}}}


def block_of_docs(part):
    docs = (SOURCE / "docs" / "families.md").read_text()
    block, = [block for block in re.findall(r"```json\n(.*?)```", docs, re.S) if part in block]
    return block


def example():
    """The keys and definitions of an example as a family that extends Mixtral's."""
    block = block_of_docs('"residual_scale"')
    return {"family": "example", "extends": "mixtral", "model_types": ["example"], **json.loads("{" + block + "}")}


def tensors():
    rng = np.random.default_rng(5)
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,),
              "lm_head.weight": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        p = f"model.layers.{layer}."
        shapes |= {p + "post_attention_layernorm.weight": (HIDDEN,), p + "post_feedforward_layernorm.weight": (HIDDEN,),
                   p + "self_attn.q_proj.weight": (HEADS * SIZE, HIDDEN), p + "self_attn.k_proj.weight": (KV_HEADS * SIZE, HIDDEN),
                   p + "self_attn.v_proj.weight": (KV_HEADS * SIZE, HIDDEN), p + "self_attn.o_proj.weight": (HIDDEN, HEADS * SIZE),
                   p + "self_attn.g_proj.weight": (HEADS, HIDDEN), p + "block_sparse_moe.gate.weight": (EXPERTS, HIDDEN)}
        for expert in range(EXPERTS):
            e = f"{p}block_sparse_moe.experts.{expert}."
            shapes |= {e + "w1.weight": (WIDTH, HIDDEN), e + "w3.weight": (WIDTH, HIDDEN), e + "w2.weight": (HIDDEN, WIDTH)}
    return {name: (rng.standard_normal(shape) / 6).astype(np.float32) for name, shape in shapes.items()}


def logits(compiled, directory, family, weights, *flags, config=CONFIG):
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "family.json").write_text(json.dumps(family))
    write_safetensors(directory / "model.safetensors", weights)
    artifact = compiled(directory, "--arch-spec", str(directory / "family.json"), "--dtype", "f32", *flags)
    ids = np.arange(30, dtype=np.int32) * 7 % VOCABULARY
    return moec.Model(artifact).session(threads=1).step([(0, ids)], rows="all")


@pytest.mark.parametrize("flags", [("--target", "cpu"), ("--fallback",)], ids=["cpu", "fallback"])
def test_a_gate_of_each_head_is_one_of_each_element(compiled, tmp_path, flags):
    """The gate's matrix repeated row by row, without repeat(), computes the same bytes."""
    family, weights = example(), tensors()
    by_head = logits(compiled, tmp_path / "head", family, weights, *flags)
    family["define"]["finish_attention(o, x)"] = "o * sigmoid(project(x, 'self_attn.g_proj', heads * value_dim, false))"
    wide = {name: np.repeat(value, SIZE, 0) if "g_proj" in name else value for name, value in weights.items()}
    by_element = logits(compiled, tmp_path / "element", family, wide, *flags)
    assert np.array_equal(by_head, by_element)
    family["define"]["residual_scale"] = "1"
    assert not np.allclose(by_head, logits(compiled, tmp_path / "unscaled", family, wide, *flags), rtol=1e-3)


def test_the_whole_file_is_the_original(compiled, tmp_path):
    """The first example, on what the original recorded."""
    (tmp_path / "family.json").write_text(block_of_docs('"family": "afmoe"'))
    expected = read_safetensors(FIXTURES / "afmoe-a" / "expected.safetensors")
    artifact = compiled(FIXTURES / "afmoe-a", "--arch-spec", str(tmp_path / "family.json"), "--dtype", "f32", "--target", "cpu")
    session = moec.Model(artifact).session(threads=1)
    actual = np.stack([session.step([(slot, ids)], rows="all") for slot, ids in enumerate(expected["input_ids"])])
    assert relative_error(actual, expected["logits"]) <= 2e-5


def test_layer_types_have_rotary_tables_of_their_own(compiled, tmp_path):
    logits(compiled, tmp_path / "model", example(), tensors(), "--target", "cpu")
    text = text_after("import", tmp_path / "model", "--arch-spec", str(tmp_path / "model" / "family.json"))
    assert text.count("moe.rope_table") == 2


@pytest.mark.parametrize("flags", [("--target", "cpu"), ("--fallback",)], ids=["cpu", "fallback"])
def test_a_table_chooses_and_a_shared_expert_shares_the_weights(compiled, tmp_path, flags):
    """Experts by token id, the last row of the router's for an expert that gives every token back, and weights whose sum is 1
    with its own: against the formula. An entry of the table that is no expert leaves the other one."""
    p, name = "model.layers.0.", "block_sparse_moe"
    weights = {key: value for key, value in tensors().items() if p in key or "layers" not in key}
    weights = {key: value for key, value in weights.items() if "self_attn" not in key and "feedforward" not in key}
    rng = np.random.default_rng(9)
    weights[f"{p}{name}.gate.weight"] = rng.standard_normal((EXPERTS + 1, HIDDEN)).astype(np.float32)
    weights[p + "input_layernorm.weight"] = np.ones(HIDDEN, np.float32)
    table = np.stack([rng.permutation(EXPERTS)[:2] for _ in range(VOCABULARY)]).astype(np.int64)
    table[7, 1], table[14, 0] = -1, 1 << 40
    weights[p + "experts_of_token"] = table
    family = {"family": "example", "extends": "mixtral", "model_types": ["example"],
              "define": {
                  "self_attention(x)": "0 * x",
                  "choose(x)": f"route(linear(x, router, {EXPERTS + 1}, role='router'), 2, policy='table', table='experts_of_token', "
                               "score='sigmoid', renorm='sum', shared_experts=1)",
                  "weighted(x, r)": "experts(x, r, expert) + shared_weights(r) * x",
                  "sparse(x)": "weighted(x, choose(x))"}}
    config = {key: value for key, value in CONFIG.items() if key not in ("layer_types", "rope_parameters", "sliding_window")}
    actual = logits(compiled, tmp_path / "model", family, weights, *flags, config={**config, "num_hidden_layers": 1})

    t, ids = wide({key: value for key, value in weights.items() if value.dtype == np.float32}), np.arange(30) * 7 % VOCABULARY
    x = t["model.embed_tokens.weight"][ids]
    h = rms(x, t[p + "post_attention_layernorm.weight"], 1e-5)
    scores = sigmoid(h @ t[f"{p}{name}.gate.weight"].T)
    chosen = table[ids]
    exists = (chosen >= 0) & (chosen < EXPERTS)
    own = np.where(exists, np.take_along_axis(scores, np.where(exists, chosen, 0), 1), 0)
    total = own.sum(1) + scores[:, EXPERTS]
    y = (scores[:, EXPERTS] / total)[:, None] * h
    for token, slot in zip(*exists.nonzero()):
        w1, w2, w3 = (t[f"{p}{name}.experts.{chosen[token, slot]}.{w}.weight"] for w in ("w1", "w2", "w3"))
        y[token] += own[token, slot] / total[token] * (w2 @ (silu(w1 @ h[token]) * (w3 @ h[token])))
    expected = rms(x + y, t["model.norm.weight"], 1e-5) @ t["lm_head.weight"].T
    assert relative_error(actual, expected) <= 2e-6
    # The reference reads the table, too.
    directory = tmp_path / "model"
    spec = "--arch-spec", str(directory / "family.json")
    artifact = compiled(directory, *spec, "--dtype", "f32", "--taps", *flags)
    done = subprocess.run([BUILD / "bin" / "moec", "verify", directory, artifact, *spec], capture_output=True, text=True)
    assert done.returncode == 0 and "layers.0.experts" in done.stdout, done.stdout + done.stderr
