"""Experts in a narrower space than the layer's: as a module against its formula, and as families whose `sparse` puts a `linear` in
front of the experts and one behind them. The projection back is one kernel with the combine, and the bytes are those without."""

import json
import re
import subprocess

import moec
import numpy as np
import pytest
from conftest import ARCHITECTURES, BUILD, FIXTURES, read_safetensors, text_after, write_safetensors
from formulas import EXPERTS, HIDDEN, WIDTH, Random, bf16, wide
from test_architectures import TOKENS, assert_close, pieces, routed

LATENT = 40
# The phase `experts` without the passes that fuse with a combine.
APART = ("-moe-select-variants", "-moe-pack-weights", "-moe-hoist-recipes", "-canonicalize", "-cse")


def test_formula(build, lowering):
    random = Random()
    params = {"router.weight": random(EXPERTS, HIDDEN, scale=0.5), "into.weight": random(LATENT, HIDDEN), "back.weight": random(HIDDEN, LATENT)}
    for e in range(EXPERTS):
        for part, shape in (("gate", (WIDTH, LATENT)), ("up", (WIDTH, LATENT)), ("down", (LATENT, WIDTH))):
            params[f"experts.{e}.{part}.weight"] = random(*shape)
    model = build(ARCHITECTURES / "latent_experts.mlir", params, *lowering)
    x, p = random(TOKENS, HIDDEN, scale=1), wide(params)
    y = model.function(threads=2)(x)
    narrow = routed(p, x @ p["into.weight"].T, x @ p["router.weight"].T, 4)
    assert_close(y, x + narrow @ p["back.weight"].T)
    # The residual is no small change.
    with pytest.raises(AssertionError):
        assert_close(y, narrow @ p["back.weight"].T, 0.1)
    assert pieces(model.function(), x, 1, 2, 20).tobytes() == y.tobytes()


def test_one_kernel():
    """The projection back reads what it combines; the one that leads there leaves rows that the experts gather."""
    text = text_after("experts", ARCHITECTURES / "latent_experts.mlir")
    assert text.count("moe.combine_matmul") == 1 and "moe.combine in" not in text
    gathered, = re.findall(r"moe.grouped_matmul [^\n]*ins\((%\w+) : [^\n]*gather\(", text)
    into = re.search(rf"{gathered} = (moe.grouped_matmul [^\n]*)", text)[1]
    assert "offsets" not in into and "outs(%" in into and f"tensor<?x{LATENT}xf32>)" in into


# Of each fixture what its experts' matrices are called, and how the layer uses them.
INTO, BACK = "linear(x, 'mlp.into', moe_latent_size)", "linear({}, 'mlp.back', hidden_size)"
FAMILIES = {
    "weighed-input": ("olmoe-a", BACK.format(f"experts({INTO}, choose(x), expert, weight_on='input')")),
    # With a shared expert at full width, which is added behind the projection.
    "shared": ("qwen2_moe-a", BACK.format(f"experts({INTO}, choose(x), expert)") + " + shared(x, shared_expert)"),
    # With experts that give a token's row back.
    "identity": ("longcat_flash-a", BACK.format(
        f"experts({INTO}, choose(x), [ffn_experts(num_experts, expert), identity_experts(zero_expert_num)])")),
}


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request, tmp_path_factory):
    """A fixture whose experts take and make the first 40 columns, and what there is to say to moec."""
    (name, sparse), directory = FAMILIES[request.param], tmp_path_factory.mktemp("latent")
    config = json.loads((FIXTURES / name / "config.json").read_text()) | {"moe_latent_size": LATENT}
    (directory / "config.json").write_text(json.dumps(config))
    tensors, random = dict(read_safetensors(FIXTURES / name / "model.safetensors")), np.random.default_rng(3)
    for key, value in list(tensors.items()):
        if re.search(r"experts\.\d+\.(gate|up)_proj", key):
            tensors[key] = value[:, :LATENT].copy()
        elif re.search(r"experts\.\d+\.down_proj", key):
            tensors[key] = value[:LATENT].copy()
    hidden = config["hidden_size"]
    for prefix in {match[1] for key in tensors if (match := re.match(r"(.*mlp\.)experts\.0\.", key))}:
        for part, shape in (("into", (LATENT, hidden)), ("back", (hidden, LATENT))):
            tensors[f"{prefix}{part}.weight"] = bf16((random.standard_normal(shape) * shape[1] ** -0.5).astype(np.float32))
    write_safetensors(directory / "model.safetensors", tensors)
    family = name.split("-")[0]
    projections = "activation(linear(x, 'mlp.experts.{expert}.gate_proj', expert_width)) * linear(x, 'mlp.experts.{expert}.up_proj', expert_width)"
    (directory / "family.json").write_text(json.dumps({
        "family": "latent", "extends": family, "model_types": [family], "keys": {"moe_latent_size": {"type": "int", "min": 1}},
        "define": {"expert(x)": f"linear({projections}, 'mlp.experts.{{expert}}.down_proj', moe_latent_size)", "sparse(x)": sparse}}))
    return directory, "--arch-spec", str(directory / "family.json")


