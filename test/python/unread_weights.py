"""Opens an artifact and runs one step of one token, of whose weights it may read what the token needs.

    unread_weights.py ARTIFACT TOKEN [CHOSEN]

Prints, as JSON, how many bytes opening read, how many of the weights it brought to memory, the experts that the token chose in
each layer, and its logits as hexadecimal bytes. With CHOSEN, experts as JSON, takes every other expert out of reach before the
step: what touches one ends this process by a signal.
"""

import json
import pathlib
import sys

import guard_pages
import moec


def bytes_read():
    """By this process so far, through calls of the system; a page of a mapping is not among them."""
    fields = dict(line.split(": ") for line in pathlib.Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def mapping(file):
    """(address, bytes in memory) of a file's mapping in this process."""
    lines = pathlib.Path("/proc/self/smaps").read_text().splitlines()
    at, = (i for i, line in enumerate(lines) if line.endswith(str(file)))
    resident = next(line for line in lines[at:] if line.startswith("Rss:"))
    return int(lines[at].split("-")[0], 16), int(resident.split()[1]) * 1024


def withhold(manifest, address, chosen):
    """Makes the whole pages of experts that were not chosen inaccessible; returns how many bytes."""
    model, withheld = manifest["model"], 0
    for layer, experts, ids in zip(model["moe_layers"], model["experts"], chosen):
        for segment in manifest["weights"]["segments"]:
            if segment["role"] != "experts" or f".{layer}." not in segment["name"]:
                continue
            size = segment["bytes"] // experts
            for expert in set(range(experts)) - set(ids):
                begin = -(-(segment["offset"] + expert * size) // guard_pages.PAGE) * guard_pages.PAGE
                end = (segment["offset"] + (expert + 1) * size) // guard_pages.PAGE * guard_pages.PAGE
                guard_pages.protect(address + begin, end - begin, guard_pages.PROT_NONE)
                withheld += end - begin
    return withheld


artifact, token = pathlib.Path(sys.argv[1]), int(sys.argv[2])
moec.abi.library()
before = bytes_read()
model = moec.Model(artifact)
session = model.session(threads=1)
opening = bytes_read() - before
manifest = model.manifest()
address, resident = mapping(artifact / manifest["weights"]["file"])
withheld = withhold(manifest, address, json.loads(sys.argv[3])) if len(sys.argv) > 3 else 0
logits = session.step([(0, [token])], rows="all")
print(json.dumps({
    "opening": opening, "resident": resident, "withheld": withheld,
    "chosen": [session.tap(f"layers.{layer}.experts").ravel().tolist() for layer in model.moe_layers],
    "logits": logits.tobytes().hex()}))
