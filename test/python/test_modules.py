"""Modules of functions as input: their interface, and what is said about wrong ones."""

import subprocess

import numpy as np
import pytest

from conftest import BUILD, FIXTURES, SOURCE, read_safetensors, write_safetensors
from formulas import HIDDEN, Random

import moec

HEADS = SOURCE / "test" / "driver" / "Inputs" / "heads.mlir"
TOKENS = 37


def test_signature_and_errors(build):
    random = Random()
    params = {f"head.{i}.weight": random(40, HIDDEN) for i in range(3)}
    params["head.folded.weight"] = random(40, HIDDEN)
    model = build(HEADS, params, "--max-step-tokens", "8")
    assert model.functions == ["folded", "mixed"]
    folded = model.function("folded")
    assert folded.inputs == [("features", np.float32, (-1, HIDDEN))]
    assert folded.outputs == [("logits", np.float32, (-1, 40))]
    x = random(8, HIDDEN)
    assert folded(features=x).tobytes() == folded(x).tobytes()
    for wrong, message in ((x[:, :63], r"f32 \[8, 63\], expected f32 \[T, 64\]"),
                           (x.astype(np.float64), "expected f32"),
                           (x.astype(np.int32), r"i32 \[8, 64\], expected f32"),
                           (x[0], r"f32 \[64\], expected"),
                           (x[:0], "must be at least 1"),
                           (np.zeros((9, HIDDEN), np.float32), "the limit is 8")):
        with pytest.raises(moec.MoecError, match=message):
            folded(wrong)
    with pytest.raises(moec.MoecError, match="expected f32 .* with T = 8"):
        model.function("mixed")(x, *[np.zeros((n, 1), np.float32) for n in (8, 7, 8)])
    with pytest.raises(TypeError, match="takes features"):
        folded(x, x)
    with pytest.raises(moec.MoecError, match="no function \"none\", it has folded, mixed"):
        model.function("none")
    with pytest.raises(ValueError, match="There are folded, mixed"):
        model.function()
    with pytest.raises(moec.MoecError, match="no language model"):
        model.session()


