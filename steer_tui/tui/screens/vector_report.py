"""What came of making a vector: whether it will work and where, and one key to steer with it."""

from __future__ import annotations

from textual import events

from steer_tui.library.catalogue import Listed
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.vector_lines import Row, vector_lines
from steer_tui.tui.widgets.pane import Pane, Part

STEER, AGAIN = "steer", "again"
KEYS = (("enter", "steer with it"), ("e", "change the examples"), ("esc", "close"))


class VectorReport(Pane):
    """The vector in full, above the keys."""

    TITLE = "New vector"
    foot_count = 2

    def __init__(self, listed: Listed) -> None:
        super().__init__(id="report")
        self._listed = listed
        self._rows: tuple[int, list[Row]] = (0, [])

    def _lines(self, width: int) -> list[Row]:
        if self._rows[0] != width:
            self._rows = (width, vector_lines(self._listed, width, self.glyphs))
        return self._rows[1]

    def line_total(self) -> int:
        """Return how many lines there are."""
        return len(self._lines(self.text_width if self.size.width else MadeDialog.WIDTH - 4))

    def line(self, index: int, width: int) -> list[Part]:
        """Return one of them."""
        return self._lines(width)[index]

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return a rule and the keys."""
        if index == 0:
            return [(self.glyphs.rail * width, "rail")]
        return [part for key, words in KEYS for part in ((f"{key} ", "key"), (f"{words}   ", "muted"))]

    def on_key(self, event: events.Key) -> None:
        """Answer or scroll."""
        page = max(1, self.body_height - 1)
        moves = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": page, "pageup": -page, "g": -999, "G": 999}
        if event.key in ("enter", "e"):
            self.screen.dismiss(STEER if event.key == "enter" else AGAIN)
        elif event.key in moves:
            self.scroll_lines(moves[event.key])
        else:
            return
        event.stop()


class MadeDialog(Dialog[str]):
    """Answers with STEER or AGAIN; None where it was closed."""

    WIDTH = 88

    def __init__(self, listed: Listed) -> None:
        super().__init__(VectorReport(listed))
