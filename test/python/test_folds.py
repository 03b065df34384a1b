"""Passes that give a trained model another form and the same meaning: the perplexity of the bundled model, as `moec eval`
reports it, where they find something to fold and where the same model leaves them nothing."""

import json
import subprocess

import pytest
from conftest import BUILD, EXAMPLE, read_safetensors, text_after, write_safetensors

EXPERT = "model.layers.{}.mlp.experts.{}."
PARTS = ("gate_proj.weight", "up_proj.weight", "down_proj.weight")
CHOOSE = "route(logits(x), 4, {})"
SHARED = {f"shared_{n}(x)": f"mlp(x, 'mlp.shared_{n}', 96)" for n in "ab"}


def copied(tensors, source, name):
    """With a further network in each layer, which computes what expert `source` does."""
    for layer in range(6):
        for part in PARTS:
            tensors[f"model.layers.{layer}.mlp.{name}.{part}"] = tensors[EXPERT.format(layer, source) + part]


def two_shared(tensors):
    copied(tensors, 3, "shared_a")
    copied(tensors, 7, "shared_b")


def one_for_two(tensors):
    """Experts 0 and 1 are the same."""
    copied(tensors, 0, "experts.1")


def without_twins(tensors):
    """The same, where expert 15 has the place of the copy."""
    copied(tensors, 15, "experts.1")
    for layer in range(6):
        for part in PARTS:
            del tensors[EXPERT.format(layer, 15) + part]


# What is folded, and the same model with nothing to fold: definitions, and how its tensors differ from those of the bundled
# model; what shows in the module that a fold took place; the bound of the relative difference.
FOLDS = {
    "shared": (
        {**SHARED, "sparse(x)": "experts(x, choose(x), expert) + shared(x, shared_a) + shared(x, shared_b)"}, two_shared,
        {"sparse(x)": "experts(x, choose(x), expert) + mlp(x, 'mlp.shared_a', 96) + mlp(x, 'mlp.shared_b', 96)"}, two_shared,
        "moe.concat", 2e-6),
    "alias": (
        {"choose(x)": CHOOSE.format(f"renorm='sum', dedupe='sum', alias={[0, 0, *range(2, 15), 1]}"),
         "sparse(x)": "experts(x, choose(x), [ffn_experts(15, expert)])"}, without_twins,
        {"choose(x)": CHOOSE.format("renorm='sum'")}, one_for_two,
        "dedupe = sum", 2e-6),
    "softmax": (
        {"choose(x)": CHOOSE.format("renorm='sum'")}, None,
        {"choose(x)": CHOOSE.format("renorm='sum', eps=1e-30")}, None,
        "scope = selected", 1e-6),
    "scale": (
        {"sparse(x)": "0.5 * experts(x, choose(x), expert)"}, None,
        {"choose(x)": CHOOSE.format("renorm='sum', eps=1e-30, scale=0.5")}, None,
        "weight_from = logit, scale = 5.0", 1e-6),
    "null": (
        {"choose(x)": CHOOSE.format("renorm='sum', null_experts=2"),
         "sparse(x)": "experts(x, choose(x), [ffn_experts(14, expert), ffn_experts(2, expert)])"}, None,
        {"choose(x)": CHOOSE.format("renorm='sum', null_experts=2")}, None,
        "others = 2", 1e-6),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.safetensors"
    held = read_safetensors(EXAMPLE / "heldout.safetensors")
    write_safetensors(path, {"tokens": held["tokens"][::30].copy()})
    return path


def written(directory, define, change):
    """A checkpoint, and the family that says what is computed with it."""
    directory.mkdir()
    (directory / "config.json").write_text((EXAMPLE / "config.json").read_text())
    tensors = dict(read_safetensors(EXAMPLE / "model.safetensors"))
    if change:
        change(tensors)
    write_safetensors(directory / "model.safetensors", tensors)
    spec = directory / "family.json"
    spec.write_text(json.dumps({"family": "folded", "extends": "qwen3_moe", "model_types": ["qwen3_moe"],
                                "ignore_keys": ["norm_topk_prob"], "define": define}))
    return directory, "--arch-spec", str(spec)


def report(compiled, rows, checkpoint, *flags):
    artifact = compiled(checkpoint, *flags, "--dtype", "f32", "--target", "cpu")
    done = subprocess.run([BUILD / "bin" / "moec", "eval", artifact, "--tokens", rows, "--format", "json"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", FOLDS)
def test_a_fold_keeps_the_perplexity(compiled, rows, tmp_path, name):
    folded, its_tensors, plain, plain_tensors, shows, bound = FOLDS[name]
    folded, plain = written(tmp_path / "folded", folded, its_tensors), written(tmp_path / "plain", plain, plain_tensors)
    forms = [text_after("dispatch", *form) for form in (folded, plain)]
    assert shows in forms[0] and shows not in forms[1]
    got, expected = (report(compiled, rows, *form)["perplexity"] for form in (folded, plain))
    assert got == pytest.approx(expected, rel=bound)
    # Another model than the bundled one, so that a form that changes nothing would show.
    if name in ("scale", "null", "shared", "alias"):
        assert expected != pytest.approx(report(compiled, rows, EXAMPLE)["perplexity"], rel=1e-3)
