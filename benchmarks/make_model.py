#!/usr/bin/env python3
"""Write a checkpoint with random weights in the shape of a published model.

    make_model.py DIR [--shape olmoe-1b-7b] [--layers N] [--experts E]
                       [--vocabulary V] [--seed S]

Weights are bf16, normal with deviation 0.02 (norms 1), streamed to disk one
tensor at a time: memory does not grow with the model. The same arguments give the
same bytes. Random weights route almost uniformly, which is the hardest case for
memory bandwidth: real prompts touch fewer experts.
"""

import argparse
import json
import os
import struct

import numpy as np

SHAPES = {
    "olmoe-1b-7b": dict(
        model_type="olmoe", architectures=["OlmoeForCausalLM"],
        hidden_size=2048, intermediate_size=1024, num_attention_heads=16,
        num_key_value_heads=16, num_experts=64, num_experts_per_tok=8,
        num_hidden_layers=16, vocab_size=50304, norm_topk_prob=False,
        rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None,
        max_position_embeddings=4096, hidden_act="silu", attention_bias=False,
        clip_qkv=None, tie_word_embeddings=False, torch_dtype="bfloat16",
        eos_token_id=50279, pad_token_id=1),
    # For tests: all that makes the large one, but narrow.
    "small": dict(
        model_type="olmoe", architectures=["OlmoeForCausalLM"],
        hidden_size=256, intermediate_size=256, num_attention_heads=4,
        num_key_value_heads=4, num_experts=16, num_experts_per_tok=4,
        num_hidden_layers=2, vocab_size=512, norm_topk_prob=False,
        rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None,
        max_position_embeddings=1024, hidden_act="silu", attention_bias=False,
        clip_qkv=None, tie_word_embeddings=False, torch_dtype="bfloat16",
        eos_token_id=1, pad_token_id=1),
}


def tensors(config):
    """Names and shapes, in the order of the file."""
    h, f, v = (config[k] for k in ("hidden_size", "intermediate_size", "vocab_size"))
    kv = h // config["num_attention_heads"] * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", (v, h)
    for i in range(config["num_hidden_layers"]):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", (h,)
        for name, rows in (("q", h), ("k", kv), ("v", kv), ("o", h)):
            yield p + f"self_attn.{name}_proj.weight", (rows, h)
        yield p + "self_attn.q_norm.weight", (h,)
        yield p + "self_attn.k_norm.weight", (kv,)
        yield p + "post_attention_layernorm.weight", (h,)
        yield p + "mlp.gate.weight", (config["num_experts"], h)
        for e in range(config["num_experts"]):
            q = p + f"mlp.experts.{e}."
            yield q + "gate_proj.weight", (f, h)
            yield q + "up_proj.weight", (f, h)
            yield q + "down_proj.weight", (h, f)
    yield "model.norm.weight", (h,)
    yield "lm_head.weight", (v, h)


def values(rng, shape):
    """bf16 bits of a tensor."""
    if len(shape) == 1:
        return np.full(shape, 0x3F80, np.uint16)
    bits = rng.standard_normal(shape, np.float32)
    bits *= np.float32(0.02)
    return (bits.view(np.uint32) >> 16).astype(np.uint16)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="olmoe-1b-7b")
    parser.add_argument("--layers", type=int, help="instead of the model's own number")
    parser.add_argument("--experts", type=int, help="instead of the model's own number")
    parser.add_argument("--vocabulary", type=int, help="instead of the model's own size")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    config = dict(SHAPES[args.shape])
    if args.layers:
        config["num_hidden_layers"] = args.layers
    if args.experts:
        config["num_experts"] = args.experts
    if args.vocabulary:
        config["vocab_size"] = args.vocabulary
        for name in ("eos_token_id", "pad_token_id"):
            config[name] = min(config[name], args.vocabulary - 1)
    header, offset = {}, 0
    for name, shape in tensors(config):
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(args.directory, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    path = os.path.join(args.directory, "model.safetensors")
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors(config):
            file.write(values(rng, shape).tobytes())
    os.replace(path + ".part", path)
    with open(os.path.join(args.directory, "config.json"), "w") as file:
        json.dump(config, file, indent=2)


if __name__ == "__main__":
    main()
