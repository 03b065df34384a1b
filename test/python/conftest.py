"""What the end-to-end tests share: compiled artifacts and recorded outputs."""

import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from formulas import widened

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MOEC_BUILD_DIR", SOURCE / "build")).resolve()
FIXTURES = SOURCE / "test" / "data" / "fixtures"
# Every recorded model: a directory that is put there is tested, without a list to keep.
NAMES = sorted(path.parent.name for path in FIXTURES.glob("*/expected.safetensors"))
# Relative error allowed in f32, where it is not the usual 2e-5.
TOLERANCES = json.loads((SOURCE / "test" / "data" / "tolerances.json").read_text())
# Models in whose bf16 code each kind of kernel is that reads rounded rows: attention with few, many and latent keys, experts
# with and without biases, shared ones, experts that compute nothing, convolutions, a delta rule; odd widths.
ROUNDED = ("deepseek_v3-a", "deepseek_v3-d", "gpt_oss-a", "lfm2_moe-a", "longcat_flash-a", "mixtral-b", "olmoe-b",
           "qwen2_moe-a", "qwen3_next-a", "moe_plus_plus")
# Models that add to the others how they are read, and no kernel: their code is tested for the baseline alone.
READ_ONLY = ("beam-a", "deepseek_v3-fp8", "dots1-a", "ernie4_5_moe-b", "ernie4_5_vl_moe-a", "exaone_moe-a", "flex_olmo-a", "gemma4-c", "glm4_moe-a",
             "glm4_moe_lite-a", "glm4v_moe-a", "gpt_oss-mxfp4", "granitemoeshared-a", "hunyuan_v1_moe-a", "hy_v3-a", "llama4-b",
             "mistral4-a", "phimoe-b", "qwen3_5_moe-a", "qwen3_omni_moe-a", "qwen3_vl_moe-a", "sarvam_moe-a", "solar_open-a",
             "step3p5-a")
ARCHITECTURES = SOURCE / "examples" / "architectures"
EXAMPLE = SOURCE / "examples" / "tiny-qwen3-moe"
sys.path.insert(0, str(SOURCE / "python"))
os.environ.setdefault("MOEC_LIBRARY", str(BUILD / "lib" / "libmoec.so.0"))

# Of bf16, the bits.
DTYPES = {"BF16": np.uint16, "F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64}


def stored_tensors(path):
    """Of each tensor of a file its name, the name of its type, its shape and its bytes."""
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        yield name, entry["dtype"], entry["shape"], data[begin:end]


@functools.lru_cache(maxsize=4)
def read_checkpoint(directory):
    """The small f32 and bf16 tensors of all files of a checkpoint as f32, by name."""
    tensors = {}
    for path in sorted(pathlib.Path(directory).glob("model*.safetensors")):
        for name, dtype, shape, data in stored_tensors(path):
            if dtype in ("BF16", "F32"):
                values = np.frombuffer(data, DTYPES[dtype]).reshape(shape)
                tensors[name] = widened(values) if dtype == "BF16" else values
    return tensors


def read_safetensors(path):
    """The tensors of a file, by name."""
    return {name: np.frombuffer(data, DTYPES[dtype]).reshape(shape)
            for name, dtype, shape, data in stored_tensors(path)}


def safetensors(tensors):
    """The bytes of a file of tensors, by name."""
    header, end = {}, 0
    for name, value in tensors.items():
        dtype = next(key for key, known in DTYPES.items() if known == value.dtype)
        header[name] = {"dtype": dtype, "shape": value.shape, "data_offsets": [end, end + value.nbytes]}
        end += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(v.tobytes() for v in tensors.values())


def write_safetensors(path, tensors):
    """Writes tensors, by name."""
    path.write_bytes(safetensors(tensors))


def targets(name, dtype):
    """What a model's code is tested for, words of --target and after it. Baseline code runs everywhere. Code with 512
    bits runs with its instructions replaced, so that it is tested on every machine, also with products of bf16 pairs.
    `native` is what this machine has beyond the baseline."""
    if name in READ_ONLY:
        return ["cpu"]
    info = pathlib.Path("/proc/cpuinfo")
    wide = ["cpu:znver4+emulate"] + ["cpu:native"] * (info.exists() and "avx512f" in info.read_text())
    rounded = [f"{target} --activations bf16" for target in wide if dtype == "bf16" and name in ROUNDED]
    return ["cpu", *wide, *rounded]


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


def text_after(phase, source, *flags):
    """What a module or a checkpoint is after a phase of its compilation."""
    command = [str(BUILD / "bin" / "moec"), "compile", str(source), "--compile-to", phase, "-o", "-"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=[(), ("--fallback",)], ids=["kernels", "generic"])
def lowering(request):
    return request.param


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


@pytest.fixture(scope="session")
def build(compiled, tmp_path_factory):
    """build(module, params, *flags): the opened artifact of a module, which is a file or its text. Equal ones are
    compiled once for the whole run."""
    import moec  # Found where this file says.

    directory, verified = tmp_path_factory.mktemp("inputs"), set()

    def written(content, suffix):
        path = directory / (hashlib.sha256(content).hexdigest() + suffix)
        if not path.exists():
            path.write_bytes(content)
        return path

    def compile_module(module, params=None, *flags):
        if isinstance(module, str):
            module = written(module.encode(), ".mlir")
        given = () if params is None else ("--params", str(written(safetensors(params), ".safetensors")))
        artifact = compiled(module, *given, *flags)
        if ARCHITECTURES in module.parents and artifact not in verified:
            # An example's second judge: each function by definition, on random inputs.
            command = [str(BUILD / "bin" / "moec"), "verify", str(module), str(artifact), *given]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            verified.add(artifact)
        return moec.Model(artifact)

    return compile_module
