#!/usr/bin/env python3
"""Runs every test of a build and prints their sum as the last line.

Idea: each kind of test has a runner of its own (lit, GoogleTest, pytest,
libFuzzer); each is asked for a machine-readable report, from which single
outcomes are taken. A runner that crashes, hangs, reports nothing, or exits with
an error that its report does not explain is itself a failed test: a sum must
never be green because a report is missing.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

# Seconds after which a runner counts as hanging.
LIT_LIMIT, PYTEST_LIMIT, UNITTEST_LIMIT = 1500, 1800, 600
SHOWN_LINES = 120


@dataclasses.dataclass
class Outcome:
    """One test: its name, what became of it, and why (output or reason)."""

    name: str
    status: str
    text: str = ""


@dataclasses.dataclass
class Setting:
    """What the runners share: the build's tests.json and the command line."""

    source: pathlib.Path
    build: pathlib.Path
    lit: str
    unittests: list
    fuzzers: list
    fuzz_seconds: int
    pattern: str
    jobs: int

    @property
    def python(self):
        venv = self.source / ".venv" / "bin" / "python"
        return str(venv if venv.exists() else sys.executable)

    @property
    def environment(self):
        return dict(
            os.environ,
            PYTHONPATH=str(self.source / "python"),
            PYTHONDONTWRITEBYTECODE="1",
            PYTHONNOUSERSITE="1",
            MOEC_BUILD_DIR=str(self.build),
            UBSAN_OPTIONS="print_stacktrace=1",
        )

    def run(self, command, limit):
        """Runs a command; returns exit status (None: over the limit), output."""
        process = subprocess.Popen(
            command,
            cwd=self.source,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
            return process.returncode, output.decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            return None, output.decode(errors="replace")


def describe(status):
    if status is None:
        return "ran over its time limit"
    return f"died of signal {-status}" if status < 0 else f"exit status {status}"


def unexplained(name, status, output, outcomes, success=(0,), failure=()):
    """An outcome for a runner whose end its report does not account for."""
    failed = any(outcome.status == FAILED for outcome in outcomes)
    if status in success or (status in failure and failed):
        return []
    return [Outcome(name, FAILED, f"{describe(status)}\n{output}")]


# lit ------------------------------------------------------------------------

LIT_STATUS = {"PASS": PASSED, "FLAKYPASS": PASSED, "UNSUPPORTED": SKIPPED}


def lit_outcome(test):
    status = LIT_STATUS.get(test["code"], FAILED)
    text = test["output"] or ""
    if status == FAILED:
        text = f"{test['code']}\n{text}"
    return Outcome(test["name"], status, text)


def run_lit(setting):
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "lit.json"
        command = [sys.executable, setting.lit, str(setting.build / "test")]
        command += ["-q", f"-j{setting.jobs}", "--output", str(report)]
        if setting.pattern:
            command += ["--filter", setting.pattern, "--allow-empty-runs"]
        status, output = setting.run(command, LIT_LIMIT)
        if not report.exists():
            return [Outcome("lit", FAILED, f"{describe(status)}\n{output}")]
        tests = json.loads(report.read_text())["tests"]
    outcomes = [lit_outcome(test) for test in tests]
    return outcomes + unexplained("lit", status, output, outcomes, failure=(1,))


# GoogleTest -----------------------------------------------------------------


def gtest_outcome(program, test):
    name = f"{program}: {test['classname']}.{test['name']}"
    if "failures" in test:
        text = "\n".join(failure["failure"] for failure in test["failures"])
        return Outcome(name, FAILED, text)
    if test["status"] == "NOTRUN":
        return Outcome(name, SKIPPED, "disabled")
    if test["result"] == "SKIPPED":
        reasons = [skip["message"] for skip in test.get("skipped", [])]
        return Outcome(name, SKIPPED, " ".join(reasons) or "no reason given")
    return Outcome(name, PASSED)


def run_unittest(setting, program):
    name, path = program["name"], program["path"]
    if not os.path.exists(path):
        return [Outcome(name, FAILED, f"{path} is not built")]
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.json"
        command = [path, f"--gtest_output=json:{report}", "--gtest_brief=1"]
        if setting.pattern and setting.pattern not in name:
            command.append(f"--gtest_filter=*{setting.pattern}*")
        status, output = setting.run(command, UNITTEST_LIMIT)
        if not report.exists():
            return [Outcome(name, FAILED, f"{describe(status)}\n{output}")]
        suites = json.loads(report.read_text())["testsuites"]
    tests = [test for suite in suites for test in suite["testsuite"]]
    if setting.pattern:  # What the filter left out is reported as not run.
        tests = [test for test in tests if test["status"] == "RUN"]
    outcomes = [gtest_outcome(name, test) for test in tests]
    if not outcomes and not setting.pattern:
        return [Outcome(name, FAILED, "the program has no test")]
    return outcomes + unexplained(name, status, output, outcomes, failure=(1,))


def run_unittests(setting):
    return [
        outcome
        for program in setting.unittests
        for outcome in run_unittest(setting, program)
    ]


# pytest ---------------------------------------------------------------------


def pytest_outcome(case):
    name = f"{case.get('classname')}.{case.get('name')}"
    for tag in ("failure", "error"):
        if (node := case.find(tag)) is not None:
            return Outcome(name, FAILED, node.text or node.get("message", ""))
    if (node := case.find("skipped")) is not None:
        return Outcome(name, SKIPPED, node.get("message", "no reason given"))
    return Outcome(name, PASSED)


def run_pytest(setting):
    folders = [setting.source / "test" / name for name in ("meta", "python")]
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.xml"
        command = [setting.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [f"--rootdir={setting.source}", f"--junitxml={report}"]
        command += [f"-n{setting.jobs}", "--dist=loadgroup"]
        command += ["-k", setting.pattern] if setting.pattern else []
        command += [str(folder) for folder in folders if folder.exists()]
        status, output = setting.run(command, PYTEST_LIMIT)
        if not report.exists():
            return [Outcome("pytest", FAILED, f"{describe(status)}\n{output}")]
        cases = list(xml.etree.ElementTree.parse(report).getroot().iter("testcase"))
    outcomes = [pytest_outcome(case) for case in cases]
    # pytest's own status 5 says that the filter left nothing to run.
    success = (0, 5) if setting.pattern else (0,)
    return outcomes + unexplained("pytest", status, output, outcomes, success, (1,))


# libFuzzer ------------------------------------------------------------------


def run_fuzzer(setting, program):
    """A short run over a copy of the corpus, from a fixed seed."""
    name, path = program["name"], program["path"]
    if not os.path.exists(path):
        return Outcome(name, FAILED, f"{path} is not built")
    with tempfile.TemporaryDirectory() as scratch:
        corpus = pathlib.Path(scratch) / "corpus"
        seeds = setting.source / "test" / "fuzz" / name
        if seeds.is_dir():
            shutil.copytree(seeds, corpus)
        corpus.mkdir(exist_ok=True)
        findings = setting.build / "fuzz" / "findings" / name
        findings.mkdir(parents=True, exist_ok=True)
        command = [path, f"-max_total_time={setting.fuzz_seconds}", "-seed=1", "-timeout=20"]
        command += ["-rss_limit_mb=2048", f"-artifact_prefix={findings}/", str(corpus)]
        status, output = setting.run(command, setting.fuzz_seconds + 120)
    if status == 0:
        return Outcome(name, PASSED)
    return Outcome(name, FAILED, f"{describe(status)}\n{output}")


def run_fuzzers(setting):
    chosen = [fuzzer for fuzzer in setting.fuzzers if setting.pattern in fuzzer["name"]]
    with concurrent.futures.ThreadPoolExecutor(setting.jobs) as pool:
        return list(pool.map(lambda fuzzer: run_fuzzer(setting, fuzzer), chosen))


# The whole ------------------------------------------------------------------

KINDS = {
    "gtest": run_unittests,
    "lit": run_lit,
    "pytest": run_pytest,
    "fuzz": run_fuzzers,
}


def tail(text):
    lines = text.rstrip().splitlines()
    left_out = len(lines) - SHOWN_LINES
    if left_out > 0:
        lines = [f"[{left_out} lines left out]"] + lines[-SHOWN_LINES:]
    return "\n".join("    " + line for line in lines)


def summary(outcomes):
    counts = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    for outcome in outcomes:
        counts[outcome.status] += 1
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def run_kind(setting, kind):
    begin = time.monotonic()
    print(f"{kind:7}", end="", flush=True)
    try:
        outcomes = KINDS[kind](setting)
    except Exception as error:  # A report that cannot be read is a failure too.
        outcomes = [Outcome(kind, FAILED, f"{type(error).__name__}: {error}")]
    if not outcomes and not setting.pattern:
        outcomes = [Outcome(kind, FAILED, "no test of this kind was found")]
    print(f"{summary(outcomes)}  ({time.monotonic() - begin:.0f} s)")
    for outcome in outcomes:
        if outcome.status == FAILED:
            print(f"  FAILED {kind} {outcome.name}\n{tail(outcome.text)}")
        elif outcome.status == SKIPPED:
            reason = " ".join(outcome.text.split())
            print(f"  skipped {kind} {outcome.name}: {reason}")
    sys.stdout.flush()
    return outcomes


def parse_arguments():
    parser = argparse.ArgumentParser(description="Run moec's tests.")
    parser.add_argument("--build", default="build", help="the build folder")
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(KINDS),
        help=f"kinds to run, a comma between them: {','.join(KINDS)}",
    )
    parser.add_argument(
        "--filter", default="", help="run only the tests whose name has this in it"
    )
    parser.add_argument("--fuzz-seconds", type=int, default=5, help="how long each fuzzer runs")
    arguments = parser.parse_args()
    for kind in arguments.only:
        if kind not in KINDS:
            parser.error(f"unknown kind of test '{kind}', expected {','.join(KINDS)}")
    return arguments


def main():
    arguments = parse_arguments()
    build = pathlib.Path(arguments.build).resolve()
    if not (build / "tests.json").exists():
        print(f"{build} is not configured; run make build, or name a build by --build")
        print(summary([Outcome("build", FAILED)]))
        return True
    tests = json.loads((build / "tests.json").read_text())
    setting = Setting(
        source=pathlib.Path(tests["source"]),
        build=build,
        lit=tests["lit"],
        unittests=tests["unittests"],
        fuzzers=tests["fuzzers"],
        fuzz_seconds=arguments.fuzz_seconds,
        pattern=arguments.filter,
        jobs=os.cpu_count() or 1,
    )
    outcomes = [
        outcome for kind in arguments.only for outcome in run_kind(setting, kind)
    ]
    print(summary(outcomes))
    return any(outcome.status == FAILED for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main())
