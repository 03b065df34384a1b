"""Attention over a latent with everything that attention can have, in both of its forms, against the formula in f64."""

import json

import moec
import numpy as np
import pytest
from conftest import text_after, write_safetensors
from formulas import relative_error, rms, softmax, turn, wide

HIDDEN, VOCABULARY, HEADS, OWN, POSITION, VALUE, EPS, CAP = 48, 64, 4, 6, 8, 5, 1e-5, 1.5
WINDOWS, CHUNKS = [7, 0, 0, 9], [0, 6, 0, 16]
IDS = np.random.default_rng(2).integers(0, VOCABULARY, 40, dtype=np.int32)

FAMILY = {
    "family": "latent", "extends": "decoder", "model_types": ["latent"],
    "keys": {"latent_width": {"type": "int"}, "windows": {"type": "ints"}, "chunks": {"type": "ints"}, "score_cap": {"type": "float"}},
    "define": {
        "rope_dims": str(POSITION),
        "window": "each(windows)", "chunk": "each(chunks)",
        "self_attention(x)": [
            f"q = rotate(linear(x, 'self_attn.q', heads * {OWN + POSITION}), rope, {OWN + POSITION}, {OWN})",
            "latent = linear(x, 'self_attn.latent', latent_width)",
            f"position = rotate(linear(x, 'self_attn.position', {POSITION}), rope, {POSITION})",
            f"o = latent_attention(q, latent, position, 'self_attn.both', heads, {OWN}, {VALUE}, window=window, chunk=chunk, "
            "softcap=score_cap, sinks='self_attn.sinks')",
            "linear(o, 'self_attn.o', hidden_size)"]},
    "layer": ["x + self_attention(norm(x, 'input_layernorm'))"]}


def model(directory, rank):
    config = {"model_type": "latent", "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_hidden_layers": 4,
              "max_position_embeddings": 128, "rms_norm_eps": EPS, "latent_width": rank, "windows": WINDOWS, "chunks": CHUNKS, "score_cap": CAP}
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN)}
    for layer in range(4):
        p = f"model.layers.{layer}."
        shapes |= {p + "input_layernorm.weight": (HIDDEN,), p + "self_attn.q.weight": (HEADS * (OWN + POSITION), HIDDEN),
                   p + "self_attn.latent.weight": (rank, HIDDEN), p + "self_attn.position.weight": (POSITION, HIDDEN),
                   p + "self_attn.both.weight": (HEADS * (OWN + VALUE), rank), p + "self_attn.sinks": (HEADS,),
                   p + "self_attn.o.weight": (HIDDEN, HEADS * VALUE)}
    rng = np.random.default_rng(rank)
    tensors = {name: (rng.normal(0, 1, shape) * (1 if len(shape) == 1 else shape[-1] ** -0.5)).astype(np.float32) for name, shape in shapes.items()}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "family.json").write_text(json.dumps(FAMILY))
    write_safetensors(directory / "model.safetensors", tensors)
    return wide(tensors)


def expected(t, cap=CAP, windows=WINDOWS, chunks=CHUNKS, sinks=True):
    x, at = t["model.embed_tokens.weight"][IDS], np.arange(len(IDS))
    for layer in range(4):
        p = f"model.layers.{layer}.self_attn."
        h = rms(x, t[f"model.layers.{layer}.input_layernorm.weight"], EPS)
        q = (h @ t[p + "q.weight"].T).reshape(len(x), HEADS, -1)
        q = np.concatenate([q[..., :OWN], turn(q[..., OWN:], POSITION, 10000.0)], -1)
        latent = h @ t[p + "latent.weight"].T
        position = turn((h @ t[p + "position.weight"].T)[:, None], POSITION, 10000.0)[:, 0]
        both = (latent @ t[p + "both.weight"].T).reshape(len(x), HEADS, -1)
        seen = at <= at[:, None]
        if windows[layer]:
            seen &= at[:, None] - at < windows[layer]
        if chunks[layer]:
            seen &= at // chunks[layer] == at[:, None] // chunks[layer]
        out = np.zeros((len(x), HEADS, VALUE))
        for head in range(HEADS):
            key = np.concatenate([both[:, head, :OWN], position], 1)
            scores = cap * np.tanh(q[:, head] @ key.T / np.sqrt(OWN + POSITION) / cap)
            sink = np.full((len(x), 1), t[p + "sinks"][head] if sinks else -np.inf)
            scores = np.hstack([np.where(seen, scores, -np.inf), sink])
            out[:, head] = softmax(scores)[:, :-1] @ both[:, head, OWN:]
        x = x + out.reshape(len(x), -1) @ t[p + "o.weight"].T
    return rms(x, t["model.norm.weight"], EPS) @ t["lm_head.weight"].T


@pytest.mark.parametrize("rank, absorbs", [(10, True), (80, False)])
@pytest.mark.parametrize("flags", [(), ("--fallback",)], ids=["cpu", "fallback"])
def test_everything_at_once(compiled, tmp_path, rank, absorbs, flags):
    t, spec = model(tmp_path, rank), ("--arch-spec", str(tmp_path / "family.json"), "--dtype", "f32")
    # A value that is a prefix of the key: the latent is stored.
    assert ("prefix" in text_after("import", tmp_path, *spec)) == absorbs
    artifact = moec.Model(compiled(tmp_path, *spec, *flags))
    actual = artifact.session(threads=2).step([(0, IDS)], rows="all")
    assert relative_error(actual, expected(t)) <= 2e-5
    # Each of these says something.
    for other in ({"cap": 1e6}, {"windows": [0] * 4}, {"chunks": [0] * 4}, {"sinks": False}):
        assert relative_error(actual, expected(t, **other)) > 1e-2
    session = artifact.session()
    one_by_one = [session.step([(0, IDS[i:i + 1])], rows="all") for i in range(len(IDS))]
    assert np.concatenate(one_by_one).tobytes() == actual.tobytes()
