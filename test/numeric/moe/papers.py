"""More routers: those of papers, and what restricts the choice. FAMILIES is the
list of all."""

import numpy as np

from families import FAMILIES, family, gather, sigmoid, softmax, softplus, topk, total

__all__ = ["FAMILIES"]

# Only some experts may be chosen --------------------------------------------


VISION = [True] * 6 + [False] * 2
LANGUAGE = [False] * 2 + [True] * 6


def class_mask(*rows):
    flat = ", ".join(str(bool(value)).lower() for row in rows for value in row)
    return f"class_mask = array<i1: {flat}>"


# Two gates, each for its own three quarters of the experts.
@family(
    "moiie",
    8,
    2,
    "renorm = sum",
    ("class_id",),
    attributes=class_mask(VISION, LANGUAGE),
)
def moiie(logits, k, class_id):
    ids = np.zeros((len(logits), k), int)
    weights = np.zeros((len(logits), k), logits.dtype)
    for modality, first in ((0, 0), (1, 2)):
        of = class_id == modality
        w, chosen = topk(softmax(logits[of, first : first + 6]), k)
        ids[of], weights[of] = chosen + first, w / total(w)
    return ids, weights


# Tasks see the shared experts and those of their group, all of these.
@family(
    "home",
    6,
    6,
    "policy = dense",
    ("class_id",),
    attributes=class_mask([1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1]),
)
def home(logits, k, class_id):
    ids = np.full(logits.shape, -1)
    weights = np.zeros_like(logits)
    for task, seen in enumerate(([0, 1, 2, 3], [0, 1, 4, 5])):
        (of,) = np.nonzero(class_id == task)
        ids[np.ix_(of, seen)] = seen
        weights[np.ix_(of, seen)] = softmax(logits[np.ix_(of, seen)])
    return ids, weights


@family("eligible", 12, 4, "renorm = sum", ("eligible",))
def among_eligible(logits, k, eligible):
    ids = np.full((len(logits), k), -1)
    weights = np.zeros(ids.shape, logits.dtype)
    for t, row in enumerate(logits):
        seen = np.flatnonzero(eligible[t])
        if len(seen):
            w, chosen = topk(softmax(row[seen][None]), k)
            count = chosen.shape[1]
            ids[t, :count], weights[t, :count] = seen[chosen[0]], (w / total(w))[0]
    return ids, weights


# As many experts as each token asks for -------------------------------------


@family("token_k", 16, 4, "renorm = sum", ("token_k",))
def token_k_of_topk(logits, k, token_k):
    w, ids = topk(softmax(logits), k)
    absent = np.arange(k) >= token_k[:, None]
    w = np.where(absent, 0, w).astype(logits.dtype)
    with np.errstate(invalid="ignore"):
        return np.where(absent, -1, ids), np.where(absent, 0, w / total(w))


@family("top_p", 12, 5, "policy = topp, threshold = 0.6 : f64, renorm = sum")
def nucleus(logits, k):
    w, ids = topk(softmax(logits), k)
    before = np.cumsum(w, -1) - w
    absent = before >= np.asarray(0.6, w.dtype)
    w = np.where(absent, 0, w).astype(logits.dtype)
    return np.where(absent, -1, ids), w / total(w)


@family("above", 12, 4, "score = sigmoid, policy = threshold, threshold = 0.7 : f64")
def above_threshold(logits, k):
    w, ids = topk(sigmoid(logits), k)
    absent = w <= np.asarray(0.7, w.dtype)
    return np.where(absent, -1, ids), np.where(absent, 0, w)


# k_t = #(cumulative softmax < top_p) + 1 rounds; windows by |max|.
@family(
    "unimoe_audio",
    8,
    4,
    "policy = sequential_masked, threshold = 0.7 : f64, scope = window,"
    " window = 0.2 : f64, window_by = magnitude, renorm = sum, eps = 1.0e-6 : f64",
)
def unimoe_audio(scores, k):
    ordered, _ = topk(softmax(scores), scores.shape[1])
    rounds = (np.cumsum(ordered, -1) < np.asarray(0.7, scores.dtype)).sum(-1) + 1
    ids = np.full((len(scores), k), -1)
    weights = np.zeros(ids.shape, scores.dtype)
    left = scores.copy()
    with np.errstate(invalid="ignore"):
        for i in range(k):
            largest = left.max(-1, keepdims=True)
            factor = np.maximum(np.abs(scores), np.abs(largest))
            outside = (largest - scores) / factor > 2 * np.asarray(0.1, scores.dtype)
            chosen = left.argmax(-1)[:, None]
            gates = softmax(np.where(outside, -np.inf, left).astype(scores.dtype))
            on = i < rounds
            ids[on, i] = chosen[on, 0]
            weights[on, i] = gather(gates, chosen)[on, 0]
            np.put_along_axis(left, chosen, -np.inf, 1)
    return ids, weights / (total(weights) + np.asarray(1e-6, scores.dtype))


# Experts from a table; the gate only weighs them.
@family(
    "deepseek_v4_hash",
    32,
    6,
    "policy = table, score = sqrt_softplus, renorm = sum, eps = 1.0e-20 : f64,"
    " scale = 1.5 : f64",
    ("table", "token_id"),
)
def deepseek_v4_hash(logits, k, table, token_id):
    ids = table[token_id]
    w = gather(np.sqrt(softplus(logits)), ids)
    return ids, w / (total(w) + np.asarray(1e-20, w.dtype)) * np.asarray(1.5, w.dtype)


# Shared experts that the router weighs --------------------------------------


@family(
    "inkling",
    16,
    3,
    "select_on = logit, weight_from = logit, renorm = logsigmoid_softmax,"
    " shared_experts = 2, scale = 2.0 : f64",
    shared=2,
)
def inkling(logits, k):
    values, ids = topk(logits[:, :16], k)
    joint = -softplus(-np.hstack([values, logits[:, 16:]]))
    return ids, softmax(joint) * 2


@family(
    "unimoe_joint",
    8,
    2,
    "select_on = logit, weight_from = logit, renorm = softmax, shared_experts = 1",
    shared=1,
)
def unimoe_joint(logits, k):
    values, ids = topk(logits[:, :8], k)
    return ids, softmax(np.hstack([values, logits[:, 8:]]))


@family(
    "joint_by_class",
    8,
    2,
    "select_on = logit, weight_from = logit, renorm = softmax, shared_experts = 1",
    ("class_id",),
    attributes=class_mask(VISION, LANGUAGE),
    shared=1,
)
def joint_by_class(logits, k, class_id):
    may = np.array([VISION, LANGUAGE])[class_id]
    values, ids = topk(np.where(may, logits[:, :8], -np.inf), k)
    return ids, softmax(np.hstack([values, logits[:, 8:]]))


# Merged experts -------------------------------------------------------------

ALIAS = [0, 1, 2, 0, 3, 1, 4, 4, 5, 2, 0, 5]


@family(
    "sub_moe",
    12,
    4,
    "renorm = sum, dedupe = sum",
    attributes=f"alias = array<i32: {', '.join(map(str, ALIAS))}>",
)
def sub_moe(logits, k):
    w, ids = topk(softmax(logits), k)
    w, merged = w / total(w), np.array(ALIAS)[ids]
    for t in range(len(merged)):
        for i in range(k):
            (same,) = np.nonzero(merged[t, :i] == merged[t, i])
            if len(same):
                w[t, same[0]] += w[t, i]
                w[t, i], merged[t, i] = 0, -1
    return merged, w
