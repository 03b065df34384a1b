"""Mixture-of-Recursions as a whole model, with both ways to choose, both ways to cache and both ways to
select, against a NumPy model of the released code: which tokens run again, and what they attend to."""

import json
import re
import subprocess

import moec
import numpy as np
import pytest
from conftest import BUILD, text_after, write_safetensors
from formulas import causal_attention, relative_error, rms, sigmoid, silu, softmax, top, turn, wide
from test_guard_pages import run_cases, run_step

SIZES = dict(vocab_size=96, hidden_size=48, intermediate_size=56, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=128, rms_norm_eps=1e-6, rope_theta=10000.0)
HIDDEN, HEAD, TIMES, SHARED = 48, 12, 3, 2
CAPACITY = [0.75, 0.5, 0.29]


def config(**mor):
    cycle = mor.pop("cycle", False)
    shares = mor.pop("shares", False)
    layers = SHARED * TIMES + (0 if cycle else 2)
    return SIZES | {"model_type": "mixture_of_recursions", "torch_dtype": "float32", "num_hidden_layers": layers,
                    "recursive": {"num_recursion": TIMES, "sharing": "cycle" if cycle else "middle_cycle"},
                    "mor": mor, "kv_sharing": {"enable": shares}}


EXPERT = {"type": "expert", "selection": "top_k", "capacity": CAPACITY}
LIKELY = {"type": "expert", "selection": "threshold"}
TOKEN = {"type": "token"}
VARIANTS = {
    "expert-own": EXPERT,
    "expert-first": EXPERT | {"shares": True},
    "expert-tanh-cycle": EXPERT | {"cycle": True, "temp": 2.0, "expert": {"router_func": "tanh", "alpha": 0.3}},
    "threshold-own": LIKELY,
    "threshold-first": LIKELY | {"shares": True},
    "threshold-tanh": LIKELY | {"expert": {"router_func": "tanh"}},
    "token-own": TOKEN,
    "token-first": TOKEN | {"shares": True},
    "token-sigmoid-bias": TOKEN | {"cycle": True, "token": {"router_func": "sigmoid", "balancing": "loss_free"}},
}
CAUSAL = [name for name in VARIANTS if not name.startswith("expert")]


def random_tensors(config):
    rng = np.random.default_rng(5)
    shapes = {"model.embed_tokens.weight": (96, HIDDEN), "model.norm.weight": (HIDDEN,), "lm_head.weight": (96, HIDDEN)}
    for n in range(SHARED + (2 if config["recursive"]["sharing"] == "middle_cycle" else 0)):
        p = f"model.layers.{n}."
        shapes |= {p + "input_layernorm.weight": (HIDDEN,), p + "post_attention_layernorm.weight": (HIDDEN,)}
        shapes |= {f"{p}self_attn.{m}_proj.weight": (rows, HIDDEN) for m, rows in zip("qkvo", (48, 24, 24, 48))}
        shapes |= {f"{p}mlp.{m}_proj.weight": shape for m, shape in
                   (("gate", (56, HIDDEN)), ("up", (56, HIDDEN)), ("down", (HIDDEN, 56)))}
    if config["mor"]["type"] == "expert":
        shapes |= {f"model.routers.{r}.weight": (1, HIDDEN) for r in range(TIMES)}
    else:
        shapes["model.router.weight"] = (TIMES, HIDDEN)
    if config["mor"].get("token", {}).get("balancing"):
        shapes["model.router_bias"] = (TIMES,)

    def draw(name, shape):
        if name.endswith("norm.weight"):
            return 1 + 0.1 * rng.standard_normal(shape)
        return rng.standard_normal(shape) * (1 if "embed" in name else 0.03 if "bias" in name else shape[-1] ** -0.5)
    return {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}


