"""What came of making a vector: whether it will work and where, and one key to steer with it."""

from __future__ import annotations

from steer_tui.library.catalogue import Listed
from steer_tui.tui.screens.report import Page
from steer_tui.tui.vector_lines import Row, vector_lines
from steer_tui.tui.widgets.pane import Part

STEER, AGAIN = "steer", "again"
KEYS = (("enter", "steer with it"), ("e", "change the examples"), ("esc", "close"))


class VectorReport(Page):
    """The vector in full, above the keys."""

    TITLE = "New vector"
    ANSWERS = {"enter": STEER, "e": AGAIN}
    foot_count = 2

    def __init__(self, listed: Listed) -> None:
        super().__init__("report")
        self._listed = listed

    def rows(self, width: int) -> list[Row]:
        """Return what there is to say of the vector."""
        return vector_lines(self._listed, width, self.glyphs)

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return a rule and the keys."""
        if index == 0:
            return [(self.glyphs.rail * width, "rail")]
        return [part for key, words in KEYS for part in ((f"{key} ", "key"), (f"{words}   ", "muted"))]
