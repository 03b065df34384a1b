#!/usr/bin/env python3
"""Measure both forms of attention over a latent, in one layer in the shape of DeepSeek-V3 with fewer heads.

    latent_attention.py BUILD [--heads 32] [--contexts 512 2048] [--dtype bf16] [--threads 1] [--rounds 7]

The absorbed form is what the compiler makes of the checkpoint. The expanded one is the same checkpoint by a family
file that spells attention with keys and values of every head. Writes a table to stdout: the state of one
sequence, tokens a second of a prompt in steps of 512, and of decoding behind it. The two take turns, and the fastest
round counts: what else the machine does shows less.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from safetensors.numpy import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
import moec  # noqa: E402

HIDDEN, RANK, QUERY_RANK, OWN, ROPE, VALUE, WIDTH, VOCABULARY = 1024, 512, 384, 128, 64, 128, 1024, 256
STEP, DECODED = 512, 16
SPELLED = {
    "family": "expanded",
    "extends": "deepseek_v3",
    "model_types": ["deepseek_v3"],
    "define": {"self_attention(x)": [
        "q = turn(queries(x), query_dims, qk_nope_head_dim)",
        "latent = project(x, 'self_attn.kv_a_proj_with_mqa', kv_lora_rank + qk_rope_head_dim, attention_bias)",
        "k_rope = turn(head_part(latent, kv_lora_rank + qk_rope_head_dim, kv_lora_rank, qk_rope_head_dim), qk_rope_head_dim, 0)",
        "latent = rms_norm(head_part(latent, kv_lora_rank + qk_rope_head_dim, 0, kv_lora_rank), 'self_attn.kv_a_layernorm', 1e-6)",
        "kv = project(latent, 'self_attn.kv_b_proj', num_attention_heads * (qk_nope_head_dim + v_head_dim), false)",
        "k = join_heads(head_part(kv, qk_nope_head_dim + v_head_dim, 0, qk_nope_head_dim), k_rope, num_attention_heads, lend=true)",
        "v = head_part(kv, qk_nope_head_dim + v_head_dim, qk_nope_head_dim, v_head_dim)",
        "o = attention(q, k, v, num_attention_heads, num_attention_heads, attention_scale)",
        "project(o, 'self_attn.o_proj', hidden_size, attention_bias)",
    ]},
}


def write(folder, heads, context):
    """A checkpoint of one dense layer with random weights."""
    config = dict(
        model_type="deepseek_v3", hidden_size=HIDDEN, num_attention_heads=heads, num_key_value_heads=heads,
        q_lora_rank=QUERY_RANK, kv_lora_rank=RANK, qk_nope_head_dim=OWN, qk_rope_head_dim=ROPE, v_head_dim=VALUE,
        intermediate_size=WIDTH, moe_intermediate_size=WIDTH, num_hidden_layers=1, first_k_dense_replace=1,
        n_routed_experts=8, num_experts_per_tok=2, n_shared_experts=1, n_group=1, topk_group=1, vocab_size=VOCABULARY,
        rms_norm_eps=1e-6, rope_theta=10000.0, max_position_embeddings=context, hidden_act="silu",
        attention_bias=False, tie_word_embeddings=False, torch_dtype="bfloat16", eos_token_id=1)
    layer, random = "model.layers.0.", np.random.default_rng(0)
    shapes = {
        "model.embed_tokens": (VOCABULARY, HIDDEN), "lm_head": (VOCABULARY, HIDDEN), "model.norm": (HIDDEN,),
        layer + "input_layernorm": (HIDDEN,), layer + "post_attention_layernorm": (HIDDEN,),
        layer + "self_attn.q_a_proj": (QUERY_RANK, HIDDEN), layer + "self_attn.q_a_layernorm": (QUERY_RANK,),
        layer + "self_attn.q_b_proj": (heads * (OWN + ROPE), QUERY_RANK),
        layer + "self_attn.kv_a_proj_with_mqa": (RANK + ROPE, HIDDEN), layer + "self_attn.kv_a_layernorm": (RANK,),
        layer + "self_attn.kv_b_proj": (heads * (OWN + VALUE), RANK),
        layer + "self_attn.o_proj": (HIDDEN, heads * VALUE),
        layer + "mlp.gate_proj": (WIDTH, HIDDEN), layer + "mlp.up_proj": (WIDTH, HIDDEN),
        layer + "mlp.down_proj": (HIDDEN, WIDTH),
    }
    tensors = {f"{name}.weight": np.ones(shape, np.float32) if len(shape) == 1
               else random.normal(0, shape[1]**-0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")


def measure(model, tokens, threads):
    """Seconds of a prompt, and of a token behind it."""
    with model.session(threads=threads) as session:
        begin = time.perf_counter()
        for at in range(0, len(tokens), STEP):
            session.prefill(0, tokens[at : at + STEP])
        prompt = time.perf_counter() - begin
        times = []
        for token in tokens[:DECODED]:
            begin = time.perf_counter()
            session.prefill(0, [token])
            times.append(time.perf_counter() - begin)
    return prompt, min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--contexts", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--dtype", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    context = max(options.contexts) + DECODED
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        write(scratch / "model", options.heads, context)
        (scratch / "expanded.json").write_text(json.dumps(SPELLED))
        models, sizes = {}, {}
        for form, more in (("expanded", ["--arch-spec", scratch / "expanded.json"]), ("absorbed", [])):
            command = [options.build / "bin" / "moec", "compile", scratch / "model", "--dtype", options.dtype,
                       "--max-context", str(context), "--max-sequences", "1", "-o", scratch / f"{form}.moec", *more]
            subprocess.run(command, check=True, capture_output=True)
            models[form] = moec.Model(scratch / f"{form}.moec")
            sizes[form] = models[form].state_bytes
        print("| form | state, MiB | context | prompt, tokens/s | decode, tokens/s |\n|---|---|---|---|---|")
        for count in options.contexts:
            tokens = np.random.default_rng(1).integers(0, VOCABULARY, count).tolist()
            best = {form: (np.inf, np.inf) for form in models}
            for _ in range(options.rounds):
                for form, model in models.items():
                    best[form] = tuple(map(min, best[form], measure(model, tokens, options.threads)))
            for form, (prompt, token) in best.items():
                print(f"| {form} | {sizes[form] / 2**20:.2f} | {count} | {count / prompt:.0f} | {1 / token:.0f} |")


if __name__ == "__main__":
    main()
