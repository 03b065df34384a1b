"""Changes fields of an artifact's manifest, and its checksum with them:
manifest.py ARTIFACT /model/experts=[8,4,8] ..."""

import ctypes
import json
import pathlib
import sys


class Hash(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


hashed = ctypes.CDLL("libxxhash.so.0").XXH3_128bits
hashed.restype, hashed.argtypes = Hash, [ctypes.c_char_p, ctypes.c_size_t]
file = pathlib.Path(sys.argv[1], "manifest.json")
manifest = json.loads(file.read_bytes())
for change in sys.argv[2:]:
    path, value = change.split("=", 1)
    *parents, last = path.removeprefix("/").split("/")
    place = manifest
    for name in parents:
        place = place[name]
    assert last in place, f"{path} is not in the manifest"
    place[last] = json.loads(value)
data = json.dumps(manifest).encode()
file.write_bytes(data)
value = hashed(data, len(data))
file.with_suffix(".json.xxh3").write_text(f"{value.high:016x}{value.low:016x}\n")
