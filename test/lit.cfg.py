"""lit's configuration, read through the lit.site.cfg.py of a build.

Tools are found on PATH: first the build's bin/, then LLVM's, so that RUN lines
say `moe-opt %s | FileCheck %s`. Files are named through the substitutions below
or relative to the test (%S); a test never reaches outside the repository.
"""

import os
import platform
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
    ("%src_root", config.moec_source),
    ("%build_root", config.moec_build),
    ("%examples", os.path.join(config.moec_source, "examples")),
    ("%test_data", os.path.join(config.moec_source, "test", "data")),
]

if platform.machine() in ("x86_64", "AMD64"):
    config.available_features.add("x86_64")
