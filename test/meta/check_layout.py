#!/usr/bin/env python3
"""Checks the rules of the house that a compiler cannot check.

Usage: check_layout.py [REPOSITORY]. Prints one line `path:line: what, and what
to change` for each breach; exit status 1 if there is any.

Each rule is a function that takes the tree and yields breaches. Rules look at
the files that git tracks, as they are in the working tree. What a rule searches
in C++ is first cleaned of comments, and of strings too where names matter, so
that prose may mention what code may not do.
"""

import functools
import json
import pathlib
import re
import shutil
import subprocess
import sys

MAX_LINES = 500
CPP = (".cpp", ".h", ".c")
SOURCE = CPP + (".td", ".def", ".py", ".sh", ".cmake", "CMakeLists.txt", "Makefile")
PROSE = (".md", ".mlir", ".test", ".cfg.py.in")
HEADINGS = ("Does", "Requires", "Leaves", "Rejects")
ROOMS = ("include", "dialects", "passes", "lib", "tools", "python", "test")

# Room -> the rooms that it may include from, beside itself. The longest prefix
# that matches decides; a room that is not listed may include anything.
MAY_INCLUDE = {
    "include": ("include",),
    "dialects": ("include", "dialects"),
    "passes": ("include", "dialects", "passes"),
    "lib": ("include", "dialects", "passes", "lib"),
    "lib/Runtime": ("include", "lib/Runtime"),
    "lib/Weights": ("include", "dialects", "lib/Weights"),
    "lib/Reference": ("include", "dialects", "lib/Weights", "lib/Reference"),
}
# Only these may include the rooms named; the line of dependencies ends in them.
ONLY_INCLUDED_BY = {
    "lib/CAPI": ("lib/CAPI", "tools", "test"),
    "lib/Driver": ("lib/Driver", "lib/CAPI", "tools", "test"),
    "tools": ("tools",),
}
# Rooms that stand on their own: no header of LLVM, MLIR or lld.
WITHOUT_LLVM = ("include", "lib/Runtime")

# Words that admit unfinished work, spelled so that this file is clean of them.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
ENDS_PROCESS = re.compile(
    r"(?<!\w)(?:exit|abort|quick_exit)\s*\(|\breport_fatal_error\b"
    r"|\bllvm::errs\s*\(|(?<![\w.>:])errs\s*\(|\bstd::cerr\b|\bstderr\b"
)
OUTSIDE_INPUT = re.compile(
    r"\bgetenv\s*\(|\bstd::chrono\b|\bifstream\b|\bfopen\s*\(|\bgetFile\w*\s*\("
)
TARGET_NAME = re.compile(r"znver|avx|x86(?!Vector)", re.IGNORECASE)
CPP_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)" | "(?:\\.|[^"\\\n])*")
      | (?P<char>(?<![\w])'(?:\\.|[^'\\\n])+')""",
    re.DOTALL | re.VERBOSE,
)
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')


def blank(text):
    """The same number of lines, without the text."""
    return "\n" * text.count("\n")


def without_comments(text):
    return CPP_TOKEN.sub(
        lambda match: blank(match[0]) if match["comment"] else match[0], text
    )


def without_comments_and_strings(text):
    return CPP_TOKEN.sub(lambda match: blank(match[0]) or " ", text)


def inside(path, room):
    return path == room or path.startswith(room + "/")


