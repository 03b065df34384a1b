#!/usr/bin/env python3
"""Measure what compiling costs, for models of one shape with other numbers of layers and experts.

    compile_cost.py BUILD [--models LAYERSxEXPERTS ...] [--shape olmoe-1b-7b] [--dtype bf16]
                    [--folder DIR] [--checkpoint DIR]

Writes a table to stdout. Memory is the peak of resident anonymous memory, which is what other
programs lose; mapped files come and go with the page cache. Code is the time of all phases but import
and weights: it does not depend on the number of layers or experts. Checkpoints and artifacts are made in the
folder one after the other and removed; the 16 layers of OLMoE-1B-7B take 28 GB for a while. An existing checkpoint
of make_model.py may be named instead and stays.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import make_model  # noqa: E402

MIB = 1 << 20


def anonymous(process):
    """Resident anonymous bytes of a process and its children; 0 when they are no more."""
    total = 0
    try:
        for line in open(f"/proc/{process}/status"):
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) << 10
        children = open(f"/proc/{process}/task/{process}/children").read().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return total + sum(anonymous(child) for child in children)


def compile_model(moec, checkpoint, artifact, dtype):
    """(report, peak of anonymous memory)."""
    process = subprocess.Popen(
        [moec, "compile", checkpoint, "-o", artifact, "--dtype", dtype, "--format", "json", "-q"],
        stdout=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous(process.pid))
        time.sleep(0.005)
    if process.returncode:
        sys.exit(f"compile_cost: compiling {checkpoint} failed")
    return json.load(process.stdout), peak


def measure(build, checkpoint, artifact, dtype):
    report, peak = compile_model(build / "bin" / "moec", checkpoint, artifact, dtype)
    config = json.loads((checkpoint / "config.json").read_text())
    element = 2 if dtype == "bf16" else 4
    largest = max(element * shape[0] * shape[-1] for _, shape in make_model.tensors(config)
                  if len(shape) == 2)
    seconds = dict.fromkeys(("import", "weights", "code"), 0)
    for phase in report["phases"]:
        kind = phase["phase"] if phase["phase"] in seconds else "code"
        seconds[kind] += phase["seconds"]
    return {
        "layers": config["num_hidden_layers"],
        "experts": config["num_experts"],
        "weights": report["memory"]["weights"],
        "largest": largest,
        "anonymous": peak,
        "above": peak - largest,
        "code_bytes": report["code"],
        "seconds": seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--models", nargs="+", default=["2x8", "2x64", "16x64"])
    parser.add_argument("--shape", default="olmoe-1b-7b", choices=sorted(make_model.SHAPES))
    parser.add_argument("--dtype", default="bf16", choices=["bf16", "f32"])
    parser.add_argument("--folder", help="by default a temporary one")
    parser.add_argument("--checkpoint", type=pathlib.Path)
    parser.add_argument("--json", action="store_true", help="a line of JSON for each model")
    args = parser.parse_args()
    if not args.json:
        print("| layers | experts | weights | largest tensor | peak anonymous | above the tensor | code | "
              "code time | import | weights time |\n" + "|---" * 10 + "|")
    for model in args.models if not args.checkpoint else [None]:
        with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
            scratch = pathlib.Path(scratch)
            checkpoint = args.checkpoint or scratch / "checkpoint"
            if model:
                layers, experts = model.split("x")
                subprocess.run([sys.executable, HERE / "make_model.py", checkpoint, "--shape",
                                args.shape, "--layers", layers, "--experts", experts], check=True)
            result = measure(args.build, checkpoint, scratch / "x.moec", args.dtype)
        if args.json:
            print(json.dumps(result), flush=True)
            continue
        cells = [result["layers"], result["experts"]]
        cells += [f"{result[key] / MIB:.1f} MiB"
                  for key in ("weights", "largest", "anonymous", "above", "code_bytes")]
        cells += [f"{result['seconds'][key]:.2f} s" for key in ("code", "import", "weights")]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
