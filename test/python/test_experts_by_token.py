"""What a token may choose, and how many experts it has, in family files: by ranges of the vocabulary, by tables of token
ids, by class and by what it is; whole models against NumPy in f64."""

import json
import re
import subprocess

import moec
import numpy as np
import pytest
from conftest import ARCHITECTURES, BUILD, text_after, write_safetensors
from formulas import decoder_logits, relative_error, sigmoid, silu, softmax, wide
from test_guard_pages import run_step

SIZES = dict(vocab_size=96, hidden_size=48, moe_intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=12, max_position_embeddings=128, rms_norm_eps=1e-6, rope_theta=10000.0,
             torch_dtype="float32")
HIDDEN, HEAD, EXPERTS, MOST = 48, 12, 8, 3
IMAGES = (40, 72)  # Token ids.
CLASS_LISTS = [[0, 1, 2, 3], [3, 4, 5], [7]]
MOIIE = dict(model_type="moiie", image_experts=3, common_experts=2, text_experts=4, num_experts_per_tok=2,
             image_token_begin=IMAGES[0], image_token_end=IMAGES[1])
BY_TOKEN = dict(model_type="experts_by_token", num_experts=EXPERTS, num_experts_per_tok=MOST)
VARIANTS = {
    "moiie": MOIIE,
    "moiie-numbers": MOIIE | {"image_experts_per_tok": 1, "text_experts_per_tok": 3},
    "moiie-text": MOIIE | {"modality": "text"},
    "moiie-image": MOIIE | {"modality": "image", "text_experts_per_tok": 3},
    "table": BY_TOKEN | {"chosen_by": "table"},
    "class": BY_TOKEN | {"chosen_by": "class", "experts_of_class": [3, 2, 1], "class_experts": CLASS_LISTS},
    "class-mask": BY_TOKEN | {"chosen_by": "class", "experts_of_class": [2, 3, 3]},
    "difficulty": BY_TOKEN | {"chosen_by": "difficulty", "least_experts": 1},
    "eligibility": BY_TOKEN | {"chosen_by": "eligibility"},
}


def numbers_of_experts(config):
    if config["model_type"] == "moiie":
        return config["image_experts"] + config["common_experts"] + config["text_experts"]
    return EXPERTS


def random_tensors(config):
    rng = np.random.default_rng(17)
    shapes = {"model.embed_tokens.weight": (96, HIDDEN), "model.norm.weight": (HIDDEN,), "lm_head.weight": (96, HIDDEN)}
    tensors = {}
    for n in range(SIZES["num_hidden_layers"]):
        p = f"model.layers.{n}."
        shapes |= {p + "input_layernorm.weight": (HIDDEN,), p + "post_attention_layernorm.weight": (HIDDEN,)}
        shapes |= {f"{p}self_attn.{m}_proj.weight": shape for m, shape in
                   zip("qkvo", ((48, HIDDEN), (24, HIDDEN), (24, HIDDEN), (HIDDEN, 48)))}
        for e in range(numbers_of_experts(config)):
            shapes |= {f"{p}mlp.experts.{e}.{m}_proj.weight": shape for m, shape in
                       (("gate", (24, HIDDEN)), ("up", (24, HIDDEN)), ("down", (HIDDEN, 24)))}
        if config["model_type"] == "moiie":
            shapes |= {p + "mlp.image_gate.weight": (5, HIDDEN), p + "mlp.text_gate.weight": (6, HIDDEN)}
        else:
            shapes[p + "mlp.gate.weight"] = (EXPERTS, HIDDEN)
        if config.get("chosen_by") == "difficulty":
            shapes[p + "mlp.difficulty.weight"] = (1, HIDDEN)
        if config.get("chosen_by") == "class" and "class_experts" not in config:
            # Another mask in each layer, and a class more than there are numbers of experts for.
            mask = rng.random((4, EXPERTS)) < 0.5
            mask[:, n] = True
            tensors[p + "mlp.class_mask"] = mask.astype(np.int32) * (1 - 2 * rng.integers(0, 2, mask.shape))

    def draw(name, shape):
        if name.endswith("norm.weight"):
            return 1 + 0.1 * rng.standard_normal(shape)
        return rng.standard_normal(shape) * (1 if "embed" in name else shape[-1] ** -0.5)
    tensors |= {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}
    if config.get("chosen_by") == "table":
        # Also numbers that are too small and too large.
        tensors["model.experts_of_token"] = rng.integers(-1, MOST + 3, 96).astype(np.int64)
    if config.get("chosen_by") == "class":
        # Also classes that there are not: their tokens have no experts.
        tensors["model.class_of_token"] = rng.integers(-1, 5, 96).astype(np.int32)
    if config.get("chosen_by") == "eligibility":
        may = rng.random((96, EXPERTS)) < 0.4
        may[:8] = False
        tensors["model.eligible.weight"] = np.where(may, rng.choice([-2.0, 0.5], may.shape), 0).astype(np.float32)
    return tensors


