"""Opening an artifact reads no weights, and a step reads no expert that none of its tokens chose."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from conftest import SOURCE

SCRIPT = pathlib.Path(__file__).with_name("unread_weights.py")
ENVIRONMENT = dict(os.environ, PYTHONPATH=os.pathsep.join(
    str(SOURCE / folder) for folder in ("python", "test/numeric")))


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True,
                          env=ENVIRONMENT)


@pytest.fixture(scope="module")
def artifact(compiled, tmp_path_factory):
    """Experts of many pages, four of sixteen for a token."""
    checkpoint = tmp_path_factory.mktemp("model") / "small"
    command = [sys.executable, SOURCE / "benchmarks" / "make_model.py", checkpoint, "--shape", "small"]
    subprocess.run(command, check=True)
    return compiled(checkpoint, "--dtype", "bf16", "--target", "cpu")


@pytest.fixture(scope="module")
def free(artifact):
    """What a step does that may read everything."""
    done = run(artifact, 7)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def weights(artifact):
    return json.loads((artifact / "manifest.json").read_text())["weights"]["bytes"]


def test_opening_reads_no_weights(artifact, free):
    files = sum(path.stat().st_size for path in artifact.rglob("*") if path.is_file())
    # The manifest, and the code for its checksum.
    assert free["opening"] <= files - weights(artifact) + 65536 < weights(artifact) / 4
    assert free["resident"] == 0


def test_a_step_reads_chosen_experts_only(artifact, free):
    done = run(artifact, 7, json.dumps(free["chosen"]))
    assert done.returncode == 0, (done.returncode, done.stderr)
    result = json.loads(done.stdout)
    assert result["withheld"] >= 0.6 * weights(artifact)
    assert (result["chosen"], result["logits"]) == (free["chosen"], free["logits"])


@pytest.mark.parametrize("layer", [0, 1])
def test_a_chosen_expert_out_of_reach_ends_the_process(artifact, free, layer):
    chosen = [list(ids) for ids in free["chosen"]]
    chosen[layer].pop()
    done = run(artifact, 7, json.dumps(chosen))
    assert done.returncode == -signal.SIGSEGV
