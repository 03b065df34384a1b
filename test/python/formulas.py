"""What the oracles of the end-to-end tests share: formulas in NumPy, of f64 as they are used."""

import numpy as np

# Of the modules in examples/architectures/.
HIDDEN, WIDTH, EXPERTS = 64, 32, 16


def wide(tensors):
    return {name: value.astype(np.float64) for name, value in tensors.items()}


def silu(x):
    return x / (1 + np.exp(-x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def top(keys, k):
    """The k largest, the lowest index first among equals."""
    return np.argsort(-keys, axis=-1, kind="stable")[..., :k]


def rms(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def turn(x, dims, theta, positions=None):
    """The rotary embedding of the first `dims` elements of heads [T, heads, size]."""
    frequency = theta ** (-np.arange(0, dims, 2) / dims)
    positions = np.arange(len(x)) if positions is None else positions
    angle = positions[:, None, None] * frequency
    a, b = x[..., :dims // 2], x[..., dims // 2:dims]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle),
                           x[..., dims:]], -1)


def causal_attention(q, k, v, at=None, stored=None, window=None, chunk=None):
    """Of one sequence: q [T, heads, size], k and v [T, key-value heads, size]; the positions of the queries and
    of the keys are 0, 1, ... unless given. A query sees the last `window` positions, or those of its own chunk."""
    tokens, heads, size = q.shape
    at, stored = (np.arange(len(each)) if given is None else given for each, given in ((q, at), (k, stored)))
    k, v = (np.repeat(each, heads // each.shape[1], 1) for each in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size)
    seen = stored <= at[:, None]
    if window:
        seen &= stored > at[:, None] - window
    if chunk:
        seen &= stored // chunk == at[:, None] // chunk
    scores[:, ~seen] = -np.inf
    return np.einsum("hqk,khd->qhd", softmax(scores), v).reshape(tokens, -1)


def decoder_logits(t, tokens, sizes, sparse):
    """Of one sequence, by a decoder of one RMS norm before each half, heads that turn as a whole, and `sparse(x, layer's prefix)`
    as the second half of each layer."""
    eps, head = sizes["rms_norm_eps"], sizes["head_dim"]
    x = t["model.embed_tokens.weight"][tokens]
    for n in range(sizes["num_hidden_layers"]):
        p = f"model.layers.{n}."
        h = rms(x, t[p + "input_layernorm.weight"], eps)
        q, k, v = ((h @ t[f"{p}self_attn.{m}_proj.weight"].T).reshape(len(tokens), -1, head) for m in "qkv")
        q, k = (turn(each, head, sizes["rope_theta"]) for each in (q, k))
        x = x + causal_attention(q, k, v) @ t[p + "self_attn.o_proj.weight"].T
        x = x + sparse(rms(x, t[p + "post_attention_layernorm.weight"], eps), p)
    return rms(x, t["model.norm.weight"], eps) @ t["lm_head.weight"].T


def bf16(values):
    """Of f32 to nearest, ties to even, as bits."""
    bits = values.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def widened(bits):
    """The f32 of bits of bf16."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def rounded(values):
    """What bf16 keeps of f32."""
    return widened(bf16(values))


def relative_error(actual, expected):
    """In the Frobenius norm."""
    assert actual.shape == expected.shape
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


class Random:
    """Parameters and inputs, the same in every run."""

    def __init__(self):
        self.generator = np.random.default_rng(7)

    def __call__(self, *shape, scale=None):
        values = self.generator.standard_normal(shape)
        return (values * (scale or shape[-1] ** -0.5)).astype(np.float32)

    def experts(self, count=EXPERTS):
        return {f"experts.{e}.{part}.weight": self(*shape) for e in range(count)
                for part, shape in (("gate", (WIDTH, HIDDEN)), ("up", (WIDTH, HIDDEN)),
                                    ("down", (HIDDEN, WIDTH)))}