class Tree:
    """The files of a repository that git tracks and the working tree has."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        # Whoever checks a tree out may not be the user who runs its tests.
        command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
        listing = subprocess.run(
            command, cwd=self.root, check=True, capture_output=True, text=True
        ).stdout
        self.paths = [
            path for path in listing.split("\0") if path and (self.root / path).exists()
        ]

    def files(self, suffixes, *rooms):
        for path in self.paths:
            if path.endswith(suffixes) and (
                not rooms or any(inside(path, room) for room in rooms)
            ):
                yield path

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        return (self.root / path).read_text(errors="replace")

    def search(self, pattern, paths, clean=lambda text: text):
        """Every place in the files, cleaned, where the pattern is found."""
        for path in paths:
            for number, line in enumerate(clean(self.text(path)).splitlines(), 1):
                if match := pattern.search(line):
                    yield path, number, match[0].strip()


# Passes ---------------------------------------------------------------------


def declared_passes(tree):
    """The records of passes/Passes.td, as TableGen reads them."""
    if "passes/Passes.td" not in tree.paths:
        return []
    tablegen = pathlib.Path(shutil.which("llvm-tblgen-22") or "llvm-tblgen-22")
    command = [str(tablegen), "--dump-json", "passes/Passes.td", "-I."]
    command.append(f"-I{tablegen.resolve().parent.parent / 'include'}")
    output = subprocess.run(
        command, cwd=tree.root, check=True, capture_output=True, text=True
    ).stdout
    records = json.loads(output)
    return [records[name] for name in records["!instanceof"]["PassBase"]]


def one_file_per_pass(tree):
    for record in declared_passes(tree):
        name, flag = record["!name"], record["argument"]
        if not name.endswith("Pass"):
            yield f"passes/Passes.td: {name}: end the name in 'Pass'"
        file = f"{name.removesuffix('Pass')}.cpp"
        homes = [
            path
            for path in tree.paths
            if re.fullmatch(f"passes/([^/]+/)?{re.escape(file)}", path)
        ]
        if len(homes) != 1:
            yield (
                f"passes/Passes.td: {flag}: expected exactly one file {file} in passes/ or"
                f" a folder of it, found {len(homes)}"
            )


def described_passes(tree):
    for record in declared_passes(tree):
        for heading in HEADINGS:
            if not re.search(rf"^\s*{heading}: \S", record["description"], re.MULTILINE):
                yield (
                    f"passes/Passes.td: {record['argument']}: the description lacks"
                    f" a line '{heading}: ...'"
                )


def tested_passes(tree):
    for record in declared_passes(tree):
        flag = record["argument"]
        needed = ["basic.mlir", "doc.mlir"]
        if not re.search(
            r"^\s*No invalid input: \S", record["description"], re.MULTILINE
        ):
            needed.append("invalid.mlir")
        for name in needed:
            if f"test/passes/{flag}/{name}" not in tree.paths:
                yield f"passes/Passes.td: {flag}: test/passes/{flag}/{name} is missing"
        invalid = f"test/passes/{flag}/invalid.mlir"
        if invalid in tree.paths and "expected-error" not in tree.text(invalid):
            yield f"{invalid}: expects no error; name it in an expected-error comment"


def test_folders_name_passes(tree):
    flags = {record["argument"] for record in declared_passes(tree)}
    folders = {
        path.split("/")[2]
        for path in tree.files((".mlir", ".test"), "test/passes")
        if path.count("/") >= 3
    }
    for folder in sorted(folders - flags):
        yield f"test/passes/{folder}: passes/Passes.td has no pass of this flag"


def only_the_pipeline_orders_passes(tree):
    paths = [
        path
        for path in tree.files(CPP, "passes", "lib", "dialects", "tools")
        if path != "passes/Pipeline.cpp"
    ]
    for path, line, _ in tree.search(
        re.compile(r"\baddPass\b|\baddNestedPass\b"), paths, without_comments_and_strings
    ):
        yield f"{path}:{line}: only passes/Pipeline.cpp adds passes; move this there"


def passes_see_only_their_input(tree):
    for path, line, found in tree.search(
        OUTSIDE_INPUT, tree.files(CPP, "passes"), without_comments_and_strings
    ):
        yield (
            f"{path}:{line}: '{found}': a pass reads no environment, file or clock;"
            " give it an option or an attribute"
        )


def passes_name_no_target(tree):
    paths = [
        path for path in tree.files(CPP, "passes") if not inside(path, "passes/Cpu")
    ]
    for path, line, found in tree.search(TARGET_NAME, paths, without_comments):
        yield (
            f"{path}:{line}: '{found}': only passes/Cpu names targets; ask the target"
            " description for a feature"
        )


# Includes -------------------------------------------------------------------


def resolve(tree, path, included):
    """The repository's path of an included header, or None for a foreign one."""
    if (tree.root / path).parent.joinpath(included).exists():
        target = (tree.root / path).parent.joinpath(included).resolve()
        return target.relative_to(tree.root).as_posix()
    if included.split("/")[0] in ROOMS:
        return included  # Perhaps a generated header; it counts to its room.
    if (tree.root / "include" / included).exists():
        return f"include/{included}"
    return None


