"""Turns the selection bias of every router of a checkpoint around, in place:
rebias.py MODEL.safetensors"""

import json
import sys

import numpy as np

with open(sys.argv[1], "r+b") as file:
    size = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(size))
    names = [name for name in header if name.endswith("e_score_correction_bias")]
    assert names
    for name in names:
        begin, end = header[name]["data_offsets"]
        file.seek(8 + size + begin)
        element = {"F32": np.uint32, "BF16": np.uint16}[header[name]["dtype"]]
        bias = np.frombuffer(file.read(end - begin), element)
        file.seek(8 + size + begin)
        file.write(bias[::-1].tobytes())
