"""Stops a compilation by a signal at several moments; nothing of it may remain:
interrupt.py CHECKPOINT DIRECTORY"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

checkpoint, directory = sys.argv[1], pathlib.Path(sys.argv[2])
for phase, sent in (
    ("kernels", signal.SIGINT),
    ("code", signal.SIGTERM),
    ("weights", signal.SIGINT),
):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    command = ["moec", "compile", checkpoint, "-o", directory / "x.moec"]
    process = subprocess.Popen(
        [*command, "--progress", "plain"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    for line in process.stderr:
        if line.startswith(phase):
            process.send_signal(sent)
            break
    process.stderr.read()
    status = process.wait()
    left = [name for name in os.listdir(directory) if name != "x.moec"]
    # The last phase may be over before the signal arrives.
    stopped = status == -sent or (phase == "weights" and status == 0)
    print(phase, "stopped" if stopped else f"status {status}", left or "clean")
