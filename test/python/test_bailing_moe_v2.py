"""Ling and Ling 2.0, of which no recording is at hand: random models against a NumPy model written from the
formulas of their reports (2.0: sigmoid scores, a bias on the selection, groups by the sum of their best two;
the first: softmax, no bias, no norms of heads, heads that turn as a whole)."""

import json
import subprocess

import moec
import numpy as np
import pytest
from conftest import BUILD, write_safetensors
from formulas import causal_attention, relative_error, rms, sigmoid, silu, softmax, top, turn, wide

SIZES = dict(vocab_size=96, hidden_size=48, intermediate_size=80, num_hidden_layers=3,
             num_attention_heads=4, num_key_value_heads=2, head_dim=12, max_position_embeddings=128,
             rms_norm_eps=1e-6, rope_theta=600000.0, partial_rotary_factor=0.5, num_experts=16,
             num_shared_experts=1, num_experts_per_tok=4, n_group=4, topk_group=2,
             moe_intermediate_size=24, first_k_dense_replace=1, routed_scaling_factor=2.5,
             norm_topk_prob=True, use_qk_norm=True, score_function="sigmoid", hidden_act="silu",
             tie_word_embeddings=False)
FIRST = {"model_type": "bailing_moe", "num_shared_experts": 2, "first_k_dense_replace": 0, "routed_scaling_factor": 1.0,
         "norm_head": False, "norm_softmax": False}
NOT_IN_FIRST = ("score_function", "use_qk_norm", "n_group", "topk_group", "partial_rotary_factor")


def random_tensors(c, rng):
    h, d, heads, kv = c["hidden_size"], c["head_dim"], c["num_attention_heads"], c["num_key_value_heads"]
    shapes = {"model.word_embeddings.weight": (c["vocab_size"], h), "model.norm.weight": (h,),
              "lm_head.weight": (c["vocab_size"], h)}
    for n in range(c["num_hidden_layers"]):
        p = f"model.layers.{n}."
        shapes |= {p + "input_layernorm.weight": (h,), p + "post_attention_layernorm.weight": (h,),
                   p + "attention.query_key_value.weight": ((heads + 2 * kv) * d, h),
                   p + "attention.dense.weight": (h, heads * d)}
        if "use_qk_norm" in c:
            shapes |= {p + "attention.query_layernorm.weight": (d,), p + "attention.key_layernorm.weight": (d,)}
        blocks = {"mlp.": c["intermediate_size"]}
        if n >= c["first_k_dense_replace"]:
            width = c["moe_intermediate_size"]
            blocks = {f"mlp.experts.{e}.": width for e in range(c["num_experts"])}
            blocks["mlp.shared_experts."] = width * c["num_shared_experts"]
            shapes |= {p + "mlp.gate.weight": (c["num_experts"], h)}
            if "score_function" in c:
                shapes |= {p + "mlp.gate.expert_bias": (c["num_experts"],)}
        for name, width in blocks.items():
            shapes |= {p + name + "gate_proj.weight": (width, h), p + name + "up_proj.weight": (width, h),
                       p + name + "down_proj.weight": (h, width)}
    def draw(name, shape):
        if name.endswith("norm.weight"):
            return 1 + 0.1 * rng.standard_normal(shape)
        if name.endswith("expert_bias"):
            # Negative keys: a group that is not kept must not come before one that is.
            return -0.9 + 0.2 * rng.standard_normal(shape)
        return rng.standard_normal(shape) / (1 if "embeddings" in name else np.sqrt(shape[-1]))
    return {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}


