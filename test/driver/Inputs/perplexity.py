"""Compares `moec eval --format json` and its expert counts with the recorded
ones: perplexity.py RESULT COUNTS EXPECTED DTYPE TOLERANCE"""

import json
import sys

result, counts, expected = (json.load(open(path)) for path in sys.argv[1:4])
dtype, tolerance = sys.argv[4], float(sys.argv[5])
for name, wanted in expected[f"perplexity_{dtype}"].items():
    error = abs(result["perplexity"][name] / wanted - 1)
    print(name, "agrees" if error <= tolerance else f"differs by {error}")
choices = misses = 0
for gate, domains in expected["chosen_experts"].items():
    layer = counts["chosen_experts"]["layers." + gate.split(".")[2]]
    for domain, wanted in domains.items():
        choices += sum(wanted)
        # A choice that moves is missing at one expert and too many at another.
        misses += sum(abs(a - b) for a, b in zip(wanted, layer[domain])) / 2
print("counts agree" if misses <= choices / 10000 else f"{misses} of {choices}")
