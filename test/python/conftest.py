"""What the end-to-end tests share: compiled artifacts and recorded outputs."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MOEC_BUILD_DIR", SOURCE / "build")).resolve()
FIXTURES = SOURCE / "test" / "data" / "fixtures"
# Every recorded model: a directory that is put there is tested, without a list to keep.
NAMES = sorted(path.parent.name for path in FIXTURES.glob("*/expected.safetensors"))
# Relative error allowed in f32, where it is not the usual 2e-5.
TOLERANCES = json.loads((SOURCE / "test" / "data" / "tolerances.json").read_text())
# Models in whose bf16 code each kind of kernel is that reads bf16 weights: attention with few, many and latent keys, experts
# with and without biases, shared ones, experts that compute nothing, convolutions, a delta rule; odd widths.
WIDENED = ("deepseek_v3-a", "gpt_oss-a", "lfm2_moe-a", "longcat_flash-a", "mixtral-b", "olmoe-b", "qwen2_moe-a",
           "qwen3_next-a")
ARCHITECTURES = SOURCE / "examples" / "architectures"
EXAMPLE = SOURCE / "examples" / "tiny-qwen3-moe"
sys.path.insert(0, str(SOURCE / "python"))
os.environ.setdefault("MOEC_LIBRARY", str(BUILD / "lib" / "libmoec.so.0"))

DTYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64}


def read_checkpoint(directory):
    """The small f32 and bf16 tensors of all files of a checkpoint as f32, by name."""
    tensors = {}
    for path in sorted(pathlib.Path(directory).glob("model*.safetensors")):
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8:8 + size])
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            if entry["dtype"] == "BF16":
                bits = np.frombuffer(data[begin:end], np.uint16).astype(np.uint32) << 16
                tensors[name] = bits.view(np.float32).reshape(entry["shape"])
            elif entry["dtype"] == "F32":
                tensors[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
    return tensors


def read_safetensors(path):
    """The tensors of a file, by name."""
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(
            entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    """Writes tensors, by name."""
    header, end = {}, 0
    for name, value in tensors.items():
        dtype = next(key for key, known in DTYPES.items() if known == value.dtype)
        header[name] = {"dtype": dtype, "shape": value.shape, "data_offsets": [end, end + value.nbytes]}
        end += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(v.tobytes() for v in tensors.values()))


def targets(name, dtype):
    """What a model's code is tested for. Baseline code runs everywhere. Code with 512 bits runs with its instructions
    replaced, so that it is tested on every machine: with products of bf16 pairs, and with bf16 weights that are
    widened, which in f32 is the same code. `native` is what this machine has beyond the baseline."""
    found = ["cpu", "cpu:znver4+emulate"]
    if dtype == "bf16" and name in WIDENED:
        found.append("cpu:skylake-avx512+emulate")
    info = pathlib.Path("/proc/cpuinfo")
    return found + ["cpu:native"] * (info.exists() and "avx512f" in info.read_text())


def of_models(*dtypes, names=NAMES):
    """A test of each model in these types, on each of its targets."""
    return pytest.mark.parametrize("name, dtype, target", [
        (name, dtype, target) for name in names for dtype in dtypes for target in targets(name, dtype)])


def pytest_collection_modifyitems(items):
    """Tests of one model run in one process, which compiles it once."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        group = parameters.get("name", item.path.name)
        item.add_marker(pytest.mark.xdist_group(str(group)))


def tolerance(name):
    return TOLERANCES.get(name.split("-")[0], 2e-5)


def recorded_choice(expected, layer, k):
    """The experts [tokens, k] that the original chose in a layer. Most routers return them; of the
    others the scores were recorded, the k largest of which are the choice."""
    part = re.compile(rf"^router\..*\.(layers|blocks)\.{layer}\.")
    found = [value for key, value in sorted(expected.items()) if part.match(key)]
    for value in found:
        if value.dtype == np.int64:
            return value
    scores = next(value for value in found if value.shape[1] > k)
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """compiled(checkpoint, *flags): the artifact, compiled once for the whole run."""
    made = {}

    def compile_once(checkpoint, *flags):
        key = (str(checkpoint), *flags)
        if key not in made:
            path = tmp_path_factory.mktemp("artifact") / "model.moec"
            command = [str(BUILD / "bin" / "moec"), "compile", str(checkpoint), "-o", str(path)]
            done = subprocess.run([*command, *flags], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            made[key] = path
        return made[key]

    return compile_once


@pytest.fixture
def build(tmp_path):
    """build(module, params): the opened artifact of a module, which is a file or its text."""
    import moec  # Found where this file says.

    def compile_module(module, params=None, *flags):
        if isinstance(module, str):
            (tmp_path / "module.mlir").write_text(module)
            module = tmp_path / "module.mlir"
        artifact = tmp_path / f"{pathlib.Path(module).stem}{''.join(flags)}.moec"
        command = [str(BUILD / "bin" / "moec"), "-q", "compile", str(module), "-o", str(artifact)]
        if params is not None:
            write_safetensors(tmp_path / "params.safetensors", params)
            command += ["--params", str(tmp_path / "params.safetensors")]
        done = subprocess.run([*command, *flags], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if ARCHITECTURES in module.parents:
            # An example's second judge: each function by definition, on random inputs.
            command = [command[0], "verify", str(module), str(artifact), *command[6:]]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        return moec.Model(artifact)

    return compile_module
