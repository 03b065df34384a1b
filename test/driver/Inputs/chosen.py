"""Token ids for `moec eval`, and its expert counts against the experts that
`moec run` wrote, in which -1 is a choice of nothing:
chosen.py write TOKENS
chosen.py compare EXPERTS COUNTS"""

import json
import pathlib
import sys

import numpy as np


def read(path, name):
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    entry = json.loads(data[8:8 + size])[name]
    begin, end = (8 + size + offset for offset in entry["data_offsets"])
    return np.frombuffer(data[begin:end], np.int32).reshape(entry["shape"])


if sys.argv[1] == "write":
    tokens = np.random.default_rng(3).integers(0, 256, (1, 48)).astype(np.int32)
    header = {"tokens": {"dtype": "I32", "shape": tokens.shape, "data_offsets": [0, tokens.nbytes]}}
    text = json.dumps(header).encode()
    pathlib.Path(sys.argv[2]).write_bytes(len(text).to_bytes(8, "little") + text + tokens.tobytes())
    print(*tokens[0])
else:
    experts = read(sys.argv[2], "experts")
    counts = json.load(open(sys.argv[3]))["chosen_experts"]
    for i, layer in enumerate(experts):
        wanted = [int((layer == expert).sum()) for expert in range(8)]
        agree = counts[f"layers.{i}"]["all"] == wanted
        print(f"layers.{i}", "agrees" if agree else f"differs: {counts} {wanted}",
              "with choices of nothing" if (layer == -1).any() else "without")
