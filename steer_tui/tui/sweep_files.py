"""A sweep as a file, in the format that its ending says; written off the screen's thread."""

from __future__ import annotations

from pathlib import Path

from steer_tui.engine.sweepexport import to_csv, to_json_text, to_markdown
from steer_tui.engine.sweepgrid import SweepResult
from steer_tui.tui.numbers import size
from steer_tui.tui.quick import Severity

ENDINGS = {
    ".md": "the grid, the best cells and the command that repeats it",
    ".csv": "one line per cell, for a spreadsheet",
    ".json": "everything, as `sweep --json` prints it",
}
_WRITERS = {".md": to_markdown, ".csv": to_csv, ".json": to_json_text}


def write_sweep(result: SweepResult, path: str) -> tuple[str, Severity]:
    """Write a sweep and return what to say of it."""
    return write_text(_WRITERS[Path(path).suffix.lower()](result), path)


def write_text(text: str, path: str) -> tuple[str, Severity]:
    """Write a text file and return what to say of it."""
    data = text.encode("utf-8", "replace")
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror or error}", "error"
    return f"{path} written, {size(len(data))}", "information"
