"""The margin rule: when another choice of experts than the recorded one is a tie.

A token may go to other experts only where the selection keys that would have to change places are
less than 2^-7 (in bf16) of its largest logit apart. Written in NumPy from what the models' papers
and configurations say, so that it shares nothing with the compiler.
"""

import itertools
import json
import re

import numpy as np
from conftest import FIXTURES, read_checkpoint, read_safetensors, recorded_choice
from formulas import sigmoid, softmax, top

BF16 = 2.0 ** -7
# The others with a bias on the selection, or sums of a group's two best scores, have sigmoids.
SOFTMAX = {"ernie4_5_moe", "ernie4_5_vl_moe_text", "longcat_flash", "mistral4"}


class Router:
    """The router of a layer, as it was recorded."""

    def __init__(self, name, layer):
        expected = read_safetensors(FIXTURES / name / "expected.safetensors")
        config = json.loads((FIXTURES / name / "config.json").read_text())
        config = config.get("text_config", config)  # Of a language model inside a larger one.
        part = re.compile(rf"\.(layers|blocks)\.{layer}\.")
        outputs = [value for key, value in sorted(expected.items())
                   if key.startswith("router.") and part.search(key)]
        # Of two outputs with a number for each expert, the first are Llama 4's scores, which are 0 but for the chosen.
        self.logits = [value for value in outputs if value.shape == outputs[0].shape][-1].astype(np.float64)
        if config["model_type"] == "gemma4_text":  # Whose router returns their softmax.
            self.logits = np.log(self.logits) - np.log(self.logits).mean(1, keepdims=True)
        self.groups = config.get("n_group") or 1
        self.kept = config.get("topk_group") or 1
        # DeepSeek-V2 knows a plain choice beside that by groups.
        if config.get("topk_method") == "greedy":
            self.groups = self.kept = 1
        self.best_two = config["model_type"] != "deepseek_v2"
        bias = [value for key, value in read_checkpoint(FIXTURES / name).items()
                if part.search(key) and re.search(r"(e_score_correction|expert|router)_bias$", key)]
        # Without a bias and sums, scores rise with logits, which tell more.
        self.keys = self.logits
        if bias or config["model_type"] == "mistral4":
            score = softmax if config["model_type"] in SOFTMAX else sigmoid
            # ERNIE VL has a second row, for images.
            self.keys = score(self.logits) + (bias[0].reshape(-1)[:self.logits.shape[1]] if bias else 0)
        self.recorded = recorded_choice(expected, layer, experts_per_token(config))

    def choices(self, token, k):
        """All choices of groups, how far apart the keys of groups are that would have to change
        places for it, and the experts of each."""
        keys = self.keys[token].reshape(self.groups, -1)
        best = np.sort(keys, 1)[:, ::-1]
        of_groups = best[:, :2].sum(1) if self.best_two else best[:, 0]
        for kept in itertools.combinations(range(self.groups), self.kept):
            others = [group for group in range(self.groups) if group not in kept]
            gap = max(of_groups[others]) - min(of_groups[list(kept)]) if others else -np.inf
            within = np.full(keys.shape, -np.inf)
            within[list(kept)] = keys[list(kept)]
            yield gap, within.reshape(-1), set(top(within.reshape(-1), k))

    def explains(self, token, experts):
        """Whether these are the experts of the largest keys."""
        choices = list(self.choices(token, len(experts)))
        gap, _, best = min(choices, key=lambda choice: choice[0])
        return best == set(experts)

    def is_tie(self, token, experts, margin=BF16):
        bound = margin * np.abs(self.logits[token]).max()
        for gap, keys, best in self.choices(token, len(experts)):
            dropped, taken = best - set(experts), set(experts) - best
            # The key of a group may be one of two keys.
            if gap >= bound * (2 if self.best_two else 1) or len(dropped) != len(taken):
                continue
            if not dropped or max(keys[list(dropped)]) - min(keys[list(taken)]) < bound:
                return True
        return False


def experts_per_token(config):
    for key in ("num_experts_per_tok", "moe_k", "moe_topk", "top_k_experts"):
        if key in config:
            return config[key]
    return config["ffn_config"]["moe_top_k"]
