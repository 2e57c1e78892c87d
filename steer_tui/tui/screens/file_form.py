"""A file to be written: its name, the format by its ending. An existing file is named before it is written over."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from textual.widget import Widget

from steer_tui.files import expanded
from steer_tui.tui.screens.form import FormDialog, Line, row
from steer_tui.tui.widgets.pane import Part


class FileForm(FormDialog[str]):
    """Answers with a path; None where nothing is to be written."""

    TITLE = "Export"
    FOOT = "enter writes, esc leaves"
    DO = "write the file"

    def __init__(self, name: str, endings: Mapping[str, str], what: str = "") -> None:
        """Ask for a file.

        Args:
            name: What stands in the field at first.
            endings: Ending, such as `.csv`, to what such a file holds.
            what: What is written, such as `12 runs`; empty where that is plain.
        """
        super().__init__()
        self._endings, self._what = endings, what
        self.path_line = Line(name, id="path")

    def fields(self) -> Iterable[Widget]:
        """Return the path."""
        yield row("file", self.path_line)

    def judge(self) -> Sequence[Part]:
        """Return what the file will hold, and whether one is there."""
        self.button.is_ready = False
        text = self.path_line.value.strip()
        if not text:
            return [("it needs a file name", "warning")]
        path = expanded(text)
        ending = path.suffix.lower()
        if ending not in self._endings:
            return [(f"the ending says the format: {' '.join(self._endings)}", "warning")]
        is_folder = os.path.isdir(path)  # of a name that is too long too, where a Path raises
        if is_folder or not os.path.isdir(path.parent):
            return [("that is a folder" if is_folder else f"no folder {path.parent}", "warning")]
        self.button.is_ready = True
        parts = [(f"{self._what}{': ' if self._what else ''}{self._endings[ending]}", "good")]
        if os.path.exists(path):
            parts.append(("a file of that name is there: it is written over", "warning"))
        return parts

    def submit(self) -> None:
        """Answer."""
        self.dismiss(str(expanded(self.path_line.value.strip())))
