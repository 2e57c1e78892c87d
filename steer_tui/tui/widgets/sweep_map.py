"""The Grid pane of Sweep: one page of a sweep as a heat map, the cell under the cursor and what is noise below it."""

from __future__ import annotations

from rich.cells import cell_len

from steer_tui.engine.recipe import format_number
from steer_tui.engine.sweepgrid import SweepControls
from steer_tui.engine.sweeptypes import Cell
from steer_tui.session.sweep_board import Page, Place, SweepBoard
from steer_tui.tui.numbers import bar
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.sweep_lines import beside_head, beside_line, cut, facts_line, noise_words, strongest
from steer_tui.tui.sweep_words import (
    ABOUT_PROBLEMS,
    COSTS,
    NAMES,
    NOISE_MEASURES,
    concept_bounds,
    details,
    figure,
    heat_cell,
)
from steer_tui.tui.widgets.heatmap import HeatMap
from steer_tui.tui.widgets.pane import Part

LEAST_ROWS = 3
"""Rows of the grid that the lines below leave room for."""
RANDOM, RECIPE, FIGURES, BEST, PROGRESS = range(5)
_FOOT = (PROGRESS, FIGURES, RECIPE, BEST, RANDOM)
"""The lines below the grid, those first that are shown in little room; they stand in the order of their numbers."""


