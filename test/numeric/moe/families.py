"""The routers of model families and papers, each written as its own code or
formulas have it: from the logits [T, E] of the router to the chosen experts and
their weights.

Beside each stand the parameters of #moe.routing that say the same. None of these
functions knows the stages of the pipeline, so an agreement is no accident. They
compute in the type of the logits, f32 or f64, and a tie goes to the lowest
index, which the originals leave open.
"""

from typing import Callable, NamedTuple

import numpy as np


def softmax(x):
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - x.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(np.zeros((), x.dtype), x)


def topk(x, k):
    """Values and places of the k largest along the last axis."""
    places = np.argsort(-x, -1, kind="stable")[..., :k]
    return np.take_along_axis(x, places, -1), places


def gather(x, ids):
    return np.take_along_axis(x, ids, -1)


def total(w):
    return w.sum(-1, keepdims=True)


class Family(NamedTuple):
    """`original(logits, k, **operands)` gives ids [T, k] and weights [T, k]; with
    shared experts, whose logits are the last ones, their weights follow."""

    name: str
    experts: int
    k: int
    routing: str
    original: Callable
    operands: tuple = ()
    attributes: str = ""  # of the op
    shared: int = 0

    @property
    def attribute(self):
        parameters = f"k = {self.k}" + (f", {self.routing}" if self.routing else "")
        return f"#moe.routing<{parameters}>"


FAMILIES = []


def family(name, experts, k, routing="", operands=(), **more):
    def add(original):
        FAMILIES.append(Family(name, experts, k, routing, original, operands, **more))
        return original

    return add


# Softmax, with and without renormalisation ----------------------------------


@family("mixtral", 8, 2, "renorm = sum")
@family("minimax_text", 32, 2, "renorm = sum")
@family("hunyuan_v1", 24, 8, "renorm = sum")
@family("ling_lite", 64, 6, "renorm = sum")
@family("qwen3_next", 256, 10, "renorm = sum")
def softmax_topk_by_sum(logits, k):
    w, ids = topk(softmax(logits), k)
    return ids, w / total(w)


@family("qwen2_moe", 60, 4)
@family("olmoe", 64, 8)
@family("jamba", 16, 2)
@family("deepseek_moe", 64, 6)
@family("switch_router", 8, 1)
def softmax_topk(logits, k):
    w, ids = topk(softmax(logits), k)
    return ids, w


@family("qwen3_moe", 128, 8, "scope = selected, weight_from = logit")
@family("gpt_oss", 32, 4, "scope = selected, select_on = logit, weight_from = logit")
@family("granitemoe", 40, 8, "scope = selected, weight_from = logit")
@family("uni_moe", 4, 2, "select_on = logit, weight_from = logit, renorm = softmax")
def topk_softmax(logits, k):
    values, ids = topk(logits, k)
    return ids, softmax(values)


@family(
    "privacy_filter",
    12,
    4,
    "scope = selected, weight_from = logit, scale = 0.25 : f64",
)
def topk_softmax_by_k(logits, k):
    values, ids = topk(logits, k)
    return ids, softmax(values) / k


@family("dbrx", 16, 4, "renorm = lp, lp = 1.0 : f64")
def dbrx(logits, k):
    w, ids = topk(softmax(logits), k)
    return ids, w / np.linalg.norm(w, ord=1, axis=-1, keepdims=True)


@family("dbrx_p2", 16, 4, "renorm = lp, lp = 2.0 : f64")
def dbrx_p2(logits, k):
    w, ids = topk(softmax(logits), k)
    return ids, w / np.linalg.norm(w, ord=2, axis=-1, keepdims=True)


@family("laguna", 16, 3, "softcap = 3.0 : f64, renorm = sum")
def laguna(logits, k):
    w, ids = topk(softmax(np.tanh(logits / 3) * 3), k)
    return ids, w / total(w)


@family("gemma4", 32, 4, "renorm = sum", ("expert_scale",))
def gemma4(logits, k, expert_scale):
    w, ids = topk(softmax(logits), k)
    return ids, w / total(w) * expert_scale[ids]


# A bias that selects --------------------------------------------------------


@family(
    "ernie4_5_moe",
    24,
    6,
    "renorm = sum, eps_mode = clamp, eps = 1.0e-12 : f64",
    ("bias",),
)
def ernie(logits, k, bias):
    p = softmax(logits)
    _, ids = topk(p + bias, k)
    w = gather(p, ids)
    return ids, w / np.maximum(total(w), np.asarray(1e-12, w.dtype))


