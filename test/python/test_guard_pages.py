"""A whole step with guard pages around weights, arena, state, block table, inputs and outputs: generated code
touches nothing else, and computes what the runtime computes, whatever the memory held before."""

import itertools
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from conftest import FIXTURES, of_models

SCRIPT = pathlib.Path(__file__).with_name("guarded_step.py")
# guard_pages.py is the numeric tests'.
ENVIRONMENT = dict(os.environ, PYTHONPATH=str(SCRIPT.parents[1] / "numeric"))
# Tokens of each sequence: one, odd numbers, a ragged mix, and as many as tiles and blocks have and more.
LENGTHS = [[1], [3], [2, 1, 5], [17], [33, 1, 31], [64], [97]]


def cases(artifact):
    import moec
    model = moec.Model(artifact)
    draw = np.random.default_rng(7)
    for lengths in LENGTHS:
        tokens = [draw.integers(0, model.vocabulary, length) for length in lengths]
        session = model.session(threads=1)
        logits = np.array(session.step(list(enumerate(tokens)), rows="all"))
        total = sum(lengths)
        for rows in ([], [total - 1], range(total)):
            rows = np.array(rows, np.int32)
            yield {"tokens": tokens, "rows": rows, "logits": logits.reshape(total, -1)[rows]}


def run_cases(artifact, folder, side, given, script=SCRIPT, more=()):
    """The process that computed some cases between guard pages."""
    recorded = folder / "cases"
    recorded.write_bytes(pickle.dumps(list(given)))
    return subprocess.run([sys.executable, script, artifact, recorded, side, *more], capture_output=True, text=True,
                          env=ENVIRONMENT)


def run_step(artifact, folder, side, script=SCRIPT, count=None):
    """The process that computed the cases of an artifact, or so many of them."""
    return run_cases(artifact, folder, side, itertools.islice(cases(artifact), count), script)


@pytest.mark.parametrize("side", ["after", "before"])
@of_models("f32", "bf16", names=["qwen2_moe-a", "olmoe-b", "mixtral-b", "deepseek_v3-d"])
def test_step(compiled, tmp_path, name, dtype, target, side):
    artifact = compiled(FIXTURES / name, "--dtype", dtype, "--target", *target.split(), "--max-sequences", "3")
    done = run_step(artifact, tmp_path, side)
    assert done.returncode == 0, (done.returncode, done.stderr)


# An arena that is not all where it should be.
@pytest.mark.parametrize("side, moved", [("after", "+ 64"), ("before", "- 64")])
def test_a_guard_page_ends_the_process(compiled, tmp_path, side, moved):
    artifact = compiled(FIXTURES / "olmoe-b", "--dtype", "f32", "--target", "cpu", "--max-sequences", "3")
    script = tmp_path / "moved.py"
    script.write_text(SCRIPT.read_text().replace("arena.address", f"arena.address {moved}"))
    assert run_step(artifact, tmp_path, side, script, count=1).returncode == -11
