"""The Difference pane of History: what differs between two runs, line by line."""

from __future__ import annotations

from steer_tui.session.history_words import Difference
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.widgets.pane import Pane, Part

NAME, DELTA = 14, 8


class Differences(Pane):
    """Settings that are not the same, and measures side by side."""

    TITLE = "Difference"
    head_count = 1

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: tuple[Difference, ...] = ()
        self._titles = ("A", "B")

    def show(self, rows: tuple[Difference, ...], titles: tuple[str, str]) -> None:
        """Show these."""
        self._rows, self._titles = rows, (label(titles[0]), label(titles[1]))
        self.top = 0
        self.refresh()

    def line_total(self) -> int:
        """Return the number of differences."""
        return len(self._rows) or 1

    def _sizes(self, width: int) -> tuple[int, int]:
        half = max(1, (width - NAME - DELTA) // 2)
        return half, max(1, width - NAME - DELTA - half)

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return which is which."""
        left, right = self._sizes(width)
        first, second = (fit(self._titles[0], left - 1), fit(self._titles[1], right - 1))
        return [(fit("", NAME), ""), (f"{first} {second} ", "group"), (fit_right("B - A", DELTA - 1), "group")]

    def line(self, index: int, width: int) -> list[Part]:
        """Return a difference."""
        if not self._rows:
            return [(fit("the same settings, and no measures to compare", width, self.glyphs.ellipsis), "muted")]
        row = self._rows[index]
        left, right = self._sizes(width)
        return [
            (fit(row.name, NAME - 1, self.glyphs.ellipsis) + " ", "muted"),
            (fit(label(row.left), left - 1, self.glyphs.ellipsis) + " ", ""),
            (fit(label(row.right), right - 1, self.glyphs.ellipsis) + " ", ""),
            (fit_right(row.delta, DELTA - 1), "strong"),
        ]
