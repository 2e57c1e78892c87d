"""A page of lines in the middle of the screen, scrolled by keys. Knows nothing of what the lines say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events

from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.vector_lines import Row
from steer_tui.tui.widgets.pane import Pane, Part

FAR = 10**9


class Page(Pane):
    """Lines made anew for every width; a subclass gives them in `rows`."""

    ANSWERS: ClassVar[Mapping[str, str | None]] = {"enter": None, "q": None}
    """Keys that close the page, and what they answer."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._made: tuple[int, list[Row]] = (0, [])

    def rows(self, width: int) -> list[Row]:
        """Return the lines, at most `width` cells each."""
        return []

    def _lines(self, width: int) -> list[Row]:
        if self._made[0] != width:
            self._made = (width, self.rows(width))
        return self._made[1]

    def line_total(self) -> int:
        """Return how many lines there are."""
        return len(self._lines(self.text_width if self.size.width else PageDialog.WIDTH - 4))

    def line(self, index: int, width: int) -> list[Part]:
        """Return one of them."""
        return self._lines(width)[index]

    def on_key(self, event: events.Key) -> None:
        """Scroll, or close."""
        page = max(1, self.body_height - 1)
        moves = {"j": 1, "down": 1, "k": -1, "up": -1, "g": -FAR, "G": FAR}
        moves |= {"pagedown": page, "space": page, "pageup": -page}
        if event.key in moves:
            self.scroll_lines(moves[event.key])
        elif event.key in self.ANSWERS:
            self.screen.dismiss(self.ANSWERS[event.key])
        else:
            return
        event.stop()


class PageDialog(Dialog[str]):
    """Shows a page; answers as the page says, None where it was closed."""

    WIDTH = 88
