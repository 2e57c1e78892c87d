"""A pane of rows, one of which has the cursor. Knows nothing of what the rows are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.message import Message

from steer_tui.tui.widgets.pane import Pane


class RowList(Pane):
    """A pane with a cursor; a subclass keeps its rows in `_rows`, or says in `row_total` how many there are."""

    has_hover = True
    _rows: Sequence[Any] = ()

    class Moved(Message):
        """The cursor came to stand on another row."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0
        """Index of the row that keys act on; 0 where there is none."""

    def row_total(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def line_total(self) -> int:
        """Return the number of rows; without any, one line says so."""
        return self.row_total() or 1

    def is_cursor(self, index: int) -> bool:
        """Say whether the line is under the cursor."""
        return index == self.cursor and self.row_total() > 0

    def move(self, amount: int) -> None:
        """Move the cursor by so many rows."""
        self.go(min(max(0, self.cursor + amount), max(0, self.row_total() - 1)))

    def go(self, index: int) -> None:
        """Put the cursor on a row."""
        if index != self.cursor:
            self.cursor = index
            self.show_cursor()
            self.post_message(self.Moved())

    def show_cursor(self) -> None:
        """Bring the cursor into sight, the view within the lines there are."""
        self.top = min(self.top, self.last_top)
        self.show_line(self.cursor)
        self.refresh()

    def on_resize(self) -> None:
        """Keep the cursor in sight where a neighbour has grown; Textual calls the base class's own too."""
        self.show_cursor()