class SweepMap(HeatMap):
    """A page of a board, by one measure."""

    TITLE = "Grid"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.board: SweepBoard | None = None
        self.page = 0
        """Index of the page that is shown."""
        self.measure = "concept"
        self.progress: tuple[float, str] = (0.0, "")
        """How far the sweep is, 0 to 1, and the same in words."""
        self._bounds = (0.0, 1.0)
        self._best: str | None = None

    @property
    def foot_count(self) -> int:  # type: ignore[override]
        """Lines on noise, on the cell under the cursor, on the best one and on how far the sweep is."""
        if self.board is None or not self.rows:
            return 0
        page = self.current_page
        has_noise = page is not None and not self._is_flipped(page) and not self.board.request.mix
        most = len(_FOOT) if has_noise else len(_FOOT) - 1
        return min(most, max(1, self.view.height - 1 - min(len(self.rows), LEAST_ROWS)))

    @property
    def current_page(self) -> Page | None:
        """The page that is shown."""
        if self.board is None or not self.board.pages:
            return None
        return self.board.pages[min(self.page, len(self.board.pages) - 1)]

    @property
    def place(self) -> Place | None:
        """Where the cursor stands."""
        page = self.current_page
        if page is None or self.board is None or not page.rows:
            return None
        return self._at(page, self.row, self.column)

    @property
    def current(self) -> Cell | None:
        """The cell under the cursor, None where it is not there yet."""
        place = self.place
        return self.board.at(place) if self.board is not None and place is not None else None

    @property
    def _page_name(self) -> str:
        """The name of the page as places have it."""
        board = self.board
        return board.page_name(min(self.page, len(board.pages) - 1)) if board is not None else ""

    # A page of one row lies on its side, so that each strength has a line with room for more than one figure.

    def _is_flipped(self, page: Page) -> bool:
        return len(page.rows) == 1 and len(page.columns) > 1

    def _at(self, page: Page, row: int, column: int) -> Place:
        """Return the place of a cell of the map."""
        if self._is_flipped(page):
            row, column = column, row
        return Place(
            self._page_name, page.rows[min(row, len(page.rows) - 1)], page.columns[min(column, len(page.columns) - 1)]
        )

    def _spot(self, page: Page, place: Place) -> tuple[int, int] | None:
        """Return row and column of a place, None where it is not on this page."""
        if place.page != self._page_name or place.row not in page.rows or place.column not in page.columns:
            return None
        spot = page.rows.index(place.row), page.columns.index(place.column)
        return spot[::-1] if self._is_flipped(page) else spot

    # What is shown

    def show_board(self, board: SweepBoard | None, measure: str, page: int = 0) -> None:
        """Show a page of a board by a measure; all of it is drawn anew."""
        self.board, self.measure, self.page = board, measure, page
        shown = self.current_page
        if board is None or shown is None:
            self.show_table("", (), (), {})
            return
        self.hue = "warning" if measure in COSTS else "primary"
        self._paints.clear()
        self._bounds, self._best = concept_bounds(board), self._best_key()
        columns = tuple(map(format_number, shown.columns))
        corner = "layer" if shown.row_name == "layer" else f"{shown.row_name} \\ {shown.column_name}"
        if self._is_flipped(shown):
            self.show_table(shown.column_name, columns, shown.rows, {})
        else:
            self.show_table(corner, shown.rows, columns, {})
        self._set_all(shown)

    def update_cells(self, cells: tuple[Cell, ...]) -> None:
        """Draw what some new cells change: themselves, the mark of the best, the noise of a strength."""
        board, page = self.board, self.current_page
        if board is None or page is None:
            return
        bounds = concept_bounds(board)
        if bounds != self._bounds or any(cell.kind == "baseline" for cell in cells):
            self._bounds = bounds
            self._set_all(page)
        for cell in cells:
            if cell.kind == "cell":
                self._set_place(page, board.place_of(cell))
            elif cell.kind == "random" and cell.name == page.grid and not board.request.mix:
                self._set_columns(page, cell.strength)
        moved = self._mark_best(page)
        if moved or any(cell.kind != "cell" or cell is self.current for cell in cells):
            self.redraw_foot()

    def _set_all(self, page: Page) -> None:
        for row in range(len(self.rows)):
            for column in range(len(self.columns)):
                self._set(row, column)

    def _set_columns(self, page: Page, size: float) -> None:
        """Draw again what one more random direction of a strength may have turned into noise, or out of it."""
        for strength in page.columns:
            if abs(strength) == size:
                for row in page.rows:
                    self._set_place(page, Place(self._page_name, row, strength))

    def _mark_best(self, page: Page) -> bool:
        """Move the mark of the best cell; return whether it moved."""
        before, self._best = self._best, self._best_key()
        if before != self._best and self.board is not None:
            for key in (before, self._best):
                cell = self.board.cells.get(key) if key is not None else None
                if cell is not None:
                    self._set_place(page, self.board.place_of(cell))
        return before != self._best

    def _best_key(self) -> str | None:
        page = self.current_page
        best = self.board.best(page.grid) if self.board is not None and page is not None else None
        return best.key if best is not None else None

    def _set_place(self, page: Page, place: Place) -> None:
        spot = self._spot(page, place)
        if spot is not None:
            self._set(*spot)

    def _set(self, row: int, column: int) -> None:
        board, page = self.board, self.current_page
        if board is None or page is None:
            return
        place = self._at(page, row, column)
        cell = board.at(place)
        if cell is None and not board.is_planned(place):
            return
        best = cell is not None and cell.key == self._best
        self.set_cell(row, column, heat_cell(cell, self.measure, board, self._bounds, best, self.glyphs))

    def go_to_place(self, place: Place) -> None:
        """Put the cursor on a place of this page."""
        page = self.current_page
        spot = self._spot(page, place) if page is not None else None
        if spot is not None:
            self.go_to(*spot)

    # Lines

    def head_tail(self, width: int) -> list[Part]:
        """Return the names of the measures behind the only column."""
        return beside_head(self.measure, width) if len(self.columns) == 1 else []

    def tail(self, row: int, width: int) -> list[Part]:
        """Return a bar and further figures behind the only column."""
        board, page = self.board, self.current_page
        if len(self.columns) != 1 or board is None or page is None:
            return []
        return beside_line(board.at(self._at(page, row, 0)), self.cell(row, 0), self.measure, width, self.glyphs)

    def show_progress(self, share: float, words: str) -> None:
        """Say how far the sweep is; redraws that line alone, as a note on the border would not."""
        if (share, words) != self.progress:
            self.progress = share, words
            self.redraw_lines(self.top + self.body_height + self.foot_count - 1)

    def _progress_line(self, width: int) -> list[Part]:
        share, words = self.progress
        if not words:
            return []
        room = min(20, width - cell_len(words) - 1)
        if share >= 1 or room < 6:
            return [(fit(words, width, self.glyphs.ellipsis), "muted")]
        return [(bar(share, room, self.glyphs), "accent"), (f" {words}", "muted")]

    def redraw_foot(self) -> None:
        """Draw the lines below the rows again."""
        self.redraw_lines(self.top + self.body_height, self.foot_count)

    def go_to(self, row: int, column: int) -> None:
        """Put the cursor on a cell; the lines below tell of it."""
        before = self.row, self.column
        super().go_to(row, column)
        if before != (self.row, self.column):
            self.redraw_foot()

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return noise, the cell's recipe, its figures, what stands beside the grid, how far the sweep is."""
        lines = {
            RANDOM: self._random_line,
            RECIPE: self._recipe_line,
            FIGURES: self._figure_line,
            BEST: self._control_line,
            PROGRESS: self._progress_line,
        }
        shown = sorted(_FOOT[: self.foot_count])
        return lines[shown[index]](width)

    def _random_line(self, width: int) -> list[Part]:
        """Return the mean of random directions below each column."""
        board, page = self.board, self.current_page
        if board is None or page is None or self.measure not in NOISE_MEASURES:
            return []
        controls = board.grids[page.grid].controls
        parts: list[Part] = [(fit("rand", self._margin), "group")]
        found = False
        for column in page.columns[self.left : self.left + self._seen]:
            band = controls.band(self.measure, column)
            found |= band is not None
            text = figure(self.measure, band.mean) if band is not None else ""
            parts.append((fit_right(text, self._pitch - 1) + " ", "faint"))
        return parts if found else []

    def _recipe_line(self, width: int) -> list[Part]:
        cell, place = self.current, self.place
        if cell is None:
            waits = "not run yet" if place is not None else ""
            return [(fit(waits, width), "faint")]
        parts: list[Part] = [(label(cell.recipe or "no steering"), "on")]
        if cell.problem is not None:
            parts.append((f"  {ABOUT_PROBLEMS[cell.problem]}", "error"))
        else:
            controls = self.board.grids[cell.name].controls if self.board is not None else SweepControls()
            parts += noise_words(cell, self.measure, controls, self.glyphs)
        return cut(parts, width, self.glyphs.ellipsis)

    def _figure_line(self, width: int) -> list[Part]:
        cell = self.current
        return facts_line(details(cell), width) if cell is not None else []

    def _control_line(self, width: int) -> list[Part]:
        board, page = self.board, self.current_page
        if board is None or page is None:
            return []
        best, controls = board.best(page.grid), board.grids[page.grid].controls
        budget = f"within {board.request.kl_budget:g} nat"
        parts: list[Part] = [(f"{self.glyphs.best} ", "good")]
        if best is not None:
            parts += [(label(best.recipe), "strong"), (f" {budget}", "muted")]
        else:
            parts += [(f"none yet {budget}" if not board.complete else f"none {budget}", "muted")]
        for name, cell in (("prompt alone", controls.prompt), ("shuffled", strongest(controls.shuffled))):
            if cell is not None:
                words = f"   {name} {NAMES[self.measure]} {figure(self.measure, cell.figure(self.measure))}"
                if sum(cell_len(text) for text, _ in parts) + len(words) <= width:
                    parts.append((words, "muted"))
        return cut(parts, width, self.glyphs.ellipsis)