class Foreign:
    """What another framework's array shows of itself."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_arrays_of_others(build, compiled):
    """In and out by DLPack."""
    random = Random()
    params = {f"head.{i}.weight": random(40, HIDDEN) for i in range(3)}
    params["head.folded.weight"] = random(40, HIDDEN)
    folded, x = build(HEADS, params).function("folded"), random(5, HIDDEN)
    outputs = folded(Foreign(x))
    assert outputs.tobytes() == folded(x).tobytes()
    np.testing.assert_array_equal(np.from_dlpack(Foreign(outputs)), outputs)
    session = moec.Model(compiled(FIXTURES / "olmoe-a", "--dtype", "f32", "--target", "cpu")).session()
    ids = np.arange(7, dtype=np.int32)
    logits = session.step([(0, Foreign(ids))], rows="all")
    assert np.from_dlpack(logits).tobytes() == session.step([(1, ids)], rows="all").tobytes()


def test_integers_are_checked(build):
    text = """
      moe.recipes {
        %0 = moe.load "table" : tensor<5x16xf32>
        moe.define "table" role "embedding", %0 : tensor<5x16xf32>
      }
      func.func @rows(%i: tensor<?xi32> {moe.below = 5}) -> tensor<?x16xf32> {
        %c0 = arith.constant 0 : index
        %t = tensor.dim %i, %c0 : tensor<?xi32>
        %e = tensor.empty(%t) : tensor<?x16xf32>
        %w = moe.weight "table" : tensor<5x16xf32>
        %y = nn.gather_rows ins(%w, %i : tensor<5x16xf32>, tensor<?xi32>) outs(%e : tensor<?x16xf32>)
            -> tensor<?x16xf32>
        return %y : tensor<?x16xf32>
      }"""
    table = Random()(5, 16)
    rows = build(text, {"table": table}).function()
    assert rows(np.array([4, 0, 4], np.int32)).tobytes() == table[[4, 0, 4]].tobytes()
    for wrong in (5, -1):
        with pytest.raises(moec.MoecError, match=f"element 1 is {wrong}, it must be from 0 to 4"):
            rows(np.array([0, wrong], np.int32))


def test_run_on_files(build, tmp_path):
    random = Random()
    params = {f"head.{i}.weight": random(40, HIDDEN) for i in range(3)}
    params["head.folded.weight"] = random(40, HIDDEN)
    model, x = build(HEADS, params), random(TOKENS, HIDDEN)
    given, made = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    write_safetensors(given, {"features": x})

    def run(*flags):
        command = [str(BUILD / "bin" / "moec"), "run", str(model.path), "--inputs", str(given),
                   "--outputs", str(made), *flags]
        return subprocess.run(command, capture_output=True, text=True)

    done = run("--function", "folded")
    assert done.returncode == 0, done.stderr
    assert read_safetensors(made)["logits"].tobytes() == model.function("folded")(x).tobytes()
    done = run()
    assert done.returncode == 2 and "MOE0206" in done.stderr
    done = run("--function", "mixed")
    assert done.returncode == 1 and "MOE0156" in done.stderr and "'mix0'" in done.stderr
    write_safetensors(given, {"features": x.astype(np.float64)})
    done = run("--function", "folded")
    assert done.returncode == 1 and "of type F64, the function takes F32" in done.stderr


WRONG = {
    "MOE0150": "func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> { return %y : tensor<?x4xf32> }",
    "MOE0151": "func.func private @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {"
               " return %x : tensor<?x4xf32> }",
    "MOE0152": "func.func @f(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {"
               " return %x : tensor<4x?xf32> }",
    "MOE0153": "func.func @f() -> tensor<4xf32> { %0 = moe.weight \"w\" : tensor<4xf32>"
               " return %0 : tensor<4xf32> }",
    "MOE0154": "moe.recipes { %0 = moe.load \"w\" : tensor<4xf32>\n moe.define \"w\" role \"other\","
               " %0 : tensor<4xf32> } func.func @f() -> tensor<4xf32> {"
               " %0 = moe.weight \"w\" : tensor<4xf32> return %0 : tensor<4xf32> }",
    "MOE0155": "func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {"
               " %0 = tensor.cast %x : tensor<?x4xf32> to tensor<2x4xf32>"
               " %1 = tensor.cast %0 : tensor<2x4xf32> to tensor<?x4xf32>"
               " return %1 : tensor<?x4xf32> }",
}


@pytest.mark.parametrize("code", WRONG)
def test_wrong_modules(code, tmp_path):
    module = tmp_path / "wrong.mlir"
    module.write_text(WRONG[code])
    command = [str(BUILD / "bin" / "moec"), "compile", str(module), "-o", str(tmp_path / "x.moec")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and f"[{code}]" in done.stderr, done.stderr
    # Said where, but for what the module as a whole lacks.
    whole = code in ("MOE0151", "MOE0154")
    assert whole or "wrong.mlir\":1:" in done.stderr, done.stderr
    assert not (tmp_path / "x.moec").exists()


def test_constants_are_values(build):
    """A fill need not be the beginning of a product."""
    text = """
      func.func @constants(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?xi32>) {
        %c0 = arith.constant 0 : index
        %t = tensor.dim %x, %c0 : tensor<?x4xf32>
        %e = tensor.empty(%t) : tensor<?x4xf32>
        %z = arith.constant 1.5 : f32
        %f = linalg.fill ins(%z : f32) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
        %i = tensor.empty(%t) : tensor<?xi32>
        %n = arith.constant 7 : i32
        %g = linalg.fill ins(%n : i32) outs(%i : tensor<?xi32>) -> tensor<?xi32>
        return %f, %g : tensor<?x4xf32>, tensor<?xi32>
      }"""
    for flags in ((), ("--fallback",)):
        reals, numbers = build(text, None, *flags).function()(np.zeros((3, 4), np.float32))
        assert (reals == 1.5).all() and (numbers == 7).all() and len(numbers) == 3


def test_taps_are_values_of_ops(build):
    random = Random()
    params = {f"head.{i}.weight": random(40, HIDDEN) for i in range(3)}
    params["head.folded.weight"] = random(40, HIDDEN)
    folded = build(HEADS, params, "--taps").function("folded")
    product, = folded.taps
    assert product.endswith(" linalg.matmul") and HEADS.read_text().split("\n")[int(product.split(":")[0]) - 1].count("matmul")
    with pytest.raises(moec.MoecError, match="no value before the first step or call"):
        folded.tap(product)
    logits = folded(random(TOKENS, HIDDEN))
    assert folded.tap(product).tobytes() == logits.tobytes()
    with pytest.raises(moec.MoecError, match="no tap \"none\""):
        folded.tap("none")
    plain = build(HEADS, params).function("folded")
    assert plain.taps == []
    with pytest.raises(moec.MoecError, match="it has none, compile with --taps"):
        plain.tap(product)
