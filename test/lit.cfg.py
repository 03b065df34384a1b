"""lit's configuration, read through the lit.site.cfg.py of a build.

Tools are found on PATH: first the build's bin/, then LLVM's, so that RUN lines
say `moe-opt %s | FileCheck %s`. Files are named through the substitutions below
or relative to the test (%S); a test never reaches outside the repository.
"""

import os
import platform
import shutil
import subprocess
import sys

import lit.formats
import lit.util

config.name = "moec"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "data"]
config.test_source_root = os.path.join(config.moec_source, "test")
config.test_exec_root = os.path.join(config.moec_build, "test")

# The environment that `make setup` makes, with the packages the tests compare
# against.
venv_python = os.path.join(config.moec_source, ".venv", "bin", "python")
python = venv_python if os.path.exists(venv_python) else sys.executable

config.environment["PATH"] = os.pathsep.join(
    [
        os.path.join(config.moec_build, "bin"),
        config.llvm_tools,
        os.environ["PATH"],
        "/usr/local/cuda/bin",
    ]
)
config.environment["PYTHONPATH"] = os.path.join(config.moec_source, "python")
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
config.environment["PYTHONNOUSERSITE"] = "1"
config.environment["MOEC_BUILD_DIR"] = config.moec_build
config.environment["LC_ALL"] = "C.UTF-8"

# A hanging test is a failing test.
if lit.util.killProcessAndChildrenIsSupported()[0]:
    lit_config.maxIndividualTestTime = 600

config.substitutions += [
    ("%python", python),
    ("%cc", config.moec_c_compiler),
    ("%cxx", config.moec_cxx_compiler),
    ("%src_root", config.moec_source),
    ("%build_root", config.moec_build),
    ("%examples", os.path.join(config.moec_source, "examples")),
    ("%test_data", os.path.join(config.moec_source, "test", "data")),
]


def cpu_flags():
    """The instruction set extensions of this machine, as Linux names them."""
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("flags"):
                return set(line.split(":", 1)[1].split())
    return set()


def has_module(name):
    command = [python, "-c", f"import {name}"]
    return subprocess.run(command, capture_output=True).returncode == 0


# Feature -> does this machine have it. The names of instruction sets are LLVM's.
flags = cpu_flags()
features = {
    "x86_64": platform.machine() == "x86_64",
    "avx2": {"avx2", "fma"} <= flags,
    "avx512bf16": {"avx512f", "avx512bw", "avx512vl", "avx512_bf16"} <= flags,
    "avx512vnni": "avx512_vnni" in flags,
    "ptxas": shutil.which("ptxas", path=config.environment["PATH"]) is not None,
    "root": os.geteuid() == 0,
    "tokenizers": has_module("tokenizers"),
}
config.available_features.update(name for name, has in features.items() if has)
