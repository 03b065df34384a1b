"""check_layout.py holds in a tree that keeps the rules, and finds each breach."""

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("check_layout.py")
# NAME becomes that of the file.
BANNER = (
    "//===- NAME - its purpose -===//\n//\n"
    "// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception\n"
)
PASSES = """
include "mlir/Pass/PassBase.td"
def FusePass : Pass<"moe-fuse", "::mlir::ModuleOp"> {
  let summary = "fuse";
  let description = [{
    Does: fuses.
    Requires: something.
    Leaves: less.
    Rejects: the rest.
  }];
}
"""

# A tree with one of everything, which keeps every rule. What the rules forbid
# in code stands in comments and strings here, where it is allowed.
GOOD = {
    "passes/Passes.td": BANNER + PASSES,
    "passes/Gating/Fuse.cpp": BANNER
    + '#include "passes/Passes.h"\n#include "dialects/Moe/Moe.h"\n'
    + "/* exit( */ // abort(\nconst char *text = \"call exit(1), cl::opt\";\n",
    "passes/Cpu/Tile.cpp": BANNER + "bool avx2();\n",
    "passes/Pipeline.cpp": BANNER + "void f() { pm.addPass(g()); }\n",
    "passes/Passes.h": BANNER,
    "dialects/Moe/Moe.h": BANNER + '#include "mlir/IR/Dialect.h"\n',
    "include/moec/Runtime.h": BANNER,
    "lib/Runtime/Load.h": BANNER,
    "lib/Runtime/Load.cpp": BANNER
    + '#include "Load.h"\n#include "moec/Runtime.h"\n#include <nlohmann/json.hpp>\n'
    + "void f() { _exit(1); }\n",
    "lib/Driver/Driver.h": BANNER,
    "tools/moec.cpp": BANNER
    + '#include "lib/Driver/Driver.h"\nllvm::cl::opt<bool> x; int f() { exit(2); }\n',
    "test/passes/moe-fuse/basic.mlir": "",
    "test/passes/moe-fuse/doc.mlir": "",
    "test/passes/moe-fuse/invalid.mlir": "// expected-error @+1 {{no}}\n",
}
NO_INVALID = PASSES.replace("the rest.", "nothing.\n    No invalid input: all is legal.")