def unfused(directory, path, machine, *flags):
    """The artifact without the passes that fuse with a combine."""
    flags = (*flags, "--target", machine)
    files = [path / "dispatch.mlir", path / "experts.mlir"]
    target = re.search(r"moe.target = #moe.target<[^>]*>", text_after("experts", *flags))[0]
    files[0].write_text(text_after("dispatch", *flags).replace("attributes {", f"attributes {{{target}, ", 1))
    run(BUILD / "bin" / "moe-opt", files[0], *APART, "-o", files[1])
    assert "moe.combine_matmul" not in files[1].read_text()
    run(BUILD / "bin" / "moec", "compile", files[1], "--compile-from", "experts", "--target", machine,
        "--params", directory, "-o", path / "apart.moec")
    return path / "apart.moec"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def logits(artifact, ids, threads, steps):
    session = moec.Model(artifact).session(threads=threads)
    return np.concatenate([session.step([(0, part)], rows="all") for part in np.split(ids, steps)])


@pytest.mark.parametrize("dtype, target", [("f32", "cpu"), ("bf16", "cpu:znver4+emulate")])
def test_the_same_bytes(compiled, checkpoint, tmp_path, dtype, target):
    """As without the pass, at once and token by token, on one thread and on two."""
    flags = (*checkpoint, "--dtype", dtype)
    artifact = compiled(*flags, "--target", target)
    ids = np.arange(40, dtype=np.int32) * 7 % 200
    expected = logits(unfused(checkpoint[0], tmp_path, target, *flags), ids, 1, [])
    for threads, steps in ((1, []), (2, []), (2, range(1, 40)), (2, [3, 4, 20])):
        assert logits(artifact, ids, threads, steps).tobytes() == expected.tobytes()


@pytest.mark.parametrize("flags", [(), ("--fallback",), ("--target", "cpu:znver4+emulate", "--activations", "bf16")],
                         ids=["cpu", "generic", "rounded"])
def test_verified(compiled, checkpoint, flags):
    """By the definitions of the ops."""
    dtype = "bf16" if "--activations" in flags else "f32"
    artifact = compiled(*checkpoint, "--dtype", dtype, "--taps", *flags)
    assert "DIFFERS" not in run(BUILD / "bin" / "moec", "verify", checkpoint[0], artifact, *checkpoint[1:])


def test_explained(checkpoint):
    text = run(BUILD / "bin" / "moec", "explain", *checkpoint)
    lines = [line for line in text.splitlines() if "moe-fuse-projection" in line]
    config = json.loads((checkpoint[0] / "config.json").read_text())
    hidden, chosen = config["hidden_size"], config.get("num_experts_per_tok") or config["moe_topk"]
    assert any("product fused with the combine in front of it" in line for line in lines)
    assert any(f"space of {LATENT} of {hidden} columns: for a token, {chosen} of them" in line
               and f"there and back {2 * LATENT * hidden}" in line for line in lines)
