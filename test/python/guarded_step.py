"""Calls the code of an artifact with nothing but guard pages around its memory.

    guarded_step.py ARTIFACT RECORDED SIDE [STATES]

Every buffer ends right before a page that must not be touched (SIDE after), or begins right behind one (before); the arena
begins as NaN, since it may hold anything. For each case of RECORDED (tokens of several
sequences, wanted rows, and the logits that the runtime gave) the output must be the same bytes. What the state then
holds goes to STATES/NUMBER.npy. Touching a guard page ends this process by a signal.
"""

import ctypes
import json
import pathlib
import pickle
import sys

import numpy as np

from guard_pages import Guarded

BLOCK = 32
NUMPY = {"f32": np.float32, "i32": np.int32}
TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
PARALLEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


class Host(ctypes.Structure):
    _fields_ = [("handle", ctypes.c_void_p), ("parallel", PARALLEL)]


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("shape", ctypes.POINTER(ctypes.c_int64))]


class Env(ctypes.Structure):
    _fields_ = [("host", ctypes.POINTER(Host)), ("weights", ctypes.c_void_p), ("arena", ctypes.c_void_p),
                ("state", ctypes.c_void_p), ("block_table", ctypes.c_void_p)]


def placed(values, side, writable=True, align=64):
    """A copy in guarded memory, at the page of that side."""
    assert side == "before" or values.nbytes % align == 0, (values.nbytes, align)
    return Guarded(values, side == "before", writable)


@PARALLEL
def parallel(_, task, context, tasks):
    call = TASK(task)
    for index in range(tasks):
        call(context, index)


def tensors(named, declared, side, written):
    """moec_tensor for each declared tensor, and what keeps its memory."""
    kept, list_ = [], (Tensor * len(declared))()
    for at, tensor in enumerate(declared):
        array = np.ascontiguousarray(named[tensor["name"]], NUMPY[tensor["dtype"]])
        memory = placed(array, side, written, align=array.itemsize)
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        list_[at] = Tensor(memory.address, ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64)))
        kept.append((memory, shape))
    return list_, kept


def main():
    artifact, recorded, side = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    manifest = json.loads((artifact / "manifest.json").read_text())
    target, = manifest["targets"]
    entry = target["entries"]["step"]
    code = ctypes.CDLL(str(artifact / target["file"]))
    step = getattr(code, entry["symbol"])
    limits, state = manifest["limits"], manifest["state"]
    blocks = -(-limits["context"] // BLOCK)
    host = Host(None, parallel)
    # Sizes that are no multiple of the alignment end with bytes that nobody owns.
    weights = np.fromfile(artifact / manifest["weights"]["file"], np.uint8)
    weights = placed(np.pad(weights, (0, -weights.size % 64)), side, writable=False)
    for number, case in enumerate(pickle.loads(recorded.read_bytes())):
        pool = np.zeros(state["bytes"] + -state["bytes"] % 64, np.uint8)
        pool = placed(pool, side)
        table = np.arange(limits["sequences"] * blocks, dtype=np.int32)
        table = placed(table, side, writable=False, align=4)
        count = {"T": sum(map(len, case["tokens"])), "S": len(case["tokens"]), "R": len(case["rows"])}
        offsets = np.cumsum([0] + [len(row) for row in case["tokens"]])
        inputs = {"ids": np.concatenate(case["tokens"]), "rows": case["rows"],
                  "positions": np.concatenate([np.arange(len(row)) for row in case["tokens"]]),
                  "seq_offsets": offsets, "slots": np.arange(count["S"])}
        size = entry["arena"]["const"] + sum(entry["arena"][name] * count[name] for name in "TSR")
        arena = placed(np.full(size, 0xFF, np.uint8), side)
        logits = np.full((count["R"], manifest["model"]["vocabulary"]), np.nan, np.float32)
        ins, kept_ins = tensors(inputs, entry["inputs"], side, written=False)
        outs, kept_outs = tensors({"logits": logits}, entry["outputs"], side, written=True)
        env = Env(ctypes.pointer(host), weights.address, arena.address, pool.address, table.address)
        step(ctypes.byref(env), ins, outs)
        made = kept_outs[0][0].array.tobytes()
        assert made == case["logits"].tobytes(), f"case {number}: other logits than the runtime's"
        if len(sys.argv) > 4:
            np.save(pathlib.Path(sys.argv[4]) / f"{number}.npy", pool.array)
        del kept_ins


main()
