"""What a phase leaves can be had and gone on with: phases.py REPOSITORY CHECKPOINT DIRECTORY

For every phase: --compile-to it gives the module that --dump-phases-to keeps, and
--compile-from it, with the module of the phase before, makes what a compilation in
one go makes: of the first and the last one the artifact, of the others what the last
one begins with."""

import filecmp
import json
import pathlib
import re
import subprocess
import sys

root, checkpoint, directory = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
phases = (pathlib.Path(root) / "passes/Phases.def").read_text()
names = re.findall(r'^MOEC_PHASE\(\w+, "(\w+)"', phases, re.MULTILINE)


def compile(*arguments):
    subprocess.run(["moec", "compile", *arguments, "-q"], check=True, stdout=subprocess.DEVNULL)


def files(artifact):
    """Contents by name; of the manifest all but what differs by the way it was made."""
    found = {}
    for path in artifact.rglob("*"):
        if path.name == "manifest.json":
            manifest = json.loads(path.read_text())
            manifest["compiler"].pop("options")
            found[path.name] = manifest
        elif path.is_file() and path.name != "manifest.json.xxh3":
            found[str(path.relative_to(artifact))] = path.read_bytes()
    return found


straight, dumps = directory / "straight.moec", directory / "dumps"
compile(checkpoint, "-o", straight, "--dtype", "f32", "--dump-phases-to", dumps)
whole = files(straight)
assert len(whole) > 2
for number, name in enumerate(names, 1):
    module = directory / f"{name}.mlir"
    compile(checkpoint, "-o", module, "--dtype", "f32", "--compile-to", name)
    kept = dumps / f"{number:02}.{name}.mlir"
    print(name, "is kept" if filecmp.cmp(module, kept, shallow=False) else "is not kept")
    if number == 1:
        continue
    before = dumps / f"{number - 1:02}.{names[number - 2]}.mlir"
    if name in (names[1], names[-1]):
        artifact = directory / f"{name}.moec"
        compile(before, "--params", checkpoint, "-o", artifact, "--compile-from", name)
        same = files(artifact) == whole
    else:  # What the last phase leaves decides, as it shows.
        end = directory / f"{name}.end.mlir"
        compile(before, "-o", end, "--compile-from", name, "--compile-to", names[-1])
        same = filecmp.cmp(end, dumps / f"{len(names):02}.{names[-1]}.mlir", shallow=False)
    print(name, "goes on to the same" if same else "goes on to another artifact")
