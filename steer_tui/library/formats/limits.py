"""A foreign file as bytes, read whole and within bounds, and what every reader holds numbers to.

Promises to wait for nothing and to refuse what is no plain file. Knows no format; imports no torch.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from steer_tui.engine.vectormeta import MAX_LAYER
from steer_tui.errors import LibraryError
from steer_tui.library.header import MAX_WIDTH

MAX_FILE = 40 << 20
"""Bytes. The largest model that has a vector at all blocks today (126 of width 16384) needs 8 MB as float32."""
MAX_LAYERS = 1024
"""Directions in one vector."""


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A file from elsewhere."""

    path: Path
    data: bytes

    @property
    def stem(self) -> str:
        """Its name without folder and ending."""
        return self.path.name.removesuffix(self.path.suffix)


def read_foreign(path: Path, limit: int = MAX_FILE) -> ForeignFile:
    """Return the file at `path`, read once: what is checked is what is used.

    Raises:
        LibraryError: It cannot be read, is no plain file, is empty or is larger than `limit` bytes.
    """
    try:
        # O_NONBLOCK: a pipe with this name would otherwise be waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise LibraryError("is not a regular file")
            if status.st_size > limit:
                raise LibraryError(
                    f"is larger than {limit >> 20} MiB, more than a vector can need", hint="is it a model?"
                )
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else None
        raise LibraryError(f"cannot be read: {reason or 'unknown reason'}") from error
    if not data:
        raise LibraryError("is empty")
    if len(data) > limit:
        raise LibraryError(f"is larger than {limit >> 20} MiB, more than a vector can need")
    return ForeignFile(path, data)


def check_layer(text: object) -> int:
    """Return the layer number that a key of a file stands for: a whole number of 0 or more, or its decimal text.

    Raises:
        LibraryError: It is none.
    """
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_LAYER)):
        if text != "0" and text.startswith("0"):
            raise LibraryError("writes a layer number with leading zeros")
        text = int(text)
    if not isinstance(text, int) or isinstance(text, bool) or not 0 <= text <= MAX_LAYER:
        raise LibraryError(f"names a layer that is none: {shown(text)}")
    return text


def check_width(width: int) -> int:
    """Return a width that a residual stream may have.

    Raises:
        LibraryError: It is none.
    """
    if not 0 < width <= MAX_WIDTH:
        raise LibraryError(f"holds a direction of {width} numbers")
    return width


def check_count(count: int) -> None:
    """Refuse a file without a direction, or with more than any model has blocks.

    Raises:
        LibraryError: As said.
    """
    if count == 0:
        raise LibraryError("holds no direction")
    if count > MAX_LAYERS:
        raise LibraryError(f"holds {count} directions, more than any model has blocks")


def shown(value: object, length: int = 40) -> str:
    """Return a value of a file as a message may show it: cleaned, in one line, cut."""
    from steer_tui.text import one_line, truncate

    return truncate(one_line(repr(value) if not isinstance(value, str) else value[:200]), length)
