"""Says of the innermost loops of matrix products in an assembly file of x86-64: how many
multiply-adds the largest has, and what any of them does that a register tile should not.

    inner_loops.py FILE.s
"""

import re
import sys

MULTIPLY_ADD = re.compile(r"\tv(fmadd\w+|dpbf16)ps\t")
VECTOR = re.compile(r"%[xyz]mm\d")


def functions(text):
    """(name, lines) of each matrix product."""
    for part in re.split(r"\n(?=\w+:)", text):
        name, _, body = part.partition(":")
        if "matmul" in name:
            yield name, body.splitlines()


def innermost(lines):
    """The lines of each loop without a loop in it: from a label to a jump back to it."""
    labels, loops = {}, []
    for at, line in enumerate(lines):
        if label := re.match(r"(\.\w+):", line):
            labels[label[1]] = at
        jump = re.match(r"\tj\w+\t(\.\w+)", line)
        if jump and jump[1] in labels:
            loops.append((labels[jump[1]], at))
    for begin, end in loops:
        if not any((begin, end) != (b, e) and begin <= b and e <= end for b, e in loops):
            yield lines[begin:end + 1]


def on_stack(lines):
    """Whether an operand is a place of the stack. Frames of unknown size have a base register."""
    bases = ["rsp"] + [register for register in ("rbp", "rbx")
                       if f"\tmovq\t%rsp, %{register}" in lines]
    return re.compile(r"\(%(" + "|".join(bases) + r")\b")


def main():
    most, complaints = 0, []
    for name, lines in functions(open(sys.argv[1]).read()):
        stack = on_stack(lines)
        for loop in innermost(lines):
            count = sum(bool(MULTIPLY_ADD.search(line)) for line in loop)
            most = max(most, count)
            for line in loop if count else []:
                if VECTOR.search(line) and stack.search(line):
                    complaints.append(f"{name}: spill: {' '.join(line.split())}")
                if re.search(r"\tv(mul|add)ps\t", line):
                    complaints.append(f"{name}: not fused: {' '.join(line.split())}")
    print(f"largest loop: {most} multiply-adds")
    print("\n".join(complaints) or "all in registers")


main()
