"""A note of one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from steer_tui.text import one_line
from steer_tui.tui.screens.form import FormDialog, Line, row
from steer_tui.tui.widgets.pane import Part


class NoteForm(FormDialog[str]):
    """Answers with the note, empty for none; None where it was left."""

    TITLE = "Note"
    FOOT = "enter keeps, esc leaves"
    LINES = 1
    DO = "keep the note"

    def __init__(self, note: str) -> None:
        super().__init__()
        self.line = Line(note, id="note", hint="what to remember of it")
        self._had = bool(note)

    def fields(self) -> Iterable[Widget]:
        """Return the line."""
        yield row("note", self.line)

    def judge(self) -> Sequence[Part]:
        """Return what happens to it."""
        if self.line.value.strip():
            return [("found by the filter, and written to exports", "muted")]
        return [("the note is taken away" if self._had else "", "muted")]

    def submit(self) -> None:
        """Answer."""
        self.dismiss(one_line(self.line.value))
