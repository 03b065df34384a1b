"""Writes random tensors, the same in every run: params.py FILE NAME=ROWSxCOLUMNS..."""

import json
import random
import struct
import sys

generator, header, data = random.Random(5), {}, b""
for argument in sys.argv[2:]:
    name, shape = argument.split("=")
    shape = [int(size) for size in shape.split("x")]
    count = 1
    for size in shape:
        count *= size
    values = struct.pack(f"<{count}f", *(generator.gauss(0, 0.2) for _ in range(count)))
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
    data += values
text = json.dumps(header).encode()
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
