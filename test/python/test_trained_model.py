"""The bundled model: perplexity, greedy continuations, expert counts, text."""

import json
import os
import subprocess
import sys

import moec
import numpy as np
import pytest
from conftest import EXAMPLE, FIXTURES, SOURCE, read_safetensors
from moec.generate import pieces

EXPECTED = json.loads((EXAMPLE / "expected.json").read_text())


def evaluate(artifact, count_experts):
    """Perplexity of the held-out rows, and how often each expert was chosen by domain."""
    held = read_safetensors(EXAMPLE / "heldout.safetensors")
    model = moec.Model(artifact)
    session = model.session(threads=2)
    total, counts = 0.0, {}
    for row, domain in zip(held["tokens"], held["domain"]):
        logits = session.step([(0, row)], rows="all").astype(np.float64)[:-1]
        logits -= logits.max(1, keepdims=True)
        log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        total -= log[np.arange(len(row) - 1), row[1:]].sum()
        if count_experts:
            for layer, experts in zip(model.moe_layers, model.experts):
                chosen = np.bincount(session.tap(f"layers.{layer}.experts").ravel(),
                                     minlength=experts)
                key = EXPECTED["domains"][domain], layer
                counts[key] = counts.get(key, 0) + chosen
        session.reset(0)
    return np.exp(total / (held["tokens"].shape[0] * (held["tokens"].shape[1] - 1))), counts


def recorded_counts(domain, layer):
    return np.asarray(EXPECTED["chosen_experts"][f"model.layers.{layer}.mlp.gate"][domain])


def test_f32(compiled):
    artifact = compiled(EXAMPLE, "--dtype", "f32", "--target", "cpu:native")
    perplexity, counts = evaluate(artifact, count_experts=True)
    assert perplexity == pytest.approx(EXPECTED["perplexity_f32"]["all"], rel=2e-4)
    different = sum(np.abs(count - recorded_counts(*key)).sum() / 2
                    for key, count in counts.items())
    assert different <= sum(count.sum() for count in counts.values()) / 10_000


def test_bf16(compiled):
    artifact = compiled(EXAMPLE, "--dtype", "bf16", "--target", "cpu:native")
    perplexity, _ = evaluate(artifact, count_experts=False)
    assert perplexity == pytest.approx(EXPECTED["perplexity_bf16"]["all"], rel=5e-3)


@pytest.mark.parametrize("case", EXPECTED["greedy_f32"], ids=lambda case: case["prompt"][:16])
def test_greedy(compiled, case):
    artifact = compiled(EXAMPLE, "--dtype", "f32", "--target", "cpu:native")
    session = moec.Model(artifact).session(threads=2)
    tokens = session.generate(0, case["prompt_ids"], max_new_tokens=len(case["greedy_ids"]),
                              ignore_eos=True)
    assert list(tokens) == case["greedy_ids"]


def test_generate_module_streams_text(compiled):
    artifact = compiled(EXAMPLE, "--dtype", "f32", "--target", "cpu:native")
    case = EXPECTED["greedy_f32"][0]
    done = subprocess.run(
        [sys.executable, "-m", "moec.generate", str(artifact), "--prompt", case["prompt"],
         "--max-new-tokens", "8"],
        cwd=SOURCE / "python", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and case["greedy_text"].startswith(done.stdout.rstrip("\n"))


def test_pieces_are_the_whole_text():
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(EXAMPLE / "tokenizer.json"))
    ids = tokenizer.encode("Once € upon a time, 12 + 7 = 19. " * 8).ids
    euro = tokenizer.encode("€").ids
    assert len(euro) == 3  # Of bytes, so that half a character is possible.

    class Counting:
        longest = 0

        def decode(self, ids):
            self.longest = max(self.longest, len(ids))
            return tokenizer.decode(ids)

    # The last character stays incomplete.
    for tokens in (ids, ids + euro[:2], euro[:1], []):
        counting = Counting()
        found = list(pieces(counting, tokens))
        assert "".join(found) == tokenizer.decode(tokens)
        assert all(piece and "\ufffd" not in piece for piece in found[:-1])
        assert counting.longest <= 8


def run_generate(artifact, *arguments, path=SOURCE / "python"):
    return subprocess.run([sys.executable, "-m", "moec.generate", str(artifact), *arguments],
                          env=os.environ | {"PYTHONPATH": str(path)}, cwd=SOURCE / "python",
                          capture_output=True, text=True)


def test_generate_says_what_it_lacks(compiled, tmp_path):
    artifact = compiled(EXAMPLE, "--dtype", "f32", "--target", "cpu:native")
    (tmp_path / "tokenizers.py").write_text("raise ImportError('not here')\n")
    done = run_generate(artifact, "--prompt", "The", path=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: text needs the package tokenizers (not here)")
    done = run_generate(tmp_path / "none.moec", "--prompt", "The")
    assert done.returncode == 1 and done.stderr.startswith("error: [MOE1102]")
    assert run_generate(artifact, "--prompt", "The", "--max-new-tokens", "-1").returncode == 2
    without = compiled(FIXTURES / "olmoe-a", "--dtype", "f32", "--target", "cpu:native")
    done = run_generate(without, "--prompt", "The")
    assert done.returncode == 3 and done.stderr.startswith("error: [MOE1304]")


def test_generation_ends_with_the_context(compiled):
    artifact = compiled(EXAMPLE, "--dtype", "f32", "--target", "cpu:native")
    session = moec.Model(artifact).session(threads=1, context=8)
    # The last token is chosen by the logits of the last position.
    assert len(list(session.generate(0, [5, 17, 42], ignore_eos=True))) == 6


def test_errors_are_exceptions(compiled, tmp_path):
    with pytest.raises(moec.MoecError) as caught:
        moec.Model(tmp_path / "none.moec")
    assert caught.value.exit_code == 1
    artifact = compiled(EXAMPLE, "--dtype", "f32", "--target", "cpu:native")
    session = moec.Model(artifact).session(threads=1)
    with pytest.raises(moec.MoecError, match="1024"):
        session.prefill(0, [1024])
    with pytest.raises(TypeError):
        session.prefill(0, [0.5])