class Oracle:
    """In f64. `ids` and `numbers` get the experts of each layer's tokens, and of how many each token has."""

    def __init__(self, config, tensors):
        self.t, self.config, self.ids = wide(tensors), config, []

    def may(self, tokens, p):
        """For every token, the rows of the router that it may choose, the expert of each row, and how many it chooses."""
        c, t = self.config, self.t
        if c["model_type"] == "moiie":
            own, common, k = c["image_experts"], c["common_experts"], c["num_experts_per_tok"]
            numbers = c.get("image_experts_per_tok", k), c.get("text_experts_per_tok", k)
            image = {"both": (IMAGES[0] <= tokens) & (tokens < IMAGES[1])}.get(
                c.get("modality", "both"), np.full(len(tokens), c.get("modality") == "image"))
            rows = np.arange(11)
            experts = np.where(rows < own + common, rows, rows - common)
            return (rows < own + common) == image[:, None], experts, np.where(image, *numbers)
        experts, every = np.arange(EXPERTS), np.ones((len(tokens), EXPERTS), bool)
        if c["chosen_by"] == "table":
            return every, experts, np.clip(t["model.experts_of_token"][tokens], 0, MOST)
        if c["chosen_by"] == "class":
            classes = t["model.class_of_token"][tokens].astype(int)
            mask = t.get(p + "class_mask", np.array([np.isin(experts, each) for each in CLASS_LISTS])) != 0
            known = (0 <= classes) & (classes < len(mask))
            may = mask[np.where(known, classes, 0)] & known[:, None]
            counts = np.array(c["experts_of_class"] + [0, 0, 0])
            return may, experts, np.where(known, counts[np.where(known, classes, 0)], 0)
        if c["chosen_by"] == "eligibility":
            return t["model.eligible.weight"][tokens] != 0, experts, np.full(len(tokens), MOST)
        hard = sigmoid(self.x @ t[p + "difficulty.weight"].T)[:, 0] > 0.5
        return every, experts, np.where(hard, MOST, c["least_experts"])

    def sparse(self, x, tokens, p):
        t, self.x = self.t, x
        gates = [p + "image_gate.weight", p + "text_gate.weight"] if "moiie" in self.config["model_type"] else [p + "gate.weight"]
        logits = np.concatenate([x @ t[name].T for name in gates], 1)
        may, experts, numbers = self.may(tokens, p)
        k = self.config["num_experts_per_tok"]
        most = max(self.config.get(modality + "_experts_per_tok", k) for modality in ("image", "text"))
        y, ids = np.zeros_like(x), np.full((len(x), most), -1)
        for i in range(len(x)):
            rows = np.flatnonzero(may[i])
            if not len(rows):
                continue
            scores = softmax(logits[i, rows])
            order = np.argsort(-scores, kind="stable")[:int(numbers[i])]
            weights = scores[order] / scores[order].sum()
            ids[i, :len(order)] = experts[rows[order]]
            for e, w in zip(experts[rows[order]], weights):
                gate, up, down = (t[f"{p}experts.{e}.{m}_proj.weight"] for m in ("gate", "up", "down"))
                y[i] += w * (down @ (silu(gate @ x[i]) * (up @ x[i])))
        self.ids.append(ids)
        return y

    def logits(self, tokens):
        return decoder_logits(self.t, tokens, SIZES, lambda x, p: self.sparse(x, tokens, p + "mlp."))


