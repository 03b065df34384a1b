"""The same bytes however a sequence is cut into steps, on any number of threads."""

import moec
import numpy as np
import pytest
from conftest import FIXTURES, of_models, read_safetensors


def same(a, b):
    """Whether two arrays hold the same bytes: -0.0 is not 0.0 here."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@of_models("f32", "bf16")
def test_one_step_token_by_token_and_ragged(compiled, name, dtype, target):
    artifact = compiled(FIXTURES / name, "--dtype", dtype, "--target", *target.split())
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
        assert same(whole, reference)
        assert same(single, reference)
        assert same(np.concatenate(ragged), reference)


@pytest.mark.parametrize("name", ["qwen3_moe-a", "deepseek_v3-d"])
def test_fork_truncate_and_reset_continue_the_same(compiled, name):
    artifact = compiled(FIXTURES / name, "--dtype", "f32", "--target", "cpu")
    ids = read_safetensors(FIXTURES / name / "expected.safetensors")["input_ids"][0]
    session = moec.Model(artifact).session(threads=1)
    expected = session.step([(0, ids)], rows="all")
    session.fork(0, 1, 33)
    assert same(session.step([(1, ids[33:])], rows="all"), expected[33:])
    session.truncate(0, 5)
    assert same(session.step([(0, ids[5:])], rows="all"), expected[5:])
    session.reset(0)
    assert session.length(0) == 0
    assert same(session.step([(0, ids)], rows="all"), expected)


@pytest.mark.parametrize("name", ["lfm2_moe-a", "qwen3_next-a"])
def test_recurrent_states_are_forked_whole_and_reset(compiled, name):
    artifact = compiled(FIXTURES / name, "--dtype", "f32", "--target", "cpu")
    ids = read_safetensors(FIXTURES / name / "expected.safetensors")["input_ids"][0]
    session = moec.Model(artifact).session(threads=1)
    expected = session.step([(0, ids)], rows="all")
    session.step([(2, ids[:33])])
    session.fork(2, 1, 33)
    for slot in (1, 2):
        assert same(session.step([(slot, ids[33:])], rows="all"), expected[33:])
    for keep in (lambda: session.truncate(0, 5), lambda: session.fork(0, 1, 5)):
        with pytest.raises(moec.MoecError, match="cannot keep 5 of 40 tokens.*all, or none"):
            keep()
    session.reset(0)
    assert same(session.step([(0, ids)], rows="all"), expected)


@pytest.mark.parametrize("ids, message", [
    (np.array([3, 2**32 + 5]), "fit into 32 bits, got 4294967301"),
    (np.array([-2**31 - 1]), "fit into 32 bits, got -2147483649"),
    (np.array([2**63], np.uint64), "fit into 32 bits, got 9223372036854775808"),
    ([[1, 2], [3, 4]], r"rank 1, got shape \(2, 2\)"),
])
def test_ids_that_would_become_others_are_refused(compiled, ids, message):
    artifact = compiled(FIXTURES / "qwen3_moe-a", "--dtype", "f32", "--target", "cpu")
    session = moec.Model(artifact).session(threads=1)
    for use in (lambda: session.prefill(0, ids), lambda: session.step([(0, ids)]),
                lambda: session.step([(0, [1, 2])], rows=ids)):
        with pytest.raises(ValueError, match=message):
            use()
    assert session.length(0) == 0


def test_the_least_and_largest_ids_reach_the_library(compiled):
    artifact = compiled(FIXTURES / "qwen3_moe-a", "--dtype", "f32", "--target", "cpu")
    session = moec.Model(artifact).session(threads=1)
    for token in (-2**31, 2**31 - 1):
        with pytest.raises(moec.MoecError, match=f"{token}"):
            session.prefill(0, [token])
    assert same(session.prefill(0, np.int64(5)), session.prefill(1, np.array([5], np.uint8)))


def test_bytes_tell_zeros_apart():
    assert not same(np.float32([0.0]), np.float32([-0.0]))
