"""One question, answered by enter or y, refused by esc or n."""

from __future__ import annotations

from textual import events

from steer_tui.tui.safe import fit, label
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.widgets.pane import Pane, Part


class QuestionPane(Pane):
    """The question and its two keys."""

    TITLE = "Question"

    def __init__(self, text: str) -> None:
        super().__init__(id="question")
        self._text = label(text)

    def line_total(self) -> int:
        """Return question, blank, keys."""
        return 3

    def line(self, index: int, width: int) -> list[Part]:
        """Return one of the three lines."""
        if index == 0:
            return [(" ", ""), (fit(self._text, width - 1, self.glyphs.ellipsis), "strong")]
        if index == 1:
            return []
        return [(" enter", "key"), (" yes   ", "muted"), ("esc", "key"), (" no", "muted")]

    def on_key(self, event: events.Key) -> None:
        """Answer."""
        if event.key in ("enter", "y", "n"):
            event.stop()
            self.screen.dismiss(event.key != "n")


class Question(Dialog[bool]):
    """Answers with yes or no; None where it was left."""

    def __init__(self, text: str) -> None:
        super().__init__(QuestionPane(text))
