"""Errors of the runtime as exceptions."""


class MoecError(RuntimeError):
    """A failed call.

    code: the runtime's code (`moec_code` in Runtime.h), an int.
    exit_code: what the command line tools exit with, an int.
    """

    def __init__(self, message, code, exit_code):
        super().__init__(message)
        self.code = code
        self.exit_code = exit_code

    @property
    def diagnostic(self):
        """The message behind its stable code, which `moec explain` knows."""
        if not self.code:
            return str(self)
        number = 1000 + self.code if self.code < 1000 else 1700 + self.code % 100
        return f"[MOE{number}] {self}"
