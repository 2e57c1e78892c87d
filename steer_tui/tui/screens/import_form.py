"""A vector file of another program taken into the library: where it is, and what only a person can say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.widget import Widget

from steer_tui.errors import UsageError
from steer_tui.files import expanded
from steer_tui.library.formats.catalogue import FORMATS
from steer_tui.library.names import check_name
from steer_tui.session.library_messages import ImportFiles
from steer_tui.tui.screens.form import FormDialog, Line, row
from steer_tui.tui.widgets.choices import Choices, Option
from steer_tui.tui.widgets.pane import Part

if TYPE_CHECKING:
    from steer_tui.library.trade import ImportResult

ENDINGS = " ".join(dict.fromkeys(ending for each in FORMATS if each.can_import for ending in each.endings))


class ImportForm(FormDialog[ImportFiles]):
    """Answers with what is to be imported; None where nothing is."""

    TITLE = "Import"
    LINES = 2
    DO = "import"

    def __init__(self) -> None:
        super().__init__()
        self.path_line = Line("", id="path", hint="path of a file, or several with blanks between")
        self.name_line = Line("", id="name", hint="the file's own")

    def fields(self) -> Iterable[Widget]:
        """Return path and name."""
        yield row("file", self.path_line)
        yield row("name", self.name_line)

    @property
    def _paths(self) -> tuple[Path, ...]:
        """The files: one whose name may hold blanks, or several."""
        text = self.path_line.value.strip().strip("'\"")
        whole = expanded(text)
        parts = text.split()
        if len(parts) > 1 and all(Path(part).suffix for part in parts):
            return tuple(expanded(part) for part in parts)
        return (whole,) if text else ()

    def judge(self) -> Sequence[Part]:
        """Return what can be imported."""
        self.button.is_ready = False
        if not self._paths:
            return [(f"reads {ENDINGS}", "muted"), ("what a file does not say is asked afterwards", "muted")]
        name = self.name_line.value.strip()
        try:
            if name:
                check_name(name)
        except UsageError as error:
            return [(error.message, "warning"), (error.hint or "", "muted")]
        self.button.is_ready = True
        return [("" if len(self._paths) == 1 else f"{len(self._paths)} files", "good")]

    def submit(self) -> None:
        """Answer."""
        self.dismiss(ImportFiles(self._paths, self.name_line.value.strip() or None))


class ImportQuestion(FormDialog[ImportFiles]):
    """Asks what a file does not say: its producer, or the block it belongs to."""

    TITLE = "Import"
    LINES = 3
    DO = "import"

    def __init__(self, result: ImportResult, asked: ImportFiles) -> None:
        super().__init__()
        assert result.question is not None
        self._result, self._question = result, result.question
        self._asked = replace(asked, paths=(result.path,))
        self.layer_line = Line("", id="layer", hint="a block's number, from 0")
        options = [Option(choice.producer, choice.label) for choice in self._question.choices]
        self.producer = Choices("made by", options or [Option("", "")])

    def fields(self) -> Iterable[Widget]:
        """Return the one field that answers."""
        yield self.producer if self._question.kind == "producer" else row("block", self.layer_line)

    def judge(self) -> Sequence[Part]:
        """Return the question, and whether the answer makes sense."""
        is_number = self.layer_line.value.strip().isdecimal()
        self.button.is_ready = self._question.kind == "producer" or is_number
        return [(f"{self._result.path.name}: {self._question.text}", "strong")]

    def submit(self) -> None:
        """Answer."""
        if self._question.kind == "producer":
            self.dismiss(replace(self._asked, producer=self.producer.value))
        else:
            self.dismiss(replace(self._asked, layer_offset=int(self.layer_line.value)))
