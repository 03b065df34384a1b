"""What the moe ops mean, in NumPy and f64."""

from typing import NamedTuple

import numpy as np

from harness import from_bf16, to_bf16

PANEL = 16


class Routing(NamedTuple):
    """Parameters of #moe.routing, and whether the op has a selection bias."""

    experts: int
    k: int
    score: str = "softmax"
    scope: str = "all"
    select_on: str = "score"
    weight_from: str = "score"
    renorm: str = "none"
    eps_mode: str = "add"
    eps: float = 0.0
    scale: float = 1.0
    bias: bool = False

    @property
    def attribute(self):
        words = [f"{name} = {getattr(self, name)}" for name in self._fields[1:8]]
        words += [f"{name} = {getattr(self, name):.17e} : f64" for name in ("eps", "scale")]
        return f"#moe.routing<{', '.join(words)}>"

    def __str__(self):
        return f"{self.k} of {self.experts}, {self.score}, {self.scope}, {self.renorm}"


def softmax(values):
    with np.errstate(invalid="ignore"):
        powers = np.exp(values - np.fmax.reduce(values, 1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)


def selection_keys(routing, logits, bias):
    """In f64, and NaN as minus infinity. A softmax without a bias orders experts
    as their logits do."""
    logits = logits.astype(np.float64)
    keys = logits
    if by_score(routing):
        keys = scores(routing, logits)
    if routing.bias:
        keys = keys + bias
    return np.where(np.isnan(keys), -np.inf, keys)


def by_score(routing):
    selects = routing.select_on == "score" and routing.scope == "all"
    return selects and (routing.bias or routing.score != "softmax")


def scores(routing, logits):
    if routing.score == "softmax":
        return softmax(logits)
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logits))


def choose(keys, k):
    """The k largest of each row, the lowest index among equals."""
    return np.argsort(-keys, axis=1, kind="stable")[:, :k].astype(np.int32)


def weigh(routing, logits, ids):
    """The weights of experts that were chosen."""
    logits = logits.astype(np.float64)
    from_scores = routing.weight_from == "score"
    values = scores(routing, logits) if from_scores else logits
    weights = np.take_along_axis(values, ids, 1)
    if routing.scope == "selected":
        weights = softmax(weights)
    if routing.renorm == "sum":
        total = weights.sum(1, keepdims=True)
        eps = routing.eps
        with np.errstate(invalid="ignore"):
            weights /= total + eps if routing.eps_mode == "add" else np.fmax(total, eps)
    return weights * routing.scale


class Plan(NamedTuple):
    offsets: np.ndarray
    active: np.ndarray
    row_token: np.ndarray
    token_row: np.ndarray
    token_slot: np.ndarray


def plan(ids, experts):
    tokens, k = ids.shape
    pairs = [(ids[t, j], t, j) for t in range(tokens) for j in range(k)]
    pairs = sorted(pair for pair in pairs if pair[0] >= 0)
    counts = np.bincount([pair[0] for pair in pairs], minlength=experts)
    used = np.flatnonzero(counts)
    active = np.full(experts + 1, -1)
    active[: len(used)], active[experts] = used, len(used)
    row_token = np.full(tokens * k, -1)
    entries = [[] for _ in range(tokens)]
    for row, (_, token, slot) in enumerate(pairs):
        row_token[row] = token
        entries[token].append((row, slot))
    token_row, token_slot = np.full((2, tokens, k), -1)
    for token, of_token in enumerate(entries):
        for j, (row, slot) in enumerate(of_token):
            token_row[token, j], token_slot[token, j] = row, slot
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Plan(
        *(
            array.astype(np.int32)
            for array in (offsets, active, row_token, token_row, token_slot)
        )
    )


# How choices are counted in tests: few rows, so that a few tokens make several
# blocks, and few blocks, so that many make longer ones.
BLOCKS, COUNT_ROWS = 3, 5


def count(ids, experts, blocks=BLOCKS, rows=COUNT_ROWS):
    """The choices of each expert by block of tokens, those with tokens only."""
    rows *= max(1, -(-len(ids) // (rows * blocks)))
    parts = [ids[begin : begin + rows] for begin in range(0, len(ids), rows)]
    counts = [np.bincount(part[part >= 0], minlength=experts) for part in parts]
    return np.array(counts, np.int32).reshape(-1, experts)


def combine(rows, token_row, token_slot, weights, addends):
    y = sum((a.astype(np.float64) for a in addends), np.zeros((len(weights), rows.shape[1])))
    for token in range(len(weights)):
        for row, slot in zip(token_row[token], token_slot[token]):
            if row >= 0:
                y[token] += np.float64(weights[token, slot]) * rows[row]
    return y


def pack(matrix, element):
    """The form that moe.pack gives a matrix [N, K], or a bank [E, N, K]."""
    if matrix.ndim == 3:
        return np.stack([pack(member, element) for member in matrix])
    n, k = matrix.shape
    step = 2 if element == "bf16" else 1
    padded = np.zeros((-(-n // PANEL) * PANEL, -(-k // step) * step), np.float32)
    padded[:n, :k] = matrix
    panels = padded.reshape(-1, PANEL, padded.shape[1] // step, step)
    panels = np.ascontiguousarray(panels.transpose(0, 2, 1, 3))
    if element == "bf16":
        return to_bf16(panels)
    return panels[..., 0].copy()


def rounded(values, element):
    """Values as f32 that an element type can hold."""
    values = np.asarray(values, np.float32)
    return from_bf16(to_bf16(values)) if element == "bf16" else values


def memref(*shape, element="f32"):
    return f"memref<{'x'.join('?' if size is None else str(size) for size in shape)}x{element}>"
