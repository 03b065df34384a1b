"""Every diagnostic code in the sources has its explanation, and only one:
codes.py REPOSITORY"""

import collections
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
explained = collections.Counter(
    re.findall(r'MOEC_DIAGNOSTIC\(\s*"(MOE\d{4})"', (root / "lib/Driver/Codes.def").read_text())
)
used = set()
for room in ("lib", "passes", "dialects", "tools"):
    for path in (root / room).rglob("*"):
        if path.suffix in (".cpp", ".h", ".td") and path.name != "Codes.def":
            # In code, codes are in quotes or brackets; elsewhere they are prose.
            used |= set(re.findall(r'["\[](MOE\d{4})["\]]', path.read_text()))
header = (root / "include/moec/Runtime.h").read_text()
for number in map(int, re.findall(r"MOEC_E_\w+ = (\d+)", header)):
    used.add(f"MOE{1000 + number if number < 1000 else 1700 + number % 100}")
print("unexplained:", *sorted(used - set(explained)))
print("explained twice:", *(code for code, count in explained.items() if count > 1))