def longest_room(path, rooms):
    matches = [room for room in rooms if inside(path, room)]
    return max(matches, key=len, default=None)


def refused(path, included, target):
    """Why the file may not include this header, or None."""
    if target is None:
        foreign = re.match(r"(llvm|llvm-c|mlir|mlir-c|lld|clang)/", included)
        if foreign and any(inside(path, room) for room in WITHOUT_LLVM):
            return "this room stands without LLVM"
        return None
    room = longest_room(path, MAY_INCLUDE)
    if room and not any(inside(target, other) for other in MAY_INCLUDE[room]):
        return f"{room} may include only {', '.join(MAY_INCLUDE[room])}"
    guarded = longest_room(target, ONLY_INCLUDED_BY)
    if guarded and not any(inside(path, user) for user in ONLY_INCLUDED_BY[guarded]):
        return f"{guarded} is included only by {', '.join(ONLY_INCLUDED_BY[guarded])}"
    return None


def includes_point_one_way(tree):
    for path in tree.files(CPP + (".def",)):
        for number, line in enumerate(
            without_comments(tree.text(path)).splitlines(), 1
        ):
            if match := INCLUDE.match(line):
                reason = refused(path, match[1], resolve(tree, path, match[1]))
                if reason:
                    yield f"{path}:{number}: includes {match[1]}, but {reason}"


# Every source ---------------------------------------------------------------


def options_live_in_tools(tree):
    paths = [
        path
        for path in tree.files(CPP, "passes", "lib", "dialects", "include")
        if not inside(path, "lib/Driver")
    ]
    pattern = re.compile(r"\bcl::(?:opt|list|bits|alias)\b")
    for path, line, found in tree.search(pattern, paths, without_comments_and_strings):
        yield f"{path}:{line}: '{found}' belongs to tools or lib/Driver"


def libraries_return_errors(tree):
    for path, line, found in tree.search(
        ENDS_PROCESS,
        tree.files(CPP, "lib", "passes", "dialects"),
        without_comments_and_strings,
    ):
        yield f"{path}:{line}: '{found}': return a status or emit a diagnostic"


def files_stay_short(tree):
    for path in tree.files(SOURCE + (".mlir", ".test")):
        lines = len(tree.text(path).splitlines())
        if lines > MAX_LINES:
            yield f"{path}: {lines} lines, at most {MAX_LINES}; split it by concept"


def work_is_finished(tree):
    for path, line, found in tree.search(UNFINISHED, tree.files(SOURCE + PROSE)):
        yield f"{path}:{line}: '{found}': finish it or open an issue"


def sources_have_a_banner(tree):
    for path in tree.files(CPP + (".td", ".def")):
        name = path.rsplit("/", 1)[-1]
        head = tree.text(path).splitlines()[:3] + [""] * 3
        if not re.fullmatch(rf"(//|/\*)===- {re.escape(name)} - .*===(//|\*\\)", head[0]):
            yield f"{path}:1: begins without the banner '===- {name} - purpose -==='"
        if head[2][2:] != " SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception":
            yield f"{path}:3: is not the line of SPDX-License-Identifier"


RULES = (
    one_file_per_pass,
    described_passes,
    tested_passes,
    test_folders_name_passes,
    only_the_pipeline_orders_passes,
    passes_see_only_their_input,
    passes_name_no_target,
    includes_point_one_way,
    options_live_in_tools,
    libraries_return_errors,
    files_stay_short,
    work_is_finished,
    sources_have_a_banner,
)


def main():
    default = pathlib.Path(__file__).resolve().parent.parent.parent
    tree = Tree(sys.argv[1] if len(sys.argv) > 1 else default)
    breaches = [breach for rule in RULES for breach in rule(tree)]
    print("\n".join(breaches) if breaches else f"{len(RULES)} rules hold")
    return bool(breaches)


if __name__ == "__main__":
    sys.exit(main())
