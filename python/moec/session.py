"""Sessions: the sequences that a model works on."""

import ctypes as c

import numpy as np

from . import abi


def _token_ids(ids):
    """Anything with token ids as a contiguous int32 array; DLPack is taken without a copy."""
    if hasattr(ids, "__dlpack__") and not isinstance(ids, np.ndarray):
        ids = np.from_dlpack(ids)
    array = np.asarray(ids)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"token ids must be integers, got {array.dtype}")
    if array.ndim > 1:
        raise ValueError(f"token ids must be of rank 1, got shape {array.shape}")
    limits = np.iinfo(np.int32)
    # The conversion would wrap; what fits but is no token the library refuses itself.
    for value in (array.min(), array.max()) if array.size else ():
        if not limits.min <= value <= limits.max:
            raise ValueError(f"token ids must fit into 32 bits, got {value}")
    return np.ascontiguousarray(array, np.int32).reshape(-1)


def _pointer(array):
    return array.ctypes.data_as(c.POINTER(c.c_int32))


class Session(abi.Owner):
    """Sequences in slots 0, 1, ... with their state; used by one thread at a time."""

    _free = "moec_session_destroy"

    def __init__(self, model, threads, context, step_tokens, sequences):
        self.model = model
        self.context = context or model.context
        super().__init__()
        options = abi.SessionOptions(c.sizeof(abi.SessionOptions), threads, context, step_tokens,
                                     sequences)
        abi.call("moec_session_create", model.handle, c.byref(options), c.byref(self.handle))

    def step(self, sequences, rows="last"):
        """Runs one ragged step.

        sequences: list of (slot, ids); the ids take the positions that follow in the slot.
        rows: "last" (logits of each sequence's last token, in their order), "all" (of every
        token), or ascending indices into the tokens of the step. Returns f32 [rows, vocabulary].
        """
        parts = [(slot, _token_ids(ids)) for slot, ids in sequences]
        array = (abi.Sequence * len(parts))(
            *[abi.Sequence(slot, len(ids), _pointer(ids)) for slot, ids in parts])
        step = abi.Step(c.sizeof(abi.Step), array, len(parts))
        if isinstance(rows, str):
            step.row_count = {"last": abi.ROWS_LAST, "all": abi.ROWS_ALL}[rows]
            count = len(parts) if rows == "last" else sum(len(ids) for _, ids in parts)
        else:
            wanted = _token_ids(rows)
            step.rows, step.row_count, count = _pointer(wanted), len(wanted), len(wanted)
        logits = c.POINTER(c.c_float)()
        abi.call("moec_session_step", self.handle, c.byref(step), c.byref(logits))
        if not count:
            return np.empty((0, self.model.vocabulary), np.float32)
        return np.ctypeslib.as_array(logits, (count, self.model.vocabulary)).copy()

    def prefill(self, slot, ids):
        """Appends ids of any number to a slot; the logits after the last, f32 [vocabulary]."""
        ids = _token_ids(ids)
        logits = c.POINTER(c.c_float)()
        abi.call("moec_session_prefill", self.handle, slot, _pointer(ids), len(ids),
                 c.byref(logits))
        return np.ctypeslib.as_array(logits, (self.model.vocabulary,)).copy()

    def generate(self, slot, ids, max_new_tokens=128, temperature=0.0, top_k=0, top_p=1.0,
                 seed=0, ignore_eos=False):
        """Appends ids to a slot and yields new token ids; ends after an end-of-sequence token,
        which is yielded too, and where the context is full. temperature 0 is greedy, ties to the lowest id."""
        sampling = abi.Sampling(c.sizeof(abi.Sampling), temperature, top_k, top_p, seed)
        sampler = c.c_void_p()
        abi.call("moec_sampler_create", c.byref(sampling), c.byref(sampler))
        try:
            for _ in range(max_new_tokens):
                logits = self.prefill(slot, ids)
                token = c.c_int32()
                abi.call("moec_sampler_sample", sampler,
                         logits.ctypes.data_as(c.POINTER(c.c_float)), len(logits),
                         c.byref(token))
                yield token.value
                if token.value in self.model.eos and not ignore_eos:
                    return
                if self.length(slot) == self.context:
                    return
                ids = [token.value]
        finally:
            abi.library().moec_sampler_destroy(sampler)

    def tap(self, name):
        """A tap's value of the last step, for example "layers.0.experts": i32 [tokens, k]."""
        view = abi.View(struct_size=c.sizeof(abi.View))
        abi.call("moec_session_tap", self.handle, name.encode(), c.byref(view))
        return abi.copied(view)

    def length(self, slot):
        """Positions that a slot holds."""
        return abi.library().moec_session_length(self.handle, slot)

    def reset(self, slot):
        """Empties a slot."""
        abi.call("moec_session_reset", self.handle, slot)

    def truncate(self, slot, length):
        """Keeps the first `length` positions of a slot; models with recurrent layers keep all or
        none."""
        abi.call("moec_session_truncate", self.handle, slot, length)

    def fork(self, source, target, length):
        """Lets `target` hold the first `length` positions of `source`; models with recurrent
        layers fork all of them or none."""
        abi.call("moec_session_fork", self.handle, source, target, length)
