"""A vector written for another program: where to, and in which format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from textual.widget import Widget

from steer_tui.errors import UsageError
from steer_tui.files import expanded
from steer_tui.library.catalogue import Listed
from steer_tui.library.formats.catalogue import FORMATS, format_for
from steer_tui.session.library_messages import ExportVector
from steer_tui.tui.screens.form import FormDialog, Line, row
from steer_tui.tui.widgets.choices import Choices, Option
from steer_tui.tui.widgets.pane import Part

BY_ENDING = "by ending"


class ExportForm(FormDialog[ExportVector]):
    """Answers with what is to be written; None where nothing is."""

    TITLE = "Export"
    LINES = 3
    DO = "write the file"

    def __init__(self, listed: Listed) -> None:
        super().__init__()
        self._entry = listed.entry
        self.path_line = Line(f"~/{listed.entry.name}.gguf", id="path", hint="such as ~/happy.gguf")
        formats = [Option(each.id, each.title) for each in FORMATS if each.can_export]
        endings = " ".join(ending for each in FORMATS if each.can_export for ending in each.endings)
        self.format = Choices("format", [Option(BY_ENDING, f"what the file's ending says: {endings}"), *formats])

    def fields(self) -> Iterable[Widget]:
        """Return path and format."""
        yield row("file", self.path_line)
        yield self.format

    @property
    def _path(self) -> Path:
        return expanded(self.path_line.value.strip())

    @property
    def _format(self) -> str | None:
        return None if self.format.value == BY_ENDING else self.format.value

    def judge(self) -> Sequence[Part]:
        """Return what the file will be, and what it will not hold."""
        self.button.is_ready = False
        if not self.path_line.value.strip():
            return [("it needs a file name", "warning")]
        try:
            found = format_for(self._path, self._format)
        except UsageError as error:
            return [(error.message, "warning"), (error.hint or "", "muted")]
        self.button.is_ready = True
        parts: list[Part] = [(found.title, "good")]
        parts.append((f"leaves behind: {found.loses}" if found.loses else "loses nothing", "muted"))
        if os.path.exists(self._path):
            parts.append(("a file of that name is there: it is written over", "warning"))
        return parts

    def submit(self) -> None:
        """Answer."""
        self.dismiss(ExportVector(self._entry, self._path, self._format))
