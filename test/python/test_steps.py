"""The same bytes however a sequence is cut into steps, on any number of threads."""

import moec
import numpy as np
import pytest
from conftest import FIXTURES, NAMES, read_safetensors


@pytest.mark.parametrize("target", ["cpu", "cpu:native"])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("name", NAMES)
def test_one_step_token_by_token_and_ragged(compiled, name, dtype, target):
    artifact = compiled(FIXTURES / name, "--dtype", dtype, "--target", target)
    ids, others = read_safetensors(FIXTURES / name / "expected.safetensors")["input_ids"]
    model = moec.Model(artifact)
    reference = None
    for threads in (1, 2, 3):
        session = model.session(threads=threads)
        whole = session.step([(0, ids)], rows="all")
        reference = whole if reference is None else reference
        single = np.concatenate([session.step([(1, [token])]) for token in ids])
        session.prefill(2, others[:7])
        ragged, position = [], 0
        for i, size in enumerate((1, 3, 13, 5, 2, 16)):
            step = [(2, others[7 + i:8 + i]), (3, ids[position:position + size])]
            ragged.append(session.step(step, rows="all")[1:])
            position += size
        assert np.array_equal(whole, reference)
        assert np.array_equal(single, reference)
        assert np.array_equal(np.concatenate(ragged), reference)


def test_fork_truncate_and_reset_continue_the_same(compiled):
    artifact = compiled(FIXTURES / "qwen3_moe-a", "--dtype", "f32", "--target", "cpu")
    ids = read_safetensors(FIXTURES / "qwen3_moe-a" / "expected.safetensors")["input_ids"][0]
    session = moec.Model(artifact).session(threads=1)
    expected = session.step([(0, ids)], rows="all")
    session.fork(0, 1, 33)
    assert np.array_equal(session.step([(1, ids[33:])], rows="all"), expected[33:])
    session.truncate(0, 5)
    assert np.array_equal(session.step([(0, ids[5:])], rows="all"), expected[5:])
    session.reset(0)
    assert session.length(0) == 0
    assert np.array_equal(session.step([(0, ids)], rows="all"), expected)


@pytest.mark.parametrize("name", ["lfm2_moe-a", "qwen3_next-a"])
def test_recurrent_states_are_forked_whole_and_reset(compiled, name):
    artifact = compiled(FIXTURES / name, "--dtype", "f32", "--target", "cpu")
    ids = read_safetensors(FIXTURES / name / "expected.safetensors")["input_ids"][0]
    session = moec.Model(artifact).session(threads=1)
    expected = session.step([(0, ids)], rows="all")
    session.step([(2, ids[:33])])
    session.fork(2, 1, 33)
    for slot in (1, 2):
        assert np.array_equal(session.step([(slot, ids[33:])], rows="all"), expected[33:])
    for keep in (lambda: session.truncate(0, 5), lambda: session.fork(0, 1, 5)):
        with pytest.raises(moec.MoecError, match="cannot keep 5 of 40 tokens.*all, or none"):
            keep()
    session.reset(0)
    assert np.array_equal(session.step([(0, ids)], rows="all"), expected)
