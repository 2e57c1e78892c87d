"""The errors a person may meet: what is wrong, with the value in it, and what to do next.

Knows nothing of torch, textual or files.
"""

from __future__ import annotations


class SteerError(Exception):
    """An error that is shown to the user as `error: message` and, if there is a remedy, `hint: hint`."""

    exit_status = 1
    """Exit status of the command line; 1 failed while running, 2 bad input or usage."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """The next key or command; None where there is no remedy."""


class UsageError(SteerError):
    """The caller's input is wrong."""

    exit_status = 2


class RecipeError(UsageError):
    """A recipe does not parse or does not fit the model; `column` is 1-based, None where it names no place."""

    def __init__(self, message: str, *, hint: str | None = None, column: int | None = None) -> None:
        super().__init__(message if column is None else f"{message} (column {column})", hint=hint)
        self.column = column


class ModelError(SteerError):
    """A model cannot be found, loaded or hooked."""


class OutOfMemory(ModelError):
    """The model or the run does not fit in memory."""


class ShapeMismatch(UsageError):
    """A vector's width or layers do not fit the model."""


class LibraryError(SteerError):
    """A vector or concept file cannot be read or written."""


class Cancelled(SteerError):
    """The work was stopped on request; not a failure."""

    exit_status = 130
