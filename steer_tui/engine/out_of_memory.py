"""One error for running out of memory, whichever device and allocator said so in whichever words. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from steer_tui.errors import OutOfMemory

_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
"""What CUDA and MPS, the CPU allocator, and Windows say."""


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory ran out, by whatever kind a library says so."""
    if isinstance(error, OutOfMemory | MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)


@contextmanager
def memory_errors_named(message: str, hint: str) -> Iterator[None]:
    """Turn running out of memory inside into `OutOfMemory` with this message and hint; other errors pass."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise OutOfMemory(message, hint=hint) from error
        raise
