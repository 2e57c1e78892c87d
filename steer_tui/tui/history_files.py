"""Runs and sweeps of the journal as a file, in the format that its ending says; written off the screen's thread."""

from __future__ import annotations

from pathlib import Path

from steer_tui.errors import SteerError
from steer_tui.session.history_file import HistoryFile
from steer_tui.session.history_words import to_jsonl, to_markdown
from steer_tui.tui.numbers import size
from steer_tui.tui.quick import Severity

ENDINGS = {
    ".jsonl": "a line of JSON each, with all that is kept",
    ".md": "a chapter each, for reading",
}
_WRITERS = {".jsonl": to_jsonl, ".md": to_markdown}


def write_history(file: HistoryFile, filter: str, path: str) -> tuple[str, Severity]:
    """Write what a filter lets through, entry by entry, and return what to say of it."""
    writer = _WRITERS[Path(path).suffix.lower()]
    try:
        with open(path, "w", encoding="utf-8", errors="replace", newline="\n") as target:
            target.writelines(writer(file.records(filter)))
        return f"{path} written, {size(Path(path).stat().st_size)}", "information"
    except SteerError as error:
        return error.message, "error"
    except OSError as error:
        return f"{path} cannot be written: {error.strerror or error}", "error"
