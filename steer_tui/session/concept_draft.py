"""A concept that is being written, kept on disk until it is made: typed text outlives form and program.

Promises that a broken file costs no more than the draft. Knows nothing of the form's looks.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from steer_tui.files import write_atomic
from steer_tui.text import clean, one_line

MAX_FILE = 32 << 20


@dataclass(frozen=True, slots=True)
class ConceptDraft:
    """What the form holds."""

    name: str = ""
    text: str = ""
    """The examples as they were typed, or the path of a file that holds them."""
    method: str = "mean"
    read: str = "auto"

    @property
    def is_blank(self) -> bool:
        """Whether nothing was typed."""
        return not (self.name.strip() or self.text.strip())


def load_draft(path: Path) -> ConceptDraft:
    """Return the draft in a file; a blank one where there is none, or none that can be read."""
    try:
        if path.stat().st_size > MAX_FILE:
            return ConceptDraft()
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ConceptDraft()
    found = {
        key: value
        for key, value in (entries.items() if isinstance(entries, dict) else ())
        if key in ConceptDraft.__dataclass_fields__ and isinstance(value, str)
    }
    text = clean(found.pop("text", ""))
    return ConceptDraft(text=text, **{key: one_line(value) for key, value in found.items()})


def save_draft(path: Path, draft: ConceptDraft) -> None:
    """Write a draft; a blank one leaves no file.

    Raises:
        LibraryError: It cannot be written.
        OSError: An old one cannot be deleted.
    """
    if draft.is_blank:
        path.unlink(missing_ok=True)
    else:
        write_atomic(path, json.dumps(asdict(draft)).encode())
