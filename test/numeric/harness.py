"""Runs lowered ops as machine code on buffers between guard pages.

A function on memrefs goes through the passes under test and upstream's
lowerings to a shared library, which may call no library itself. Its arguments
are NumPy arrays that end where memory ends, or begin where it begins: an access
outside them ends the process.
"""

import ctypes
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from typing import NamedTuple

import numpy as np

from guard_pages import Guarded

LLVM = pathlib.Path(shutil.which("clang-22")).resolve().parent


class Machine(NamedTuple):
    """What the module says of its target, and what clang is told."""

    name: str
    attribute: str
    flags: tuple
    pairs: bool = False  # Whether rows and weights of bf16 are multiplied in pairs.


def cpu_flags():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def machines():
    """Every number of lanes; where the machine lacks wide vectors, the compiler
    splits them."""
    base = ("-march=x86-64-v3",)
    wide = ("-march=x86-64-v4", "-mprefer-vector-width=512")
    has_wide = {"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= cpu_flags()
    if os.uname().machine != "x86_64":
        base = wide = ("-mcpu=native",)
    return [
        Machine(
            "lanes16",
            "vector_bits = 512, vector_registers = 32",
            wide if has_wide else base,
        ),
        Machine("lanes8", "vector_bits = 256, vector_registers = 16", base),
        Machine("lanes4", "vector_bits = 128, vector_registers = 32", base),
    ]


def pair_machines():
    """Products of bf16 pairs: with the instruction replaced, and as it is where the machine has it."""
    attribute = "vector_bits = 512, vector_registers = 32, bf16_dot = true"
    emulated = Machine("pairs-emulated", f"{attribute}, emulate = true", machines()[1].flags, True)
    if "avx512_bf16" not in cpu_flags():
        return [emulated]
    flags = ("-march=x86-64-v4", "-mavx512bf16", "-mprefer-vector-width=512")
    return [emulated, Machine("pairs", attribute, flags, True)]


LOWERING = """
  -moe-cpu-emulate-intrinsics -moe-cpu-expand-math -scf-forall-to-for -buffer-loop-hoisting -canonicalize
  -cse -llvm-request-c-wrappers -convert-scf-to-cf -convert-vector-to-llvm=enable-x86vector
  -expand-strided-metadata -lower-affine -finalize-memref-to-llvm
  -convert-math-to-llvm -convert-arith-to-llvm -convert-index-to-llvm
  -convert-func-to-llvm -convert-cf-to-llvm -reconcile-unrealized-casts
  -moe-cpu-bf16-as-bits
""".split()


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stderr}"
    return done.stdout


def moe_opt():
    build = os.environ.get("MOEC_BUILD_DIR")
    return str(pathlib.Path(build, "bin", "moe-opt")) if build else "moe-opt"


@functools.lru_cache(maxsize=None)
def build(functions, machine, passes, hosted=False):
    """The library of functions on memrefs, given as MLIR. Tasks run one after the other; where functions are `hosted`,
    the first argument of each is `!moe.host`, which runs them."""
    text = (
        f"module attributes {{moe.target = #moe.target<{machine.attribute}>}} "
        f"{{\n{functions}\n}}\n"
    )
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(os.environ.get("MOEC_KEEP") or scratch)
        lowering = LOWERING
        if hosted:
            at = LOWERING.index("-scf-forall-to-for")
            lowering = [*LOWERING[:at], "-moe-outline-tasks", "-moe-lower-parallel", *LOWERING[at + 1 :]]
        lowered = run(moe_opt(), "-", *passes, *lowering, input=text)
        translate = [LLVM / "mlir-translate", "--mlir-to-llvmir"]
        # The target is still on the module.
        ir = run(*translate, "--allow-unregistered-dialect", input=lowered)
        # As in real code, where nothing must turn into a call of memset.
        ir = re.sub(r"^(define .*) {$", r'\1 "no-builtins" {', ir, flags=re.MULTILINE)
        (scratch / "kernel.ll").write_text(ir)
        # Optimised like real code. A clang that is to link, too, starts another one.
        command = [LLVM / "clang", "-O2", *machine.flags, "-fPIC", "-c", "-Wno-override-module"]
        run(*command, scratch / "kernel.ll", "-o", scratch / "kernel.o")
        # No library at all: a call that the lowering left is an error.
        command = [LLVM / "ld.lld", "-shared", "-z", "defs", scratch / "kernel.o"]
        run(*command, "-o", scratch / "kernel.so")
        return ctypes.CDLL(str(scratch / "kernel.so"))


