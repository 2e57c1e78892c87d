"""A vector's name, group, tags and note, changed together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.widget import Widget

from steer_tui.errors import UsageError
from steer_tui.library.catalogue import Listed
from steer_tui.library.names import check_name
from steer_tui.library.words import check_words
from steer_tui.session.library_messages import DescribeVector
from steer_tui.tui.screens.form import FormDialog, Line, row
from steer_tui.tui.widgets.pane import Part

Typed = tuple[str, str, str, str]
"""Name, group, tags, note."""


class VectorForm(FormDialog[DescribeVector]):
    """Answers with what is to be written; None where nothing is."""

    TITLE = "Rename and describe"
    LINES = 2
    drafts: ClassVar[dict[Path, Typed]] = {}
    """What was typed and left, by file."""

    def __init__(self, listed: Listed) -> None:
        super().__init__()
        self._entry = listed.entry
        meta = listed.entry.meta
        words = (meta.group, " ".join(meta.tags), meta.description) if meta else ("", "", "")
        self._before: Typed = (listed.entry.name, *words)
        name, group, tags, note = self.drafts.get(listed.entry.path, self._before)
        self.name_line = Line(name, id="name")
        self.group_line = Line(group, id="group", hint="such as emotions")
        self.tags_line = Line(tags, id="tags", hint="words, with blanks between")
        self.note_line = Line(note, id="note", hint="anything to remember")

    def fields(self) -> Iterable[Widget]:
        """Return the lines; a file that does not parse can only be renamed."""
        yield row("name", self.name_line)
        if self._entry.meta is not None:
            yield row("group", self.group_line)
            yield row("tags", self.tags_line)
            yield row("note", self.note_line)

    def judge(self) -> Sequence[Part]:
        """Return what is wrong, or what will happen."""
        try:
            name = check_name(self.name_line.value.strip())
            check_words(self.group_line.value, self.note_line.value, self.tags_line.value.split())
        except UsageError as error:
            self.button.is_ready = False
            return [(error.message, "warning"), (error.hint or "", "muted")]
        self.button.is_ready = True
        return [(f"{self._entry.name} becomes {name}" if name != self._entry.name else "", "muted")]

    def action_leave(self) -> None:
        """Leave; what was typed is kept for the next time."""
        lines = (self.name_line, self.group_line, self.tags_line, self.note_line)
        name, group, tags, note = (line.value for line in lines)
        if (name, group, tags, note) != self._before:
            self.drafts[self._entry.path] = (name, group, tags, note)
            self.app.notify("nothing is changed; e goes on with what you typed", markup=False)
        self.dismiss(None)

    def submit(self) -> None:
        """Answer."""
        self.drafts.pop(self._entry.path, None)
        self.dismiss(
            DescribeVector(
                self._entry,
                check_name(self.name_line.value.strip()),
                self.group_line.value.strip(),
                self.note_line.value.strip(),
                tuple(self.tags_line.value.split()),
            )
        )