@family("longcat_flash", 48, 12, "scale = 6.0 : f64", ("bias",))
def longcat(logits, k, bias):
    p = softmax(logits)
    _, ids = topk(p + bias, k)
    return ids, gather(p, ids) * 6


@family("minimax_m2", 32, 4, "score = sigmoid, renorm = sum", ("bias",))
def minimax_m2(logits, k, bias):
    s = sigmoid(logits)
    _, ids = topk(s + bias, k)
    w = gather(s, ids)
    return ids, w / total(w)


@family(
    "lfm2_moe", 32, 4, "score = sigmoid, renorm = sum, eps = 1.0e-6 : f64", ("bias",)
)
def lfm2(logits, k, bias):
    s = sigmoid(logits)
    _, ids = topk(s + bias, k)
    w = gather(s, ids)
    return ids, w / (total(w) + np.asarray(1e-6, w.dtype))


@family(
    "lfm2_moe_scaled",
    32,
    4,
    "score = sigmoid, renorm = sum, eps = 1.0e-6 : f64, scale = 1.5 : f64",
    ("bias",),
)
def lfm2_scaled(logits, k, bias):
    ids, w = lfm2(logits, k, bias)
    return ids, w * np.asarray(1.5, w.dtype)


@family(
    "deepseek_v4",
    32,
    6,
    "score = sqrt_softplus, renorm = sum, eps = 1.0e-20 : f64, scale = 1.5 : f64",
    ("bias",),
)
def deepseek_v4(logits, k, bias):
    s = np.sqrt(softplus(logits))
    _, ids = topk(s + bias, k)
    w = gather(s, ids)
    return ids, w / (total(w) + np.asarray(1e-20, w.dtype)) * np.asarray(1.5, w.dtype)


# The last expert is a place where nothing happens.
@family("zaya", 17, 1, "null_experts = 1", ("bias",))
def zaya(logits, k, bias):
    p = softmax(logits)
    _, ids = topk(p + bias, k)
    return ids, np.where(ids == 16, 0, gather(p, ids))


# Groups ---------------------------------------------------------------------


