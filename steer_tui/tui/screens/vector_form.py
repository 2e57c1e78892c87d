"""A vector's name, group, tags and note, changed together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from steer_tui.errors import UsageError
from steer_tui.library.catalogue import Listed
from steer_tui.library.names import check_name
from steer_tui.library.words import check_words
from steer_tui.session.library_messages import DescribeVector
from steer_tui.tui.screens.form import FormDialog, Line, row
from steer_tui.tui.widgets.pane import Part


class VectorForm(FormDialog[DescribeVector]):
    """Answers with what is to be written; None where nothing is."""

    TITLE = "Rename and describe"
    LINES = 2

    def __init__(self, listed: Listed) -> None:
        super().__init__()
        self._entry = listed.entry
        meta = listed.entry.meta
        self.name_line = Line(listed.entry.name, id="name")
        self.group_line = Line(meta.group if meta else "", id="group", hint="such as emotions")
        self.tags_line = Line(" ".join(meta.tags) if meta else "", id="tags", hint="words, with blanks between")
        self.note_line = Line(meta.description if meta else "", id="note", hint="anything to remember")

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

    def submit(self) -> None:
        """Answer."""
        self.dismiss(
            DescribeVector(
                self._entry,
                check_name(self.name_line.value.strip()),
                self.group_line.value.strip(),
                self.note_line.value.strip(),
                tuple(self.tags_line.value.split()),
            )
        )