class Oracle:
    """In f64; one sequence in one step. `chosen` gets the tokens of each recursion."""

    def __init__(self, config, tensors):
        self.t, self.mor = wide(tensors), config["mor"]
        self.ends = config["recursive"]["sharing"] == "middle_cycle"
        self.shares, self.chosen = config["kv_sharing"]["enable"], []

    def layer(self, n, x, at, cache=None):
        """A layer on the tokens at some positions; with a cache of an earlier call, only queries are new."""
        t, p, eps = self.t, f"model.layers.{n}.", SIZES["rms_norm_eps"]
        h = rms(x, t[p + "input_layernorm.weight"], eps)
        q, k, v = ((h @ t[f"{p}self_attn.{m}_proj.weight"].T).reshape(len(x), -1, HEAD) for m in "qkv")
        q, k = (turn(each, HEAD, SIZES["rope_theta"], at) for each in (q, k))
        if cache is None:
            cache = k, v, at
        k, v, stored = cache
        x = x + causal_attention(q, k, v, at, stored) @ t[p + "self_attn.o_proj.weight"].T
        h = rms(x, t[p + "post_attention_layernorm.weight"], eps)
        gate, up = (h @ t[f"{p}mlp.{m}_proj.weight"].T for m in ("gate", "up"))
        return x + (silu(gate) * up) @ t[p + "mlp.down_proj.weight"].T, cache

    def block(self, x, at, caches=None):
        """The layers that are shared, on the tokens at some positions."""
        made = []
        for i in range(SHARED):
            x, cache = self.layer(i + self.ends, x, at, caches and caches[i])
            made.append(cache)
        return x, made

    def run(self, x, at, first):
        """A recursion's result for the tokens at `at`, and the caches that later recursions read if they share."""
        if not self.shares:
            return self.block(x[at], at)[0], None
        if first is None:
            made, first = self.block(x, np.arange(len(x)))
            return made[at], first
        return self.block(x[at], at, first)[0], first

    def by_expert(self, x):
        options = self.mor.get("expert", {})
        score = {"sigmoid": sigmoid, "tanh": np.tanh}[options.get("router_func", "sigmoid")]
        active, first, length = np.arange(len(x)), None, len(x)
        for r in range(TIMES):
            logits = x[active] / self.mor.get("temp", 1.0) @ self.t[f"model.routers.{r}.weight"].T
            scores = score(logits)[:, 0]
            if self.mor["selection"] == "top_k":
                active = np.sort(active[top(scores, max(1, int(CAPACITY[r] * length)))])
            else:
                active = active[scores > (0 if score is np.tanh else 0.5)]
            self.chosen.append(active)
            made, first = self.run(x, active, first)
            weights = score(x[active] / self.mor.get("temp", 1.0) @ self.t[f"model.routers.{r}.weight"].T)
            x = x.copy()
            x[active] += made * weights * options.get("alpha", 0.1)
        return x

    def by_token(self, x):
        logits = x @ self.t["model.router.weight"].T
        isSigmoid = self.mor.get("token", {}).get("router_func") == "sigmoid"
        scores = sigmoid(logits) * 0.1 if isSigmoid else softmax(logits)
        depth = top(scores + self.t.get("model.router_bias", 0), 1)[:, 0]
        out, h, first = x.copy(), x.copy(), None
        for r in range(TIMES):
            active = np.flatnonzero(depth >= r)
            self.chosen.append(active)
            made, first = self.run(h, active, first)
            h[active] = made
            ends = np.flatnonzero(depth == r)
            out[ends] += scores[ends, r:r + 1] * h[ends]
        return out

    def logits(self, ids):
        x, at = self.t["model.embed_tokens.weight"][ids], np.arange(len(ids))
        if self.ends:
            x = self.layer(0, x, at)[0]
        x = self.by_expert(x) if self.mor["type"] == "expert" else self.by_token(x)
        if self.ends:
            x = self.layer(SHARED + 1, x, at)[0]
        return rms(x, self.t["model.norm.weight"], SIZES["rms_norm_eps"]) @ self.t["lm_head.weight"].T


IDS = np.random.default_rng(3).integers(0, SIZES["vocab_size"], 70, dtype=np.int32)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    return tmp_path_factory.mktemp("recursions")


@pytest.fixture
def model(compiled, checkpoints):
    """model(variant, flags): the artifact, and the oracle of the same weights."""

    def make(variant, *flags):
        chosen = config(**VARIANTS[variant])
        tensors, folder = random_tensors(chosen), checkpoints / variant
        if not folder.exists():
            folder.mkdir()
            (folder / "config.json").write_text(json.dumps(chosen))
            write_safetensors(folder / "model.safetensors", tensors)
        return moec.Model(compiled(folder, "--dtype", "f32", "--taps", *flags)), Oracle(chosen, tensors)

    return make


# The generic lowering has no other way to choose or to cache, so that some of the variants do.
BOTH = [(variant, ()) for variant in VARIANTS] + [
    (variant, ("--fallback",)) for variant in ("expert-own", "threshold-first", "token-own")]


