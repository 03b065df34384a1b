"""Families that are data files of a user: the example of docs/families.md, as it stands there."""

import json
import re
import subprocess

import moec
import numpy as np
import pytest
from conftest import BUILD, SOURCE, write_safetensors

HIDDEN, HEADS, KV_HEADS, SIZE, EXPERTS, WIDTH, VOCABULARY, LAYERS = 48, 4, 2, 12, 4, 32, 64, 3
CONFIG = {
    "model_type": "example", "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": WIDTH,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
    "num_local_experts": EXPERTS, "num_experts_per_tok": 2, "max_position_embeddings": 128,
    "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10000.0},
                        "sliding_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0}}}


def example():
    """The keys and definitions of the docs' example as a family that extends Mixtral's."""
    docs = (SOURCE / "docs" / "families.md").read_text()
    block, = [block for block in re.findall(r"```json\n(.*?)```", docs, re.S) if '"residual_scale"' in block]
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


def logits(compiled, directory, family, weights, *flags):
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(CONFIG))
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


def test_layer_types_have_rotary_tables_of_their_own(compiled, tmp_path):
    logits(compiled, tmp_path / "model", example(), tensors(), "--target", "cpu")
    command = [str(BUILD / "bin" / "moec"), "compile", str(tmp_path / "model"), "--arch-spec",
               str(tmp_path / "model" / "family.json"), "-o", str(tmp_path / "out.mlir"), "--compile-to", "import"]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "out.mlir").read_text().count("moe.rope_table") == 2
