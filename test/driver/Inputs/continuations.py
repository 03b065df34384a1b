"""Compares every recorded greedy continuation, as ids and as text:
continuations.py ARTIFACT EXPECTED.json"""

import json
import subprocess
import sys

artifact, expected = sys.argv[1], json.load(open(sys.argv[2]))


def run(*options):
    command = ["moec", "run", artifact, "--ignore-eos", "--max-new-tokens", "40"]
    return subprocess.run(
        [*command, *options], check=True, capture_output=True, text=True
    ).stdout


wrong = 0
for recorded in expected["greedy_f32"]:
    ids = run("--ids", " ".join(map(str, recorded["prompt_ids"])))
    wrong += list(map(int, ids.split())) != recorded["greedy_ids"]
    text = run("--prompt", recorded["prompt"])
    wrong += text != recorded["greedy_text"] + "\n"
print(f"{wrong} of {2 * len(expected['greedy_f32'])} continuations are wrong")