class Oracle:
    """In f64; one sequence."""

    def __init__(self, config, tensors):
        self.c, self.t = config, wide(tensors)
        self.chosen = {}

    def mlp(self, x, name):
        t = self.t
        hidden = silu(x @ t[name + "gate_proj.weight"].T) * (x @ t[name + "up_proj.weight"].T)
        return hidden @ t[name + "down_proj.weight"].T

    def turn(self, x):
        return turn(x, int(self.c["head_dim"] * self.c.get("partial_rotary_factor", 1)), self.c["rope_theta"])

    def normed(self, x, name):
        return rms(x, self.t[name], self.c["rms_norm_eps"]) if "use_qk_norm" in self.c else x

    def attention(self, x, p):
        c, t = self.c, self.t
        heads, kv, d, n = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"], len(x)
        qkv = (x @ t[p + "query_key_value.weight"].T).reshape(n, heads + 2 * kv, d)
        q, k, v = np.split(qkv, [heads, heads + kv], 1)
        q = self.turn(self.normed(q, p + "query_layernorm.weight"))
        k = self.turn(self.normed(k, p + "key_layernorm.weight"))
        return causal_attention(q, k, v) @ t[p + "dense.weight"].T

    def route(self, row, p):
        """Experts and weights of a token."""
        c = self.c
        logits = self.t[p + "gate.weight"] @ row
        if "score_function" not in c:
            score = softmax(logits)
            ids = top(score, c["num_experts_per_tok"])
            return ids, score[ids] / score[ids].sum()
        score = sigmoid(logits)
        key = score + self.t[p + "gate.expert_bias"]
        groups = key.reshape(c["n_group"], -1)
        kept = top(np.sort(groups, 1)[:, -2:].sum(1), c["topk_group"])
        masked = np.full_like(groups, -np.inf)
        masked[kept] = groups[kept]
        ids = top(masked.ravel(), c["num_experts_per_tok"])
        return ids, score[ids] / (score[ids].sum() + 1e-20) * c["routed_scaling_factor"]

    def sparse(self, x, p, layer):
        y = self.mlp(x, p + "shared_experts.")
        self.chosen[layer] = []
        for i, row in enumerate(x):
            ids, weights = self.route(row, p)
            y[i] += sum(w * self.mlp(row, f"{p}experts.{e}.") for w, e in zip(weights, ids))
            self.chosen[layer].append(sorted(ids))
        return y

    def logits(self, ids):
        c, t = self.c, self.t
        x = t["model.word_embeddings.weight"][ids]
        for layer in range(c["num_hidden_layers"]):
            p = f"model.layers.{layer}."
            x = x + self.attention(rms(x, t[p + "input_layernorm.weight"], c["rms_norm_eps"]), p + "attention.")
            h = rms(x, t[p + "post_attention_layernorm.weight"], c["rms_norm_eps"])
            is_sparse = layer >= c["first_k_dense_replace"]
            x = x + (self.sparse(h, p + "mlp.", layer) if is_sparse else self.mlp(h, p + "mlp."))
        return rms(x, t["model.norm.weight"], c["rms_norm_eps"]) @ t["lm_head.weight"].T


@pytest.mark.parametrize("changes", [{}, {"n_group": 1, "topk_group": 1}, {"model_type": "bailing_moe"}, FIRST],
                         ids=["groups", "one-group", "second-by-its-score", "first"])
def test_equals_the_formulas(compiled, tmp_path, changes):
    config = SIZES | changes
    if changes is FIRST:
        config = {key: value for key, value in config.items() if key not in NOT_IN_FIRST}
    rng = np.random.default_rng(3)
    tensors = random_tensors(config, rng)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bailing_moe_v2"} | config))
    write_safetensors(tmp_path / "model.safetensors", tensors)
    ids = rng.integers(0, config["vocab_size"], 40, dtype=np.int32)
    oracle = Oracle(config, tensors)
    model = moec.Model(compiled(tmp_path, "--dtype", "f32", "--target", "cpu"))
    session = model.session(threads=2)
    actual = session.step([(0, ids)], rows="all")
    expected = oracle.logits(ids)
    assert relative_error(actual, expected) <= 2e-5
    for layer in model.moe_layers:
        assert np.array_equal(np.sort(session.tap(f"layers.{layer}.experts"), 1), oracle.chosen[layer])


@pytest.mark.parametrize("key", ["norm_head", "norm_softmax", "multi_gate"])
def test_what_the_first_has_besides_is_refused_by_name(tmp_path, key):
    config = {k: v for k, v in (SIZES | FIRST).items() if k not in NOT_IN_FIRST} | {key: True}
    write_safetensors(tmp_path / "model.safetensors", random_tensors(config, np.random.default_rng(3)))
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = subprocess.run([BUILD / "bin" / "moec", "inspect", tmp_path], capture_output=True, text=True)
    assert done.returncode == 3 and "MOE0302" in done.stderr and key in done.stderr, done.stderr