@pytest.mark.parametrize("variant, lowering", BOTH, ids=["-".join((variant, *flags)) for variant, flags in BOTH])
def test_equals_the_formulas(model, variant, lowering):
    artifact, oracle = model(variant, *lowering)
    session, expected = artifact.session(threads=2), oracle.logits(IDS)
    actual = session.step([(0, IDS)], rows="all")
    assert relative_error(actual, expected) <= 2e-5
    # The tokens that take part: fewer in each recursion, and of a capacity exactly so many.
    assert 0 < len(oracle.chosen[-1]) < len(oracle.chosen[0])
    for r, tokens in enumerate(oracle.chosen):
        ids = session.tap("routing.0.experts" if variant.startswith("token") else f"routing.{r}.experts")[:, 0]
        taken = np.flatnonzero(ids >= (r if variant.startswith("token") else 0))
        np.testing.assert_array_equal(taken, tokens)
        if variant.startswith("expert"):
            assert len(taken) == max(1, int(CAPACITY[r] * len(IDS)))
    # Another way to choose, or to cache, is another model.
    for other in (EXPERT, EXPERT | {"shares": True}, LIKELY, LIKELY | {"shares": True}, TOKEN, TOKEN | {"shares": True}):
        other = config(**other | {"cycle": not oracle.ends})
        same = other["mor"]["type"] == oracle.mor["type"]
        if same and (other["kv_sharing"]["enable"] != oracle.shares or other["mor"].get("selection") != oracle.mor.get("selection")):
            assert relative_error(actual, Oracle(other, oracle.t).logits(IDS)) > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_and_batches(model, variant):
    artifact, _ = model(variant)
    whole = artifact.session(threads=2).step([(0, IDS)], rows="all")
    # Another sequence beside it, in either order, and one thread: the same bytes.
    session = artifact.session(threads=1)
    both = session.step([(3, IDS[:20]), (1, IDS)], rows="all")
    assert both[20:].tobytes() == whole.tobytes()
    pieces = artifact.session(threads=2)
    cuts = np.split(IDS, [1, 2, 3, 40])
    rest = np.concatenate([pieces.step([(2, part)], rows="all") for part in cuts])
    if variant in CAUSAL:
        assert rest.tobytes() == whole.tobytes()
    else:
        # The largest of a step: it makes a difference what a step has.
        assert rest.tobytes() != whole.tobytes()


@pytest.mark.parametrize("variant", CAUSAL)
def test_generates(model, variant):
    """Token by token, with another sequence in between, as the formulas do on the whole text."""
    artifact, oracle = model(variant)
    session = artifact.session()
    text = list(IDS[:9])
    tokens = list(session.generate(0, IDS[:9], max_new_tokens=5, ignore_eos=True))
    for token in tokens:
        logits = oracle.logits(np.array(text))[-1]
        assert logits[token] >= logits.max() - 1e-4
        text.append(token)
    session.reset(0)
    assert list(session.generate(0, IDS[:9], max_new_tokens=5, ignore_eos=True)) == tokens


def test_later_tokens(model):
    """Of the future a token knows nothing, but where a recursion takes the largest of a sequence."""
    other = IDS.copy()
    other[50:] = np.random.default_rng(8).permutation(IDS[50:])
    for variant, knows in (("threshold-own", False), ("token-first", False), ("expert-own", True)):
        artifact, _ = model(variant)
        a, b = (artifact.session().step([(0, ids)], rows="all")[:50] for ids in (IDS, other))
        assert (a.tobytes() != b.tobytes()) == knows


@pytest.mark.parametrize("side", ["after", "before"])
@pytest.mark.parametrize("variant", ["threshold-own", "expert-first", "token-own"])
def test_guard_pages(compiled, checkpoints, model, tmp_path, variant, side):
    """A number of rows that only the step knows, none among them, in an arena that holds anything."""
    model(variant)
    artifact = compiled(checkpoints / variant, "--dtype", "f32", "--target", "cpu", "--max-sequences", "3")
    done = run_step(artifact, tmp_path, side)
    assert done.returncode == 0, (done.returncode, done.stderr)


def stored_places(pool, buffer, number, slot, blocks):
    """How many places of a slot hold a key, or with an odd number a value: those that are not zero, as all are at first."""
    begin = buffer["offset"] + slot * blocks * buffer["block_bytes"]
    values = pool[begin:begin + blocks * buffer["block_bytes"]].view(np.float32)
    heads = SIZES["num_key_value_heads"]
    shape, axes = ((blocks, heads, 32, HEAD), (1, 3)) if number % 2 else ((blocks, heads, HEAD, 32), (1, 2))
    used = values.reshape(shape).any(axes).reshape(-1)
    assert used[:used.sum()].all()  # Without gaps.
    return used.sum()


