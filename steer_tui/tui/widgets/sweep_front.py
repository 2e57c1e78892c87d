"""The Front pane of Sweep: every cell as a point, KL to the right and the concept up, the Pareto front marked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from textual import events
from textual.message import Message
from textual.timer import Timer

from steer_tui.engine.sweeptypes import Cell
from steer_tui.session.sweep_board import SweepBoard
from steer_tui.tui.numbers import plain, signed
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.widgets.pane import Pane, Part

PAUSE = 0.4
"""Seconds between two drawings while cells come."""
MARGIN = 7
"""Cells of the scale on the left."""


@dataclass
class _Plot:
    """Points on a raster of characters, row 0 at the top."""

    width: int
    height: int
    most_kl: float
    low: float
    high: float
    points: dict[tuple[int, int], list[Cell]] = field(default_factory=dict)
    front: frozenset[str] = frozenset()
    """Keys of the cells that nothing beats."""
    best: str | None = None
    """Key of the best cell within the budget."""

    def at(self, cell: Cell) -> tuple[int, int]:
        """Return row and column of a cell."""
        x = min(self.width - 1, round((cell.kl_mean or 0.0) / self.most_kl * (self.width - 1)))
        share = ((cell.concept or 0.0) - self.low) / (self.high - self.low)
        return self.height - 1 - round(share * (self.height - 1)), max(0, x)

    def column(self, kl: float) -> int | None:
        """Return the column of a KL, None beyond the plot."""
        return round(kl / self.most_kl * (self.width - 1)) if kl <= self.most_kl else None


class SweepFront(Pane):
    """Concept against KL; the cursor walks along the front."""

    TITLE = "Front"
    foot_count = 2

    class Moved(Message):
        """The cursor came to stand on another cell."""

        def __init__(self, cell: Cell) -> None:
            super().__init__()
            self.cell = cell

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.board: SweepBoard | None = None
        self.grid = ""
        self._key: str | None = None
        self._plot: _Plot | None = None
        self._timer: Timer | None = None

    def show_board(self, board: SweepBoard | None, grid: str) -> None:
        """Show the cells of a grid."""
        self.board, self.grid, self._plot = board, grid, None
        self.refresh()

    def show_soon(self) -> None:
        """Show what has come since, a moment later and all at once: nobody follows every point."""
        if self._timer is None:
            self._timer = self.set_timer(PAUSE, self._show_now)

    def _show_now(self) -> None:
        self._timer = None
        self.show_board(self.board, self.grid)

    def choose(self, cell: Cell | None) -> None:
        """Put the cursor on a cell, None on none."""
        key = cell.key if cell is not None else None
        if key != self._key:
            self._key = key
            self.refresh()

    def on_resize(self) -> None:
        """Lay the points out anew."""
        self._plot = None
        super().on_resize()

    # The cells

    @property
    def _cells(self) -> list[Cell]:
        """Cells that can be drawn."""
        if self.board is None or self.grid not in self.board.grids:
            return []
        return [cell for cell in self.board.grids[self.grid].cells if _is_sound(cell)]

    @property
    def front(self) -> tuple[Cell, ...]:
        """The cells that no other one beats in both, by rising KL."""
        if self.board is None or self.grid not in self.board.grids:
            return ()
        return self.board.grids[self.grid].front

    def move(self, amount: int) -> None:
        """Walk along the front; from a cell beside it, begin at the nearest one in KL."""
        front = self.front
        if not front:
            return
        keys = [cell.key for cell in front]
        if self._key in keys:
            at = min(max(0, keys.index(self._key) + amount), len(front) - 1)
        else:
            current = self.board.cells.get(self._key) if self.board is not None and self._key is not None else None
            kl = (current.kl_mean or 0.0) if current is not None else 0.0
            at = min(range(len(front)), key=lambda index: abs((front[index].kl_mean or 0.0) - kl))
        if keys[at] != self._key:
            self._key = keys[at]
            self.refresh()
            self.post_message(self.Moved(front[at]))

    # Lines

    def line_total(self) -> int:
        """Return the lines of the plot."""
        return max(1, self.body_height)

    def _lay_out(self, width: int) -> _Plot | None:
        room = width - MARGIN
        if room < 10 or self.body_height < 3:
            return None
        if self._plot is None:
            cells = self._cells
            if not cells:
                return None
            budget = self.board.request.kl_budget if self.board is not None else 1.0
            # One wild cell must not press all others into a corner.
            ordered = sorted(cell.kl_mean or 0.0 for cell in cells)
            most = max(budget * 1.5, min(ordered[-1], 4 * ordered[len(ordered) * 3 // 4]))
            values = [cell.concept or 0.0 for cell in cells]
            low, high = min(0.0, *values) if values else 0.0, max(1.0, *values) if values else 1.0
            best = self.board.best(self.grid) if self.board is not None else None
            plot = _Plot(room, self.body_height, most, low, high)
            plot.front = frozenset(cell.key for cell in self.front)
            plot.best = best.key if best is not None else None
            for cell in cells:
                plot.points.setdefault(plot.at(cell), []).append(cell)
            self._plot = plot
        return self._plot

    def line(self, index: int, width: int) -> list[Part]:
        """Return a line of the plot."""
        plot = self._lay_out(width)
        if plot is None:
            note = "no cell with a concept and a KL yet" if self.board is not None else self.empty_note
            return [(fit(note, width, self.glyphs.ellipsis), "muted")] if index == 0 else []
        parts: list[Part] = [(self._scale(plot, index), "group")]
        budget = plot.column(self.board.request.kl_budget) if self.board is not None else None
        marked = {column: self._sign(cells, plot) for (row, column), cells in plot.points.items() if row == index}
        if budget is not None:
            marked.setdefault(budget, (self.glyphs.budget, "rail"))
        at = 0
        for column in sorted(marked):
            parts += [(" " * (column - at), ""), marked[column]]
            at = column + 1
        return parts

    def _scale(self, plot: _Plot, index: int) -> str:
        ends = {0: plot.high, plot.height - 1: plot.low}
        text = signed(ends[index], 1) if index in ends else ""
        return fit_right(text, MARGIN - 2) + f"{self.glyphs.budget} "

    def _sign(self, cells: list[Cell], plot: _Plot) -> Part:
        keys = {cell.key for cell in cells}
        sign, paint = self.glyphs.dot, "muted"
        if keys & plot.front:
            sign, paint = self.glyphs.on, "on"
        if plot.best in keys:
            sign, paint = self.glyphs.best, "good"
        return sign, "cursor" if self._key in keys else paint

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return the scale of KL, and the cell under the cursor."""
        plot = self._lay_out(width)
        if plot is None or self.board is None:
            return []
        if index == 0:
            end = f"{plain(plot.most_kl)} nats"
            middle = f"KL  {self.glyphs.budget} budget {self.board.request.kl_budget:g}"
            rest = plot.width - 1 - len(end)
            return [(" " * MARGIN + fit(f"0  {middle}", rest) + " " + end, "group")]
        cell = self.board.cells.get(self._key) if self._key is not None else None
        if cell is None or not _is_sound(cell):
            return [(f"{self.glyphs.on} front  {self.glyphs.best} best  {self.glyphs.dot} other", "muted")]
        words = f" KL {plain(cell.kl_mean or 0.0)}, concept {signed(cell.concept or 0.0)}"
        return [(fit(label(cell.recipe), max(1, width - len(words)), self.glyphs.ellipsis).rstrip(), "on"), (words, "")]

    def on_click(self, event: events.Click) -> None:
        """Move to the clicked point."""
        plot = self._lay_out(self.text_width)
        if plot is None:
            return
        spot = event.y - self.gutter.top, event.x - self.gutter.left - MARGIN
        cells = plot.points.get(spot)
        if cells:
            self._key = cells[0].key
            self.refresh()
            self.post_message(self.Moved(cells[0]))


def _is_sound(cell: Cell) -> bool:
    values = (cell.concept, cell.kl_mean)
    return cell.problem is None and all(value is not None and math.isfinite(value) for value in values)