# Buffers --------------------------------------------------------------------


def guarded(values, at_start=False):
    """A copy of an array in guarded memory."""
    return Guarded(values, at_start).array


def descriptor(array):
    """The memref descriptor of an array."""
    rank = array.ndim

    class Descriptor(ctypes.Structure):
        _fields_ = [
            ("allocated", ctypes.c_void_p),
            ("aligned", ctypes.c_void_p),
            ("offset", ctypes.c_int64),
            ("sizes", ctypes.c_int64 * rank),
            ("strides", ctypes.c_int64 * rank),
        ]

    pointer = array.__array_interface__["data"][0]
    strides = [stride // array.itemsize for stride in array.strides]
    return Descriptor(
        pointer,
        pointer,
        0,
        (ctypes.c_int64 * rank)(*array.shape),
        (ctypes.c_int64 * rank)(*strides),
    )


@functools.lru_cache(maxsize=None)
def stack_spoiler():
    """Fills what lies below its caller on the stack with bytes that are NaN in any type."""
    source = "void spoil(void) { volatile long a[32768]; for (int i = 0; i < 32768; ++i) a[i] = -1; }"
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch, "spoil.so")
        run(LLVM / "clang", "-O1", "-shared", "-fPIC", "-x", "c", "-", "-o", path, input=source)
        return ctypes.CDLL(str(path)).spoil


def call(library, function, *arrays):
    """What a kernel keeps on its stack it must have written."""
    stack_spoiler()()
    invoke(library, function, *arrays)


def invoke(library, function, *arrays, host=None):
    arguments = [ctypes.byref(descriptor(array)) for array in arrays]
    if host:
        arguments.insert(0, ctypes.byref(host))
    getattr(library, f"_mlir_ciface_{function}")(*arguments)


TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
PARALLEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, TASK, ctypes.c_void_p, ctypes.c_int64)


class Host(ctypes.Structure):
    """A moec_host that runs tasks one by one, as `order` sorts their numbers; without one, on two threads that begin at the
    same moment."""

    _fields_ = [("handle", ctypes.c_void_p), ("parallel", PARALLEL)]

    def __init__(self, order=None):
        def parallel(_, task, context, tasks):
            for number in order(range(tasks)):
                task(context, number)

        super().__init__(None, PARALLEL(parallel) if order else PARALLEL(("parallel", two_threads())))


@functools.lru_cache(maxsize=None)
def two_threads():
    source = """
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
struct region { void (*task)(void *, long); void *context; long tasks; atomic_long next; atomic_int missing; };
static void *work(void *argument) {
  struct region *r = argument;
  atomic_fetch_sub(&r->missing, 1);
  while (atomic_load(&r->missing) > 0)
    sched_yield();
  for (long i; (i = atomic_fetch_add(&r->next, 1)) < r->tasks;)
    r->task(r->context, i);
  return 0;
}
void parallel(void *handle, void (*task)(void *, long), void *context, long tasks) {
  struct region r = {task, context, tasks, 0, 2};
  pthread_t other;
  if (pthread_create(&other, 0, work, &r))
    __builtin_trap();
  work(&r);
  pthread_join(other, 0);
}
"""
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch, "threads.so")
        run(LLVM / "clang", "-O1", "-shared", "-fPIC", "-x", "c", "-", "-o", path, input=source)
        return ctypes.CDLL(str(path))


# bf16 -----------------------------------------------------------------------


def to_bf16(values):
    """Rounded to nearest, ties to even, as bits."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    quiet = ((bits >> 16) | 0x40).astype(np.uint16)
    return np.where(np.isnan(values), quiet, rounded)


def from_bf16(bits):
    return (np.asarray(bits).astype(np.uint32) << 16).view(np.float32)


def stored(values, element):
    """What memory of an element type holds after a store."""
    values = np.asarray(values, np.float32)
    return to_bf16(values) if element == "bf16" else values


def widened(array):
    return from_bf16(array) if array.dtype == np.uint16 else array


def dtype(element):
    return np.uint16 if element == "bf16" else np.float32


def error(actual, expected):
    """The relative error in the Frobenius norm."""
    actual = np.asarray(actual, np.float64)
    assert actual.shape == expected.shape
    norm = np.linalg.norm(expected)
    return np.linalg.norm(actual - expected) / norm if norm else np.abs(actual).max(
        initial=0.0
    )