def of_groups(x, groups):
    return x.reshape(len(x), groups, x.shape[1] // groups)


def mask_of(places, groups, experts):
    mask = np.zeros((len(places), groups), bool)
    np.put_along_axis(mask, places, True, 1)
    return np.repeat(mask, experts // groups, 1)


@family(
    "deepseek_v2",
    40,
    6,
    "groups = 8, group_reduce = max, group_keep = 3, group_fill = zero,"
    " scale = 16.0 : f64",
)
def deepseek_v2(logits, k):
    scores = softmax(logits)
    _, best = topk(of_groups(scores, 8).max(-1), 3)
    w, ids = topk(np.where(mask_of(best, 8, 40), scores, 0), k)
    return ids, w * 16


def noaux_tc(logits, bias, k, groups, keep, fill, scale, norm=True):
    scores = sigmoid(logits)
    choice = scores + bias
    if groups > 1:
        best_two, _ = topk(of_groups(choice, groups), 2)
        _, best = topk(best_two.sum(-1), keep)
        choice = np.where(mask_of(best, groups, choice.shape[1]), choice, fill)
    _, ids = topk(choice.astype(logits.dtype), k)
    w = gather(scores, ids)
    if norm:
        w = w / (total(w) + np.asarray(1e-20, w.dtype))
    return ids, w * np.asarray(scale, w.dtype)


SIGMOID_BY_SUM = "score = sigmoid, renorm = sum, eps = 1.0e-20 : f64"
TOP2 = "groups = 8, group_reduce = top2_sum, group_keep = 4"


@family(
    "deepseek_v3", 64, 8, f"{SIGMOID_BY_SUM}, {TOP2}, scale = 2.5 : f64", ("bias",)
)
@family(
    "bailing_moe_v2", 32, 8, f"{SIGMOID_BY_SUM}, {TOP2}, scale = 2.5 : f64", ("bias",)
)
def deepseek_v3(logits, k, bias):
    return noaux_tc(logits, bias, k, 8, 4, -np.inf, 2.5)


# As HF had it in November 2025, and as A.X-K2 has it on purpose.
@family(
    "axk2",
    64,
    8,
    f"{SIGMOID_BY_SUM}, {TOP2}, group_fill = zero, scale = 2.5 : f64",
    ("bias",),
)
def axk2(logits, k, bias):
    return noaux_tc(logits, bias, k, 8, 4, 0.0, 2.5)


@family("kimi_k2", 48, 8, f"{SIGMOID_BY_SUM}, scale = 2.827 : f64", ("bias",))
def kimi_k2(logits, k, bias):
    return noaux_tc(logits, bias, k, 1, 1, -np.inf, 2.827)


@family("glm4_moe", 128, 8, SIGMOID_BY_SUM, ("bias",))
@family("nemotron_h", 128, 6, SIGMOID_BY_SUM, ("bias",))
def glm4_moe(logits, k, bias):
    return noaux_tc(logits, bias, k, 1, 1, -np.inf, 1.0)


@family(
    "mistral4",
    32,
    4,
    "groups = 4, group_reduce = top2_sum, group_keep = 2, group_fill = zero,"
    " renorm = sum, eps = 1.0e-20 : f64",
)
def mistral4(logits, k):
    p = softmax(logits)
    best_two, _ = topk(of_groups(p, 4), 2)
    _, best = topk(best_two.sum(-1), 2)
    _, ids = topk(np.where(mask_of(best, 4, 32), p, 0).astype(p.dtype), k)
    w = gather(p, ids)
    return ids, w / (total(w) + np.asarray(1e-20, w.dtype))


# The best of each group, in the order of their scores.
@family("pangu_moge", 64, 8, "groups = 8, group_quota = 1", ("expert_scale",))
def pangu_moge(logits, k, expert_scale):
    scores = softmax(logits)
    inside = of_groups(scores, 8)
    ids = inside.argmax(-1) + np.arange(8) * 8
    w = inside.max(-1)
    order = np.argsort(-w, -1, kind="stable")
    ids = gather(ids, order)
    return ids, gather(w, order) * expert_scale[ids]


# Weights apart from keys ----------------------------------------------------


@family("llama4_text", 16, 1, "score = sigmoid, select_on = logit")
@family("llama4_top2", 16, 2, "score = sigmoid, select_on = logit")
def llama4(logits, k):
    values, ids = topk(logits, k)
    scattered = np.full_like(logits, -np.inf)
    np.put_along_axis(scattered, ids, values, 1)
    return ids, gather(sigmoid(scattered), ids)


@family("cohere2_moe", 16, 4, "score = sigmoid, select_on = logit, renorm = sum")
def cohere2(logits, k):
    values, ids = topk(logits, k)
    w = sigmoid(values)
    return ids, w / total(w)


# Sigmoid without a bias selects by what is left after rounding.
@family("sigmoid_topk", 16, 4, "score = sigmoid, renorm = sum")
def sigmoid_topk(logits, k):
    w, ids = topk(sigmoid(logits), k)
    return ids, w / total(w)


@family("recursion_depth", 4, 1, "score = sigmoid, scale = 0.1 : f64")
def mixture_of_recursions(logits, k):
    w, depth = topk(sigmoid(logits) * np.asarray(0.1, logits.dtype), k)
    return depth, w


# TopK(b1 x; b0) of the paper: b1 x forms the set, b1 x + b0 are weighed.
@family(
    "topk_gating",
    16,
    3,
    "scope = selected, select_on = logit, weight_from = logit",
    ("bias",),
)
def topk_gating(logits, k, bias):
    _, ids = topk(logits + bias, k)
    return ids, softmax(gather(logits, ids))


@family("moe_plus_plus", 12, 2, "renorm = sum, null_experts = 1, null_before_norm = true")
def moe_plus_plus(logits, k):
    w, ids = topk(softmax(logits), k)
    w = np.where(ids == 11, 0, w)
    with np.errstate(invalid="ignore"):
        return ids, w / total(w)


@family(
    "phimoe",
    16,
    2,
    "policy = sequential_masked, scope = window, window = 0.02 : f64",
)
def sparsemixer(scores, k):
    """Two rounds; the threshold of the second is the signed second maximum, the
    magnitudes are those of all scores."""
    eps = np.asarray(0.01, scores.dtype)
    first = scores.argmax(-1)[:, None]
    left = scores.copy()
    np.put_along_axis(left, first, -np.inf, 1)
    rounds = []
    with np.errstate(invalid="ignore"):
        for visible in (scores, left):
            largest = visible.max(-1, keepdims=True)
            factor = np.maximum(np.abs(scores), largest)
            outside = (largest - scores) / factor > 2 * eps
            chosen = visible.argmax(-1)[:, None]
            gates = softmax(np.where(outside, -np.inf, visible).astype(scores.dtype))
            rounds.append((chosen, gather(gates, chosen)))
    return np.hstack([r[0] for r in rounds]), np.hstack([r[1] for r in rounds])
