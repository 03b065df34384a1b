"""Every diagnostic code in the sources has its explanation and one meaning:
codes.py REPOSITORY

A code has one meaning when it is explained once and used in one room, or by its
name; those that say what the system did are used wherever it is asked. What a
verb exits with is what its code calls for."""

import collections
import pathlib
import re
import sys

# Files, the disk and memory.
EVERYWHERE = {"MOE0130", "MOE0402", "MOE0403"}
EXIT_CODES = {"01": 1, "02": 2, "03": 3, "04": 4, "05": 5, "11": 1, "13": 3, "14": 4, "16": 6}

root = pathlib.Path(sys.argv[1])
explained = collections.Counter(
    re.findall(r'MOEC_DIAGNOSTIC\(\s*"(MOE\d{4})"', (root / "lib/Driver/Codes.def").read_text())
)
rooms, wrong_exits = collections.defaultdict(set), []
for room in ("lib", "passes", "dialects", "tools"):
    for path in sorted((root / room).rglob("*")):
        if path.suffix not in (".cpp", ".h", ".td") or path.name == "Codes.def":
            continue
        text = re.sub(r"//.*", "", path.read_text())
        parts = path.relative_to(root).parts
        # One that a code is compared with is not reported.
        for code in re.findall(r'(?<!== )["\[](MOE\d{4})["\]]', text):
            rooms[code].add("/".join(parts[: 2 if room == "lib" else 1]))
        for status, code in re.findall(r'\{(\d+),\s*"(MOE\d{4})"', text):
            if EXIT_CODES.get(code[3:5], 70) != int(status):
                wrong_exits.append(f"{code}={status}")
header = (root / "include/moec/Runtime.h").read_text()
runtime = set()
for number in map(int, re.findall(r"MOEC_E_\w+ = (\d+)", header)):
    runtime.add(f"MOE{1000 + number if number < 1000 else 1700 + number % 100}")
used = set(rooms) | runtime
several = {code for code, where in rooms.items() if len(where) > 1} - EVERYWHERE
print("unexplained:", *sorted(used - set(explained)))
print("unused:", *sorted(set(explained) - used))
print("explained twice:", *(code for code, count in explained.items() if count > 1))
print("in several rooms:", *(f"{code} ({', '.join(sorted(rooms[code]))})" for code in sorted(several)))
print("with another exit code:", *sorted(wrong_exits))
