"""Functions on tensors: what an artifact holds that was compiled from a module."""

import ctypes as c

import numpy as np

from . import abi

_CODES = {dtype: code for code, dtype in abi.DTYPES.items()}


def _array(value):
    """Anything with DLPack, or that NumPy takes, as a dense array; without a copy if it is one."""
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        value = np.from_dlpack(value)
    return np.ascontiguousarray(value)


def _describe(arrays):
    shapes = [(c.c_int64 * array.ndim)(*array.shape) for array in arrays]
    return (abi.Array * len(arrays))(
        *[abi.Array(array.ctypes.data, _CODES.get(array.dtype, 0), array.ndim, shape)
          for array, shape in zip(arrays, shapes)])


class Function(abi.Owner):
    """A compiled function. Call it with its inputs, by position or by name; it returns its output,
    or a tuple of them. Used by one thread at a time.

    Attributes: name; inputs and outputs, lists of (name, NumPy dtype, shape), -1 where the size
    varies with the call.
    """

    _free = "moec_function_destroy"

    def __init__(self, model, name, threads, step_tokens):
        self.model, self.name = model, name
        super().__init__()
        options = abi.SessionOptions(c.sizeof(abi.SessionOptions), threads, 0, step_tokens, 0)
        abi.call("moec_function_create", model.handle, name.encode(), c.byref(options),
                 c.byref(self.handle))
        counts = c.c_int32(), c.c_int32()
        abi.library().moec_function_counts(self.handle, *map(c.byref, counts))
        self.inputs = [self._argument("moec_function_input", i) for i in range(counts[0].value)]
        self.outputs = [self._argument("moec_function_output", i) for i in range(counts[1].value)]

    def _argument(self, getter, index):
        argument = abi.Argument(struct_size=c.sizeof(abi.Argument))
        abi.call(getter, self.handle, index, c.byref(argument))
        return (argument.name.decode(), abi.DTYPES[argument.dtype],
                tuple(argument.shape[:argument.rank]))

    def __call__(self, *inputs, **named):
        names = [name for name, _, _ in self.inputs]
        given = dict(zip(names, inputs))
        if len(inputs) > len(names) or set(given) & set(named) or \
                set(given) | set(named) != set(names):
            raise TypeError(f"{self.name} takes {', '.join(names)}")
        given.update(named)
        arrays = [_array(given[name]) for name in names]
        sizes = [size for array, (_, _, shape) in zip(arrays, self.inputs)
                 for size, declared in zip(array.shape, shape) if declared < 0]
        outputs = [np.empty([sizes[0] if size < 0 else size for size in shape], dtype)
                   for _, dtype, shape in self.outputs]
        abi.call("moec_function_call", self.handle, _describe(arrays), len(arrays),
                 _describe(outputs), len(outputs))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    @property
    def taps(self):
        """The names of the values that tap() reads: those of ops, where --taps was given to the compiler."""
        names, library = [], abi.library()
        while name := library.moec_function_tap_name(self.handle, len(names)):
            names.append(name.decode())
        return names

    def tap(self, name):
        """A copy of a value of the last call."""
        view = abi.View(struct_size=c.sizeof(abi.View))
        abi.call("moec_function_tap", self.handle, name.encode(), c.byref(view))
        return abi.copied(view)
