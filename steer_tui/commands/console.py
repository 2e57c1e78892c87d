"""What every command reads a prompt and prints with: results on stdout, all else on stderr, no control character.

Knows nothing of models.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence

from steer_tui.text import cell_width, clean, one_line, truncate

_BAR_CELLS = 24
_LABEL_CELLS = 40
_REDRAW_SECONDS = 0.1


def complain(message: str, hint: str | None) -> None:
    """Print `error: message` and, where there is one, `hint: hint` on stderr, each in one line."""
    sys.stderr.write(f"error: {one_line(message)}\n")
    if hint:
        sys.stderr.write(f"hint: {one_line(hint)}\n")
    sys.stderr.flush()


def note(line: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(one_line(line) + "\n")
    sys.stderr.flush()


def read_prompt(text: str) -> str:
    """Return a prompt, read from stdin where it is `-`, cleaned of control characters and lone surrogates."""
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace").removesuffix("\n")
    return clean(text)


def print_json(value: object) -> None:
    """Print one JSON object on stdout; NaN and infinity, which JSON lacks, become null."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_plain(value))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below a head in aligned columns; the last column runs free."""
    lines = [[one_line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(cell_width(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = [cell + " " * (width - cell_width(cell)) for cell, width in zip(line, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    sys.stdout.flush()


class Progress:
    """A bar on stderr where that is a terminal, nothing elsewhere; a context that wipes the bar at its end."""

    def __init__(self, label: str) -> None:
        self.label = truncate(one_line(label), _LABEL_CELLS)
        self._shown = sys.stderr.isatty()
        self._drawn_at = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._drawn_at:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def show(self, fraction: float | None, remark: str = "") -> None:
        """Draw the bar at `fraction`, 0 to 1; None where it cannot be told."""
        now = time.monotonic()
        if not self._shown or now - self._drawn_at < _REDRAW_SECONDS:
            return
        self._drawn_at = now
        if fraction is None:
            bar = "." * _BAR_CELLS
        else:
            done = round(min(max(fraction, 0.0), 1.0) * _BAR_CELLS)
            bar = "#" * done + "." * (_BAR_CELLS - done)
        share = "" if fraction is None else f" {fraction:4.0%}"
        line = f"{self.label} [{bar}]{share} {one_line(remark)}"
        sys.stderr.write(f"\r{truncate(line, shutil.get_terminal_size().columns - 1)}\x1b[K")
        sys.stderr.flush()
