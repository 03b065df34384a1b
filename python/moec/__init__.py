"""moec: run compiled Mixture-of-Experts models from Python.

A thin layer over the C interface of the runtime (include/moec/Runtime.h): NumPy arrays or
anything with DLPack goes in, NumPy arrays (which speak DLPack) come out. No model code runs
in Python.

    import moec
    model = moec.Model("model.moec")
    session = model.session(threads=2)
    logits = session.prefill(0, [5, 17, 42])      # f32 [vocabulary]
    for token in session.generate(0, [7], max_new_tokens=16):
        print(token)
"""

from .errors import MoecError
from .function import Function
from .model import Model
from .session import Session

__all__ = ["Function", "Model", "MoecError", "Session"]