@pytest.mark.parametrize("variant", ["expert-own", "threshold-own", "token-own"])
def test_bytes_of_keys_and_values(compiled, checkpoints, model, tmp_path, variant):
    """Each recursion stores the keys and values of the tokens that take part in it, and of no others."""
    _, oracle = model(variant)
    artifact = compiled(checkpoints / variant, "--dtype", "f32", "--target", "cpu", "--max-sequences", "3")
    tokens = [IDS, IDS[:21]]
    logits = np.array(moec.Model(artifact).session(threads=1).step(list(enumerate(tokens)), rows="all"))
    case = {"tokens": tokens, "rows": np.arange(len(logits), dtype=np.int32), "logits": logits}
    done = run_cases(artifact, tmp_path, "after", [case], more=[str(tmp_path)])
    assert done.returncode == 0, (done.returncode, done.stderr)
    manifest, pool = json.loads((artifact / "manifest.json").read_text()), np.load(tmp_path / "0.npy")
    state = manifest["state"]
    assert len(state["buffers"]) == 2 * (2 + SHARED * TIMES)
    of_place = SIZES["num_key_value_heads"] * HEAD * 4  # Bytes of a key, or of a value.
    assert {buffer["block_bytes"] for buffer in state["buffers"]} == {32 * of_place}
    bytes_stored, bytes_expected = 0, 0
    for slot, ids in enumerate(tokens):
        oracle.chosen = []
        oracle.logits(ids)
        of_recursion = [len(chosen) for chosen in oracle.chosen]
        if variant.startswith("expert"):
            assert of_recursion == [max(1, int(share * len(ids))) for share in CAPACITY]
        # Each of the layers: keys and values.
        expected = sorted([len(ids)] * 4 + [n for n in of_recursion for _ in range(2 * SHARED)])
        stored = [stored_places(pool, buffer, number, slot, state["blocks"] // 3) for number, buffer in enumerate(state["buffers"])]
        assert sorted(stored) == expected
        bytes_stored += sum(stored) * of_place
        bytes_expected += (2 * len(ids) + SHARED * sum(of_recursion)) * 2 * of_place
    assert bytes_stored == bytes_expected


def test_rows_that_are_computed(checkpoints, model):
    """Every op of a recursion, and every layer that it calls, is on the rows of the tokens that take part."""
    model("expert-own")
    text = text_after("dispatch", checkpoints / "expert-own")
    step = text[text.index("func.func @step"):]
    counts = re.findall(r"(%\w+) = arith.minsi", step)
    assert len(counts) == TIMES
    for count in counts:
        outs = re.findall(rf"(%\w+) = tensor.empty\({count}\) : tensor<\?x48xf32>", step)
        rows, = {result for out in outs for result in re.findall(rf"(%\w+) = nn.gather_rows .*outs\({out} ", step)}
        # The first layer gets these rows, the second what the first one made; their weighted sum is combined.
        first, = re.findall(rf"(%\w+) = call @layer_\d+\({rows}, ", step)
        second, = re.findall(rf"(%\w+) = call @layer_\d+\({first}, ", step)
        assert re.search(rf"moe.combine ins\({second}, ", step)


@pytest.mark.parametrize("variant, dtype", [("expert-own", "f32"), ("threshold-first", "f32"), ("token-own", "bf16")])
def test_verify(compiled, checkpoints, model, variant, dtype):
    """The reference runs recursions too, and what is inside of each is compared."""
    model(variant)
    artifact = compiled(checkpoints / variant, "--dtype", dtype, "--taps")
    done = subprocess.run([str(BUILD / "bin" / "moec"), "verify", str(checkpoints / variant), str(artifact)],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "logits " in done.stdout, done.stdout + done.stderr
    assert "layers.0.out" in done.stdout and "\nlayers.1.out" not in done.stdout
    for r in range(TIMES):
        assert f"recursions.{r}.layers.1.out" in done.stdout, done.stdout


def test_inspect(checkpoints, model):
    """The layers that run again say how often, and who chooses."""
    for variant, words in (("expert-own", "3 recursions, by sigmoid"), ("token-first", "keys and values of the first")):
        model(variant)
        done = subprocess.run([str(BUILD / "bin" / "moec"), "inspect", str(checkpoints / variant)], capture_output=True,
                              text=True, check=True)
        assert words in done.stdout, done.stdout


def test_refusals(tmp_path):
    for changes, message in (({"kv_sharing": {"enable": True, "update_cache": True}}, "write over keys and values"),
                             ({"mor": TOKEN | {"router_type": "mlp"}}, "routers of several matrices"),
                             ({"mor": TOKEN | {"token": {"gating": "none"}}}, "added without a weight"),
                             ({"num_hidden_layers": 7}, "as many in each recursion"),
                             ({"mor": {"type": "expert", "selection": "top_k"}}, "needs a capacity"),
                             ({"mor": EXPERT | {"expert": {"router_func": "relu"}}}, "router_func")):
        (tmp_path / "config.json").write_text(json.dumps(config(**EXPERT) | changes))
        write_safetensors(tmp_path / "model.safetensors", {"a": np.zeros(1, np.float32)})
        done = subprocess.run([str(BUILD / "bin" / "moec"), "compile", str(tmp_path), "-o", str(tmp_path / "x.moec")],
                              capture_output=True, text=True)
        assert done.returncode in (1, 3) and message in done.stderr, done.stderr
