"""A heat map: rows by columns of cells, each a number, a bar and a colour, with a cursor; one widget for any size.

Promises that a changed cell redraws that cell alone, and that nothing is said by colour alone. Knows nothing of what
the numbers are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region
from textual.message import Message

from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.widgets.pane import Pane, Part

NARROW, BROAD = 8, 12
"""Cells that a column takes at least and at most, the gap before it included."""
LEVELS = 7
_HEAT = "heat-"


class HeatCell(NamedTuple):
    """What a cell shows."""

    text: str
    """A number of five cells at most, or a word."""
    level: float | None = None
    """0 to 1, as bar and colour; None for a cell without a number."""
    mark: str = " "
    """One cell behind the number."""
    paint: str = ""
    """Instead of the colour of the level; empty takes that."""


class HeatMap(Pane):
    """Rows by columns."""

    TITLE = "Map"
    hue = "primary"
    """The theme's colour that the highest level has."""

    class Moved(Message):
        """The cursor came to stand on another cell."""

    class Chosen(Message):
        """Someone clicked on the cell under the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.corner = ""
        self.rows: tuple[str, ...] = ()
        self.columns: tuple[str, ...] = ()
        self.row, self.column = 0, 0
        """The cursor."""
        self.left = 0
        """Index of the first visible column."""
        self._cells: dict[tuple[int, int], HeatCell] = {}

    @property
    def head_count(self) -> int:  # type: ignore[override]
        """The names of the columns, where there are any."""
        return 1 if self.rows else 0

    # What is shown

    def show_table(
        self,
        corner: str,
        rows: tuple[str, ...],
        columns: tuple[str, ...],
        cells: Mapping[tuple[int, int], HeatCell],
    ) -> None:
        """Show other rows and columns; the cursor stays within them."""
        self.corner, self.rows, self.columns = label(corner), tuple(map(label, rows)), tuple(map(label, columns))
        self._cells = dict(cells)
        self.row = min(self.row, max(0, len(rows) - 1))
        self.column = min(self.column, max(0, len(columns) - 1))
        self.top = min(self.top, self.last_top)
        self._follow()
        self.refresh()

    def set_cell(self, row: int, column: int, cell: HeatCell) -> None:
        """Show another value in one cell."""
        if self._cells.get((row, column)) != cell:
            self._cells[row, column] = cell
            self._redraw(row, column)

    def cell(self, row: int, column: int) -> HeatCell:
        """Return what a cell shows; one that was never set shows nothing."""
        return self._cells.get((row, column), HeatCell(""))

    # The cursor

    def move(self, rows: int, columns: int) -> None:
        """Move the cursor, as far as there are cells."""
        self.go_to(self.row + rows, self.column + columns)

    def go_to(self, row: int, column: int) -> None:
        """Put the cursor on a cell, or on the nearest one."""
        row = min(max(0, row), max(0, len(self.rows) - 1))
        column = min(max(0, column), max(0, len(self.columns) - 1))
        if (row, column) == (self.row, self.column):
            return
        before = self.row, self.column
        self.row, self.column = row, column
        view = self.top, self.left
        self._follow()
        if view == (self.top, self.left):
            self._redraw(*before)
            self._redraw(row, column)
        else:
            self.refresh()
        self.post_message(self.Moved())

    def _follow(self) -> None:
        """Scroll no further than needed to see the cursor."""
        self.show_line(self.row)
        seen = self._seen
        self.left = min(max(self.left, self.column - seen + 1), self.column, max(0, len(self.columns) - seen))

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        super().on_resize()
        self._follow()

    # Sizes

    @property
    def _margin(self) -> int:
        """Cells before the first column."""
        widest = max((cell_len(name) for name in (self.corner, *self.rows)), default=0)
        return min(widest, max(4, self.text_width // 4)) + 1

    @property
    def _pitch(self) -> int:
        """Cells of a column."""
        room = self.text_width - self._margin
        return min(BROAD, max(NARROW, room // max(1, len(self.columns))))

    @property
    def _seen(self) -> int:
        """Columns that fit."""
        return max(1, (self.text_width - self._margin) // self._pitch)

    def _redraw(self, row: int, column: int) -> None:
        x = self._margin + (column - self.left) * self._pitch
        width = self._pitch + 1 if len(self.columns) > 1 else self.size.width
        self.refresh(Region(x, row - self.top + self.head_count, width, 1))

    def on_click(self, event: events.Click) -> None:
        """Move to the clicked cell; a second click chooses it."""
        x, y = event.x - self.gutter.left, event.y - self.gutter.top
        column = self.left + (x - self._margin) // self._pitch
        row = self.line_at(y)
        if not (0 <= row < len(self.rows) and 0 <= column < len(self.columns) and x >= self._margin):
            return
        if (row, column) == (self.row, self.column):
            self.post_message(self.Chosen())
        self.go_to(row, column)

    # Lines

    def line_total(self) -> int:
        """Return the number of rows."""
        return len(self.rows) or 1

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the names of the columns; an arrow where more lie beyond."""
        last = self.left + self._seen
        names = [
            (fit_right(name, self._pitch - 1, self.glyphs.ellipsis) + " ", "strong" if at == self.column else "group")
            for at, name in list(enumerate(self.columns))[self.left : last]
        ]
        parts: list[Part] = [(fit(self.corner, self._margin), "group"), *names]
        if self.left > 0:
            parts[0] = (fit(self.corner, self._margin - 1) + self.glyphs.mark_open, "accent")
        if last < len(self.columns):
            parts[-1] = (names[-1][0][:-1] + self.glyphs.mark_close, "accent")
        return parts + self.head_tail(self._tail_width)

    def line(self, index: int, width: int) -> list[Part]:
        """Return a row."""
        if not self.rows:
            return [(fit(self.empty_note, width, self.glyphs.ellipsis), "muted")]
        name = fit(self.rows[index], self._margin, self.glyphs.ellipsis)
        parts: list[Part] = [(name, "strong" if index == self.row else "")]
        for column in range(self.left, min(len(self.columns), self.left + self._seen)):
            parts += self._parts(index, column)
        return parts + self.tail(index, self._tail_width)

    def head_tail(self, width: int) -> list[Part]:
        """Return what stands above `tail`."""
        return []

    def tail(self, row: int, width: int) -> list[Part]:
        """Return what stands behind the cells of a row, where there is room: where all columns are seen."""
        return []

    @property
    def _tail_width(self) -> int:
        """Cells behind the last column."""
        return max(0, self.text_width - self._margin - self._pitch * min(self._seen, len(self.columns)))

    def _parts(self, row: int, column: int) -> list[Part]:
        cell = self.cell(row, column)
        here = (row, column) == (self.row, self.column)
        level = None if cell.level is None else min(LEVELS - 1, int(max(0.0, cell.level) * LEVELS))
        bar = " " if level is None else self.glyphs.heat[level]
        words = fit_right(cell.text, self._pitch - 3, self.glyphs.ellipsis)
        paint = cell.paint or ("muted" if level is None else f"{_HEAT}{level}")
        if here:
            paint = "cursor"
        return [(self.glyphs.cursor if here else " ", "accent"), (f"{bar}{words}{cell.mark}", paint)]

    # Colours

    def _mix(self, name: str) -> Style:
        if not name.startswith(_HEAT):
            return super()._mix(name)
        level = int(name.removeprefix(_HEAT))
        plain = super()._mix("")
        if self.app.current_theme.ansi or self.app.no_color:
            return plain + Style(bold=level >= LEVELS - 2, dim=level == 0)
        variables = self.app.theme_variables
        base, full = Color.parse(variables["background"]), Color.parse(variables[self.hue])
        ground = base.blend(full, 0.06 + 0.8 * level / (LEVELS - 1))
        text = ground.get_contrast_text(1.0)
        return plain + Style(color=text.rich_color, bgcolor=ground.rich_color, bold=level >= LEVELS - 2)
