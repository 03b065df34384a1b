"""The recurrent layers' kernels on one thread: a prompt in one step against the
same prompt token by token, at the sizes of Qwen3-Next and LFM2.

    MOEC_BUILD_DIR=build python3 benchmarks/mixers.py

The two take turns, and the fastest of some rounds counts, in time of the
processor: what else the machine does shows less. Wide vectors that it lacks are
split."""

import ctypes
import pathlib
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "test" / "numeric"), str(ROOT / "test" / "numeric" / "nn")]

from harness import build, descriptor, machines
from test_mixers import PASSES, Conv, Delta

TOKENS, ROUNDS = 512, 5
SHAPES = [
    ("gated delta, 32 heads of 128 x 128", Delta(32, 16, 128, 128)),
    ("short convolution, 2048 channels over 3", Conv(2048, 3)),
]


def steps(shape, count):
    """The arguments of the steps of a prompt that has `count` tokens in each, and
    what they refer to."""
    random = np.random.default_rng(0)
    inputs, parameters = shape.inputs(random, TOKENS), shape.parameters(random)
    state = np.zeros((1,) + shape.state, np.float32)
    y = np.zeros((TOKENS, shape.out), np.float32)
    offsets, slots = np.array([0, count], np.int32), np.zeros(1, np.int32)
    positions = np.arange(TOKENS, dtype=np.int32)
    for at in range(0, TOKENS, count):
        part = slice(at, at + count)
        arrays = [each[part] for each in inputs] + parameters
        arrays += [positions[part], offsets, slots, state, y[part]]
        yield arrays, [ctypes.byref(descriptor(array)) for array in arrays]


def seconds(library, arguments):
    function = library._mlir_ciface_mixer
    begin = time.thread_time()
    for _, descriptors in arguments:
        function(*descriptors)
    return time.thread_time() - begin


def main():
    for machine in machines()[:2]:
        for name, shape in SHAPES:
            library = build(shape.text(1), machine, PASSES)
            forms = {count: list(steps(shape, count)) for count in (TOKENS, 1)}
            best = {
                count: min(times)
                for count, times in zip(
                    forms,
                    zip(*([seconds(library, each) for each in forms.values()] for _ in range(ROUNDS))),
                )
            }
            prompt, single = TOKENS / best[TOKENS], TOKENS / best[1]
            print(
                f"{machine.name:8} {name}: {prompt:9.0f} tokens/s in one step, "
                f"{single:9.0f} one by one, {prompt / single:.1f} times"
            )


if __name__ == "__main__":
    main()
