"""Opened artifacts."""

import ctypes as c
import json
import pathlib

from . import abi
from .errors import MoecError
from .function import Function
from .session import Session


class Model(abi.Owner):
    """An artifact, checked and mapped. May be shared by threads.

    path: the directory NAME.moec. Raises MoecError when it is damaged, of another version, or
    needs a CPU feature that this machine lacks.

    Attributes: vocabulary, layers, hidden, context, step_tokens, sequences (int); family, dtype,
    target (str); eos, moe_layers (lists of int), experts and experts_per_token (lists of int, one
    for each of moe_layers); taps and functions (names).
    """

    _free = "moec_model_close"

    def __init__(self, path):
        self.path = pathlib.Path(path)
        super().__init__()
        abi.call("moec_model_open", str(path).encode(), None, c.byref(self.handle))
        info = abi.ModelInfo(struct_size=c.sizeof(abi.ModelInfo))
        abi.call("moec_model_get_info", self.handle, c.byref(info))
        for name in ("vocabulary", "layers", "hidden", "context", "step_tokens", "sequences",
                     "weights_bytes", "state_bytes"):
            setattr(self, name, getattr(info, name))
        for name in ("family", "dtype", "target"):
            value = getattr(info, name)
            setattr(self, name, value.decode() if value else None)
        self.bos = info.bos if info.bos >= 0 else None
        self.eos = info.eos[:info.eos_count]
        for name in ("moe_layers", "experts", "experts_per_token"):
            setattr(self, name, getattr(info, name)[:info.moe_layer_count])
        lib = abi.library()
        self.taps = [lib.moec_model_tap_name(self.handle, i).decode()
                     for i in range(info.tap_count)]
        self.functions = []
        while name := lib.moec_model_function_name(self.handle, len(self.functions)):
            self.functions.append(name.decode())

    def session(self, threads=0, context=0, step_tokens=0, sequences=0):
        """A new Session. threads: 0 for one a CPU; the others: limits, 0 for the artifact's."""
        return Session(self, threads, context, step_tokens, sequences)

    def function(self, name=None, threads=0, step_tokens=0):
        """A Function of an artifact that was compiled from a module; the name may be left out
        where there is one only. threads: 0 for one a CPU; step_tokens: the largest T of a call,
        0 for the artifact's."""
        if name is None and len(self.functions) != 1:
            raise ValueError(f"which function? There are {', '.join(self.functions)}")
        return Function(self, name or self.functions[0], threads, step_tokens)

    def manifest(self):
        """The artifact's manifest, as a dict (docs/artifact.md)."""
        return json.loads((self.path / "manifest.json").read_text())

    def check(self):
        """Reads all files and compares their checksums; raises MoecError on damage."""
        abi.call("moec_model_check_weights", self.handle)

    def tokenizer(self):
        """The `tokenizers.Tokenizer` that travels in the artifact (needs that package)."""
        try:
            import tokenizers
        except ImportError as error:
            raise MoecError(
                f"text needs the package tokenizers ({error}); install it, or give token ids to "
                "Session.generate()", 0, 1) from error
        path = self.path / "tokenizer.json"
        if not path.exists():
            raise MoecError(f"{self.path}: the artifact has no tokenizer.json; give token ids to "
                            "Session.generate()", 304, 3)
        try:
            return tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # The package raises nothing more special.
            raise MoecError(f"{path}: {error}", 106, 1) from error
