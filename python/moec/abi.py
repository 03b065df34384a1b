"""The C interface of the runtime through ctypes: structs, prototypes, errors.

The library is looked for in this order: the path in the environment variable MOEC_LIBRARY,
beside this package, in build/lib of the source tree, then where the system's loader looks.
"""

import ctypes as c
import functools
import os
import pathlib

import numpy as np

from .errors import MoecError


class ModelInfo(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("family", c.c_char_p), ("dtype", c.c_char_p),
        ("target", c.c_char_p), ("vocabulary", c.c_int32), ("layers", c.c_int32),
        ("hidden", c.c_int32), ("context", c.c_int32), ("step_tokens", c.c_int32),
        ("sequences", c.c_int32), ("bos", c.c_int32), ("eos_count", c.c_int32),
        ("eos", c.POINTER(c.c_int32)), ("moe_layers", c.POINTER(c.c_int32)),
        ("experts", c.POINTER(c.c_int32)), ("experts_per_token", c.POINTER(c.c_int32)),
        ("moe_layer_count", c.c_int32), ("tap_count", c.c_int32), ("weights_bytes", c.c_uint64),
        ("state_bytes", c.c_uint64),
    ]


class SessionOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("threads", c.c_int32), ("context", c.c_int32),
                ("step_tokens", c.c_int32), ("sequences", c.c_int32)]


class Sequence(c.Structure):
    _fields_ = [("slot", c.c_int32), ("count", c.c_int32), ("ids", c.POINTER(c.c_int32))]


class Step(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("sequences", c.POINTER(Sequence)),
                ("sequence_count", c.c_int32), ("row_count", c.c_int32),
                ("rows", c.POINTER(c.c_int32))]


class View(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("data", c.c_void_p), ("dtype", c.c_int),
                ("rank", c.c_int32), ("shape", c.c_int64 * 8)]


class Argument(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("name", c.c_char_p), ("dtype", c.c_int),
                ("rank", c.c_int32), ("shape", c.c_int64 * 8), ("below", c.c_int64)]


# bf16, which NumPy lacks, is handed over as its bits.
DTYPES = {1: np.dtype(np.float32), 2: np.dtype(np.float16), 3: np.dtype(np.uint16),
          4: np.dtype(np.int32), 5: np.dtype(np.int64), 6: np.dtype(np.int8),
          7: np.dtype(np.uint8)}


def copied(view):
    """The tensor that a View describes."""
    shape, dtype = tuple(view.shape[:view.rank]), DTYPES[view.dtype]
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(c.string_at(view.data, size), dtype).reshape(shape)


class Array(c.Structure):
    _fields_ = [("data", c.c_void_p), ("dtype", c.c_int), ("rank", c.c_int32),
                ("shape", c.POINTER(c.c_int64))]


class Sampling(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("temperature", c.c_float), ("top_k", c.c_int32),
                ("top_p", c.c_float), ("seed", c.c_uint64)]


ROWS_LAST, ROWS_ALL = -1, -2

_P = c.c_void_p
_CALLS = {  # functions that return moec_error *
    "moec_model_open": [c.c_char_p, _P, c.POINTER(_P)],
    "moec_model_get_info": [_P, c.POINTER(ModelInfo)],
    "moec_model_check_weights": [_P],
    "moec_session_create": [_P, c.POINTER(SessionOptions), c.POINTER(_P)],
    "moec_session_step": [_P, c.POINTER(Step), c.POINTER(c.POINTER(c.c_float))],
    "moec_session_prefill": [_P, c.c_int32, c.POINTER(c.c_int32), c.c_size_t,
                             c.POINTER(c.POINTER(c.c_float))],
    "moec_session_reset": [_P, c.c_int32],
    "moec_session_truncate": [_P, c.c_int32, c.c_int32],
    "moec_session_fork": [_P, c.c_int32, c.c_int32, c.c_int32],
    "moec_session_tap": [_P, c.c_char_p, c.POINTER(View)],
    "moec_function_create": [_P, c.c_char_p, c.POINTER(SessionOptions), c.POINTER(_P)],
    "moec_function_input": [_P, c.c_int32, c.POINTER(Argument)],
    "moec_function_output": [_P, c.c_int32, c.POINTER(Argument)],
    "moec_function_call": [_P, c.POINTER(Array), c.c_size_t, c.POINTER(Array), c.c_size_t],
    "moec_function_tap": [_P, c.c_char_p, c.POINTER(View)],
    "moec_sampler_create": [c.POINTER(Sampling), c.POINTER(_P)],
    "moec_sampler_sample": [_P, c.POINTER(c.c_float), c.c_int32, c.POINTER(c.c_int32)],
}
_OTHERS = {
    "moec_version": ([], c.c_char_p),
    "moec_error_code": ([_P], c.c_int),
    "moec_error_message": ([_P], c.c_char_p),
    "moec_error_exit_code": ([_P], c.c_int),
    "moec_error_free": ([_P], None),
    "moec_model_close": ([_P], None),
    "moec_model_tap_name": ([_P, c.c_int32], c.c_char_p),
    "moec_session_destroy": ([_P], None),
    "moec_model_function_name": ([_P, c.c_int32], c.c_char_p),
    "moec_function_destroy": ([_P], None),
    "moec_function_tap_name": ([_P, c.c_int32], c.c_char_p),
    "moec_function_counts": ([_P, c.POINTER(c.c_int32), c.POINTER(c.c_int32)], None),
    "moec_session_length": ([_P, c.c_int32], c.c_int32),
    "moec_sampler_destroy": ([_P], None),
}


def _candidates():
    name = "libmoec.so.0"
    if "MOEC_LIBRARY" in os.environ:
        return [os.environ["MOEC_LIBRARY"]]
    here = pathlib.Path(__file__).resolve().parent
    places = [here / name, here.parent.parent / "build" / "lib" / name]
    return [str(place) for place in places if place.exists()] + [name]


@functools.lru_cache(maxsize=None)
def library():
    """The loaded library with its prototypes."""
    path = _candidates()[0]
    try:
        lib = c.CDLL(path)
    except OSError as error:
        raise MoecError(
            f"cannot load the runtime library: {error}; build it with `make build`, or say where "
            "it is in MOEC_LIBRARY", 0, 1) from error
    for name, arguments in _CALLS.items():
        function = getattr(lib, name)
        function.argtypes, function.restype = arguments, _P
    for name, (arguments, result) in _OTHERS.items():
        function = getattr(lib, name)
        function.argtypes, function.restype = arguments, result
    return lib


def call(name, *arguments):
    """Calls a function that returns an error, and raises it as MoecError."""
    lib = library()
    error = getattr(lib, name)(*arguments)
    if not error:
        return
    try:
        raise MoecError(lib.moec_error_message(error).decode(), lib.moec_error_code(error),
                        lib.moec_error_exit_code(error))
    finally:
        lib.moec_error_free(error)


class Owner:
    """Has a handle of the library, which close() frees, the end of a `with`, or the object's own."""

    _free = None  # The name of the library's function for it.

    def __init__(self):
        self.handle = c.c_void_p()

    def close(self):
        """Frees what the library holds for it; what was made from it lives on."""
        if self.handle:
            getattr(library(), self._free)(self.handle)
            self.handle = c.c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "handle", None):
            self.close()
