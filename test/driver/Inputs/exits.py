"""Runs a command that must exit with a given status: exits.py STATUS COMMAND...

What it prints goes to stdout, so that a test can check it."""

import subprocess
import sys

expected = int(sys.argv[1])
result = subprocess.run(sys.argv[2:], stdout=sys.stdout, stderr=subprocess.STDOUT)
if result.returncode != expected:
    sys.exit(f"exited with {result.returncode}, expected {expected}")
