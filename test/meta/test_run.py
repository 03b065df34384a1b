"""test/run.py counts what runs, and counts what keeps tests from running as failed."""

import json
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parent.parent / "run.py"

# A GoogleTest program, as far as run.py sees one: it writes a report, or not.
UNITTEST = """#!/usr/bin/python3
import sys
path = next(a for a in sys.argv if a.startswith("--gtest_output=json:")).split(":", 1)[1]
{before}
open(path, "w").write({report!r})
sys.exit({status})
"""
PASSING = {"classname": "A", "name": "a", "status": "RUN", "result": "COMPLETED"}
FAILING = PASSING | {"name": "b", "failures": [{"failure": "1 is not 2", "type": ""}]}
SKIPPING = PASSING | {"result": "SKIPPED", "skipped": [{"message": "no AVX"}]}
DISABLED = PASSING | {"status": "NOTRUN", "result": "SUPPRESSED"}

FUZZER = "#!/bin/sh\necho a finding\nexit {status}\n"
LIT = """#!/usr/bin/python3
import sys
path = sys.argv[sys.argv.index("--output") + 1]
open(path, "w").write({report!r})
sys.exit({status})
"""


def unittest(*tests, status=0, before=""):
    report = json.dumps({"testsuites": [{"testsuite": list(tests)}]})
    return UNITTEST.format(report=report, status=status, before=before)


def lit(*codes, status=0):
    tests = [{"name": code, "code": code, "output": "why"} for code in codes]
    return LIT.format(report=json.dumps({"tests": tests}), status=status)


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def run(tmp_path, kind, program, *options):
    """Runs one kind of test with the program given; returns status and output."""
    path = executable(tmp_path / "program", program)
    programs = [{"name": "program", "path": path}]
    tests = {
        "source": str(tmp_path),
        "lit": path,
        "unittests": programs if kind == "gtest" else [],
        "fuzzers": programs if kind == "fuzz" else [],
    }
    (tmp_path / "tests.json").write_text(json.dumps(tests))
    command = [sys.executable, str(SCRIPT), "--build", str(tmp_path), "--only", kind]
    result = subprocess.run(command + list(options), capture_output=True, text=True)
    return result.returncode, result.stdout


CASES = {
    "gtest passes": ("gtest", unittest(PASSING), "1 passed, 0 failed, 0 skipped"),
    "gtest fails": (
        "gtest",
        unittest(PASSING, FAILING, status=1),
        "1 passed, 1 failed, 0 skipped",
    ),
    "gtest skips": (
        "gtest",
        unittest(PASSING, SKIPPING, DISABLED),
        "1 passed, 0 failed, 2 skipped",
    ),
    "gtest dies before its report": (
        "gtest",
        unittest(PASSING, before="import os; os.abort()"),
        "0 passed, 1 failed, 0 skipped",
    ),
    "gtest dies behind its report": (
        "gtest",
        unittest(PASSING, status=3),
        "1 passed, 1 failed, 0 skipped",
    ),
    "gtest dies behind a failure": (
        "gtest",
        unittest(FAILING, status=134),
        "0 passed, 2 failed, 0 skipped",
    ),
    "gtest without tests": ("gtest", unittest(), "0 passed, 1 failed, 0 skipped"),
    "gtest without sense": (
        "gtest",
        UNITTEST.format(report="{", status=0, before=""),
        "0 passed, 1 failed, 0 skipped",
    ),
    "lit passes": ("lit", lit("PASS", "UNSUPPORTED"), "1 passed, 0 failed, 1 skipped"),
    "lit fails": (
        "lit",
        lit("PASS", "FAIL", "TIMEOUT", "UNRESOLVED", "XFAIL", "XPASS", status=1),
        "1 passed, 5 failed, 0 skipped",
    ),
    "lit dies": ("lit", "#!/usr/bin/python3\n1/0\n", "0 passed, 1 failed, 0 skipped"),
    "lit finds nothing": ("lit", lit(), "0 passed, 1 failed, 0 skipped"),
    "lit ends badly": ("lit", lit("PASS", status=2), "1 passed, 1 failed, 0 skipped"),
    "fuzzer passes": ("fuzz", FUZZER.format(status=0), "1 passed, 0 failed, 0 skipped"),
    "fuzzer finds": ("fuzz", FUZZER.format(status=77), "0 passed, 1 failed, 0 skipped"),
    "no test of a kind": ("pytest", "", "0 passed, 1 failed, 0 skipped"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_sum(tmp_path, name):
    kind, program, expected = CASES[name]
    status, output = run(tmp_path, kind, program)
    assert output.splitlines()[-1] == expected, output
    assert status == (0 if " 0 failed" in expected else 1)


def test_pytest_is_counted(tmp_path):
    (tmp_path / "test" / "python").mkdir(parents=True)
    (tmp_path / "test" / "python" / "test_it.py").write_text(
        "import pytest\n"
        "def test_a(): pass\n"
        "def test_b(): assert False, 'reason b'\n"
        "def test_c(): pytest.skip('reason c')\n"
        "@pytest.fixture\n"
        "def broken(): 1 / 0\n"
        "def test_d(broken): pass\n"
    )
    status, output = run(tmp_path, "pytest", "")
    assert (status, output.splitlines()[-1]) == (1, "1 passed, 2 failed, 1 skipped")
    assert "reason b" in output and "reason c" in output


def test_reasons_are_shown(tmp_path):
    _, output = run(tmp_path, "gtest", unittest(FAILING, SKIPPING, status=1))
    assert "FAILED gtest program: A.b" in output and "1 is not 2" in output
    assert "skipped gtest program: A.a: no AVX" in output


def test_a_program_that_is_not_built(tmp_path):
    tests = {
        "source": str(tmp_path),
        "lit": "",
        "unittests": [{"name": "gone", "path": str(tmp_path / "gone")}],
        "fuzzers": [],
    }
    (tmp_path / "tests.json").write_text(json.dumps(tests))
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "--build", str(tmp_path), "--only", "gtest"],
        capture_output=True,
        text=True,
    )
    assert result.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"
    assert "is not built" in result.stdout


def test_a_folder_without_a_build(tmp_path):
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "--build", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"
    assert "make build" in result.stdout