# What is changed in the good tree (None: the file goes), what is then reported.
BREACHES = {
    "pass without file": ({"passes/Gating/Fuse.cpp": None}, "moe-fuse: expected exactly"),
    "pass with two files": ({"passes/Cpu/Fuse.cpp": BANNER}, "found 2"),
    "name of a pass": (
        {"passes/Passes.td": BANNER + PASSES.replace("FusePass", "Fuse")},
        "end the name in 'Pass'",
    ),
    "heading": (
        {"passes/Passes.td": BANNER + PASSES.replace("Leaves:", "Gives:")},
        "lacks a line 'Leaves: ...'",
    ),
    "empty heading": (
        {"passes/Passes.td": BANNER + PASSES.replace("Does: fuses.", "Does:")},
        "lacks a line 'Does: ...'",
    ),
    "basic.mlir": ({"test/passes/moe-fuse/basic.mlir": None}, "basic.mlir is missing"),
    "doc.mlir": ({"test/passes/moe-fuse/doc.mlir": None}, "doc.mlir is missing"),
    "invalid.mlir": (
        {"test/passes/moe-fuse/invalid.mlir": None},
        "invalid.mlir is missing",
    ),
    "invalid.mlir that expects nothing": (
        {"test/passes/moe-fuse/invalid.mlir": "module {}\n"},
        "expects no error",
    ),
    "folder without pass": ({"test/passes/moe-x/basic.mlir": ""}, "no pass of this flag"),
    "order of passes": (
        {"lib/Driver/Driver.cpp": BANNER + "void f() { pm.addPass(g()); }\n"},
        "lib/Driver/Driver.cpp:4: only passes/Pipeline.cpp",
    ),
    "environment": (
        {"passes/Gating/Fuse.cpp": BANNER + 'auto *e = std::getenv("X");\n'},
        "reads no environment",
    ),
    "target in code": (
        {"passes/Gating/Fuse.cpp": BANNER + "bool b = hasAVX512();\n"},
        "only passes/Cpu names targets",
    ),
    "target in a string": (
        {"passes/Gating/Fuse.cpp": BANNER + 'bool b = cpu == "znver4";\n'},
        "only passes/Cpu names targets",
    ),
    "dialect includes pass": (
        {"dialects/Moe/Moe.h": BANNER + '#include "passes/Passes.h"\n'},
        "dialects may include only include, dialects",
    ),
    "dialect includes pass, path": (
        {"dialects/Moe/Moe.h": BANNER + '#include "../../passes/Passes.h"\n'},
        "dialects may include only include, dialects",
    ),
    "pass includes library": (
        {"passes/Passes.h": BANNER + '#include "lib/Runtime/Load.h"\n'},
        "passes may include only",
    ),
    "generated header": (
        {"dialects/Moe/Moe.h": BANNER + '#include "passes/Passes.h.inc"\n'},
        "dialects may include only include, dialects",
    ),
    "runtime includes dialect": (
        {"lib/Runtime/Load.cpp": BANNER + '#include "dialects/Moe/Moe.h"\n'},
        "lib/Runtime may include only include, lib/Runtime",
    ),
    "runtime includes LLVM": (
        {"lib/Runtime/Load.cpp": BANNER + '#include "llvm/ADT/Twine.h"\n'},
        "stands without LLVM",
    ),
    "library includes driver": (
        {"lib/Import/Import.cpp": BANNER + '#include "lib/Driver/Driver.h"\n'},
        "lib/Driver is included only by",
    ),
    "option in a library": (
        {"lib/Import/Import.cpp": BANNER + "llvm::cl::opt<bool> x;\n"},
        "belongs to tools or lib/Driver",
    ),
    "file too long": ({"lib/Driver/Driver.h": BANNER + "\n" * 498}, "501 lines"),
    "test too long": ({"test/passes/moe-fuse/basic.mlir": "\n" * 501}, "501 lines"),
    "unfinished": ({"docs/design.md": "TO" + "DO: write\n"}, "finish it"),
    "banner": (
        {"lib/Driver/Driver.h": BANNER.replace("NAME", "Other.h")},
        "begins without the banner '===- Driver.h - purpose -==='",
    ),
    "licence": (
        {"lib/Driver/Driver.h": BANNER.replace("\n//\n", "\n// Part of it.\n//\n")},
        "Driver.h:3: is not the line of SPDX-License",
    ),
} | {
    f"ends the process: {code}": (
        {"lib/Import/Import.cpp": BANNER + f"void f() {{ {code}; }}\n"},
        "return a status or emit a diagnostic",
    )
    for code in (
        "exit(1)",
        "std::exit (1)",
        "abort()",
        'llvm::report_fatal_error("x")',
        "llvm::errs() << 1",
        "errs() << 1",
        "std::cerr << 1",
        'fprintf(stderr, "x")',
    )
}


def check(root, files):
    for path, text in files.items():
        if text is not None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text.replace("NAME", pathlib.Path(path).name))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    return subprocess.run(
        [sys.executable, SCRIPT, root], capture_output=True, text=True
    )


def test_a_tree_that_keeps_the_rules(tmp_path):
    result = check(tmp_path, GOOD)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("rules hold\n"), result.stdout


def test_a_pass_may_say_why_it_rejects_nothing(tmp_path):
    changes = {
        "passes/Passes.td": BANNER + NO_INVALID,
        "test/passes/moe-fuse/invalid.mlir": None,
    }
    result = check(tmp_path, GOOD | changes)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach(tmp_path, name):
    changes, expected = BREACHES[name]
    result = check(tmp_path, GOOD | changes)
    assert (result.returncode, result.stderr) == (1, "")
    assert expected in result.stdout
    # A breach of one rule is not reported as that of another.
    assert len(result.stdout.splitlines()) == 1, result.stdout
