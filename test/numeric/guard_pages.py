"""Memory that ends where memory ends: an access outside an array ends the process."""

import ctypes
import mmap
import os

import numpy as np

PAGE = mmap.PAGESIZE
LIBC = ctypes.CDLL(None, use_errno=True)
PROT_NONE, PROT_READ = 0, 1


class Guarded:
    """A copy of an array between two inaccessible pages: it ends right before one, or, with
    `at_start`, begins right behind one."""

    def __init__(self, values, at_start=False, writable=True):
        values = np.ascontiguousarray(values)
        inner = max(1, -(-values.nbytes // PAGE)) * PAGE
        self.memory = mmap.mmap(-1, inner + 2 * PAGE)
        begin = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        offset = PAGE if at_start else PAGE + inner - values.nbytes
        self.address = begin + offset
        self.array = np.frombuffer(
            self.memory, values.dtype, values.size, offset
        ).reshape(values.shape)
        self.array[...] = values
        protect(begin, PAGE, PROT_NONE)
        protect(begin + PAGE + inner, PAGE, PROT_NONE)
        if not writable:
            protect(begin + PAGE, inner, PROT_READ)


def protect(begin, size, mode):
    status = LIBC.mprotect(ctypes.c_void_p(begin), ctypes.c_size_t(size), mode)
    assert status == 0, os.strerror(ctypes.get_errno())