TOKENS = np.random.default_rng(6).integers(0, 96, 90, dtype=np.int32)


def spec(config):
    return ["--arch-spec", str(ARCHITECTURES / (config["model_type"] + ".json"))]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    return tmp_path_factory.mktemp("by-token")


@pytest.fixture
def checkpoint(checkpoints):
    def make(variant):
        config, folder = SIZES | VARIANTS[variant], checkpoints / variant
        tensors = random_tensors(config)
        if not folder.exists():
            folder.mkdir()
            (folder / "config.json").write_text(json.dumps(config))
            write_safetensors(folder / "model.safetensors", tensors)
        return folder, config, Oracle(config, tensors)
    return make


@pytest.fixture
def model(compiled, checkpoint):
    def make(variant, *flags):
        folder, config, oracle = checkpoint(variant)
        return moec.Model(compiled(folder, "--dtype", "f32", "--taps", *spec(config), *flags)), oracle
    return make


CASES = [(variant, ()) for variant in VARIANTS]
CASES += [(variant, ("--fallback",)) for variant in ("moiie-numbers", "class-mask", "difficulty", "eligibility")]


@pytest.mark.parametrize("variant, lowering", CASES, ids=["-".join((variant, *flags)) for variant, flags in CASES])
def test_equals_the_formulas(model, variant, lowering):
    artifact, oracle = model(variant, *lowering)
    session, expected = artifact.session(threads=2), oracle.logits(TOKENS)
    actual = session.step([(0, TOKENS)], rows="all")
    assert relative_error(actual, expected) <= 2e-5
    for layer in range(SIZES["num_hidden_layers"]):
        np.testing.assert_array_equal(session.tap(f"layers.{layer}.experts"), oracle.ids[layer])
    # Each rule leaves its mark: another number of experts, or others, and in these none at all for some tokens.
    counts = (oracle.ids[0] >= 0).sum(1)
    assert (counts.min() < counts.max()) == (variant not in ("moiie", "moiie-text", "moiie-image"))
    assert (counts.min() == 0) == (variant in ("table", "class", "class-mask", "eligibility"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_and_batches(model, variant):
    artifact, _ = model(variant)
    whole = artifact.session(threads=2).step([(0, TOKENS)], rows="all")
    both = artifact.session(threads=1).step([(3, TOKENS[:20]), (1, TOKENS)], rows="all")
    assert both[20:].tobytes() == whole.tobytes()
    pieces = artifact.session(threads=2)
    rest = [pieces.step([(2, part)], rows="all") for part in np.split(TOKENS, [1, 2, 3, 40])]
    assert np.concatenate(rest).tobytes() == whole.tobytes()


def test_other_rules_are_other_models(model):
    """A token that counts as one of the other modality, or as any, is far from what it is."""
    artifact, oracle = model("moiie")
    actual = artifact.session().step([(0, TOKENS)], rows="all")
    for changes in ({"modality": "text"}, {"modality": "image"}, {"text_experts_per_tok": 1, "image_experts_per_tok": 2}):
        assert relative_error(actual, Oracle(oracle.config | changes, oracle.t).logits(TOKENS)) > 0.02


def test_one_modality(model, checkpoint):
    """Where a configuration says that all tokens are text, the router multiplies the rows of the text's gate alone."""
    text, _ = model("moiie-text")
    both, oracle = model("moiie")
    tokens = TOKENS[(TOKENS < IMAGES[0]) | (TOKENS >= IMAGES[1])]
    a, b = (artifact.session().step([(0, tokens)], rows="all") for artifact in (text, both))
    assert relative_error(a, b) <= 2e-6
    assert relative_error(a, oracle.logits(tokens)) <= 2e-5
    for variant, rows in (("moiie", 11), ("moiie-text", 6), ("moiie-image", 5)):
        folder, config, _ = checkpoint(variant)
        gates = re.findall(r"moe\.gate .*?ins\(%\S+, %\S+ : tensor<\?x48xf32>, tensor<(\d+)x48xf32>\)",
                           text_after("gating", folder, *spec(config)))
        assert gates == [str(rows)]
    folder, config, _ = checkpoint("moiie-text")
    done = subprocess.run([str(BUILD / "bin" / "moec"), "explain", str(folder), *spec(config)], capture_output=True, text=True)
    assert "tokens of class 1: a router of 6 experts instead of 11" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_gates_are_fused(checkpoint, variant):
    """What a choice reads of tokens is made in front of the router's product, which the choice is a part of."""
    folder, config, _ = checkpoint(variant)
    text = text_after("gating", folder, *spec(config))
    assert "moe.gate" in text and "moe.route" not in text


WORDS = {
    "moiie": "softmax, among the experts of a class, top-2, renormalised, aliases of 9 experts",
    "moiie-numbers": "softmax, among the experts of a class, top-3, number by token, renormalised, aliases of 9 experts",
    "table": "softmax, top-3, number by token, renormalised",
    "eligibility": "softmax, among eligible experts, top-3, renormalised",
}


@pytest.mark.parametrize("variant", WORDS)
def test_inspect(checkpoint, variant):
    folder, config, _ = checkpoint(variant)
    done = subprocess.run([str(BUILD / "bin" / "moec"), "inspect", str(folder), *spec(config)], capture_output=True, text=True)
    assert done.returncode == 0 and WORDS[variant] in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_verify(compiled, checkpoint, variant):
    folder, config, _ = checkpoint(variant)
    artifact = compiled(folder, "--dtype", "f32", "--taps", *spec(config))
    done = subprocess.run([str(BUILD / "bin" / "moec"), "verify", str(folder), str(artifact), *spec(config)],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "layers.1.experts" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("side", ["after", "before"])
@pytest.mark.parametrize("variant", ["moiie-numbers", "class-mask", "eligibility"])
def test_guard_pages(compiled, checkpoint, tmp_path, variant, side):
    folder, config, _ = checkpoint(variant)
    artifact = compiled(folder, "--dtype", "f32", "--target", "cpu", "--max-sequences", "3", *spec(config))
    done = run_step(artifact, tmp_path, side)
    assert done.returncode == 0, (done.returncode, done.stderr)


REFUSALS = [
    ("moiie", {"image_token_end": 97}, "the tokens of images must be a range of the vocabulary"),
    ("moiie", {"text_experts_per_tok": 7}, "a token cannot have more experts than its modality"),
    ("moiie", {"modality": "sound"}, "modality"),
    ("class", {"class_experts": [[0], [], [1]]}, "has no experts for class 1 in 'class_experts'"),
    ("class", {"class_experts": [[0], [8]]}, "has experts 0 to 7, but class 1 expert 8"),
    ("class", {"class_experts": []}, "needs at least one class in 'class_experts'"),
    ("class", {"class_experts": [0, 1]}, "a list of lists of integers"),
    ("class-mask", {"num_experts": 7}, "class_mask"),
    ("class", {"experts_of_class": []}, "rows choose from a list of 1 to 64 numbers, got 0"),
]


@pytest.mark.parametrize("variant, changes, message", REFUSALS)
def test_refusals(checkpoint, tmp_path, variant, changes, message):
    folder, config, _ = checkpoint(variant)
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    done = subprocess.run([str(BUILD / "bin" / "moec"), "inspect", str(tmp_path), *spec(config)], capture_output=True, text=True)
    assert done.returncode in (1, 3) and message in done.stderr, done.stdout + done.stderr
