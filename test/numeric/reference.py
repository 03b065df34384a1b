"""Evaluates functions on tensors by definition: lib/Reference as a program."""

import os
import pathlib
import subprocess
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

BUILD = pathlib.Path(os.environ.get("MOEC_BUILD_DIR", "build"))


class Refused(Exception):
    """The diagnostics of a module that has no meaning."""


def evaluate(module, calls, weights=None, real=np.float64):
    """The results of `calls`: from "FUNCTION" or "FUNCTION@anything" to the
    arguments. `weights` are the tensors that moe.weight names."""
    tensors = dict(weights or {})
    for call, arguments in calls.items():
        for i, argument in enumerate(arguments):
            tensors[f"{call}:{i}"] = np.ascontiguousarray(argument)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "module.mlir").write_text(module)
        save_file(tensors, scratch / "in.safetensors")
        paths = [scratch / name for name in ("module.mlir", "in.safetensors", "out.safetensors")]
        flags = ["--f64"] if real == np.float64 else []
        command = [BUILD / "unittests" / "reference-evaluate", *flags, *paths]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            assert done.returncode == 1, f"status {done.returncode}: {done.stderr}"
            raise Refused(done.stderr)
        found = load_file(paths[2])
    results = {call: [] for call in calls}
    for call, outputs in results.items():
        while (name := f"{call}:{len(outputs)}") in found:
            outputs.append(found[name])
    return results
