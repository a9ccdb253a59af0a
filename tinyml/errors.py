"""Errors that the user can mend. Anything else that is raised is a bug of ours."""


class TinymlError(Exception):
    """A mistake in the user's model, flags, board file or tools.

    Args:
        what: what failed, where (file, node, key), the value and what was expected. One or more full lines.
        hint: what to do next, or None where nothing sensible can be said.
    """

    exit_code = 1

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return self.what if self.hint is None else f"{self.what}\n  hint: {self.hint}"


class ModelError(TinymlError):
    """The model file is malformed, or uses something that no kernel exists for."""


class UsageError(TinymlError):
    """A flag has a value that makes no sense."""

    exit_code = 2


class BoardError(TinymlError):
    """A board or profile file is unknown or malformed."""


class ToolError(TinymlError):
    """A compiler, emulator or flash tool is missing or failed."""


class DoesNotFitError(TinymlError):
    """The model needs more SRAM or flash than the board or the budget has."""

    exit_code = 3


class MismatchError(TinymlError):
    """Two executions that must agree do not. Raised behind the results, which say where."""

    exit_code = 4
