"""The Details pane: one vector in full, scrolled by itself."""

from __future__ import annotations

from steer_tui.library.catalogue import Listed
from steer_tui.tui.safe import fit
from steer_tui.tui.vector_lines import Row, vector_lines
from steer_tui.tui.widgets.pane import Pane, Part


class VectorDetails(Pane):
    """What there is to say of the vector under the cursor."""

    TITLE = "Details"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._listed: Listed | None = None
        self._rows: tuple[int, list[Row]] = (0, [])
        self.empty_note = "no vector: n makes one"

    def show(self, listed: Listed | None) -> None:
        """Show another vector, from its first line."""
        if listed is not self._listed:
            is_same = listed is not None and self._listed is not None and listed.entry.path == self._listed.entry.path
            self._listed, self._rows = listed, (0, [])
            self.top = min(self.top, self.last_top) if is_same else 0
            self.refresh()

    def _lines(self, width: int) -> list[Row]:
        if self._listed is not None and self._rows[0] != width:
            self._rows = (width, vector_lines(self._listed, width, self.glyphs))
        return self._rows[1]

    def line_total(self) -> int:
        """Return how many lines there are."""
        return len(self._lines(self.text_width)) or 1

    def line(self, index: int, width: int) -> list[Part]:
        """Return one of them."""
        lines = self._lines(width)
        if not lines:
            return [(fit(self.empty_note, width, self.glyphs.ellipsis), "muted")]
        return lines[index]
