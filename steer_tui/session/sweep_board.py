"""A sweep as it lies on the screen: pages of rows by columns that fill in cell by cell.

Where a cell lies follows from its concept, its layers and its strengths; in a mix the weights are the axes. Knows
nothing of widgets; one board belongs to one thread.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

from steer_tui.engine.recipe import format_number, parse_layers
from steer_tui.engine.sweepgrid import Grid, SweepResult
from steer_tui.engine.sweeprequest import Point, SweepRequest
from steer_tui.engine.sweeptypes import Cell, SweepProgress
from steer_tui.engine.types import ModelInfo
from steer_tui.errors import RecipeError
from steer_tui.session.sweep_records import SweepRecord, concepts_of


def new_uid() -> str:
    """Return a name for a new sweep."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell lies."""

    page: str
    row: str
    column: float


@dataclass(frozen=True, slots=True)
class Page:
    """One grid: of one concept, or of a mix with the weight of its third concept held."""

    title: str
    grid: str
    """Name of the grid its cells belong to."""
    row_name: str
    """What the rows are: `layer`, or the first concept of a mix."""
    column_name: str
    rows: tuple[str, ...]
    columns: tuple[float, ...]


class SweepBoard:
    """One sweep, running or ended."""

    def __init__(self, uid: str, request: SweepRequest, model: ModelInfo) -> None:
        self.uid, self.request, self.model = uid, request, model
        self.cells: dict[str, Cell] = {}
        """Finished cells of every kind by key."""
        self.grids = {name: Grid(name, kl_budget=request.kl_budget) for name in concepts_of(request)}
        self.progress: SweepProgress | None = None
        self.is_running = False
        self.complete = False
        self.seconds = 0.0
        self.notes: tuple[str, ...] = ()
        self.message = ""
        """Why it failed; empty where it did not."""
        self._points: dict[Place, Point] = {}
        self._cells: dict[Place, Cell] = {}
        for point in request.points(model.layers):  # of an automatic sweep nobody knows them before
            self._points[self._place(point.concept, point.span, point.strengths)] = point
        self.pages = self._lay_out()

    @classmethod
    def from_record(cls, record: SweepRecord) -> SweepBoard:
        """Return the board of a sweep in the journal."""
        board = cls(record.entry.uid, record.request, record.result.model)
        board.take(record.cells)
        board.complete = record.entry.ending == "complete"
        board.seconds, board.notes, board.message = record.seconds, record.notes, record.message or ""
        return board

    # What is where

    def _place(self, concept: str, span: str, strengths: tuple[float, ...]) -> Place:
        if not self.request.mix:
            return Place(concept, span, strengths[0])
        page = concept if len(strengths) < 3 else format_number(strengths[2])
        return Place(page, format_number(strengths[0]), strengths[1])

    def place_of(self, cell: Cell) -> Place:
        """Return where a cell of the grid lies."""
        return self._place(cell.name, cell.span, cell.strengths)

    def at(self, place: Place) -> Cell | None:
        """Return the finished cell of a place, None where there is none yet."""
        return self._cells.get(place)

    def is_planned(self, place: Place) -> bool:
        """Say whether a cell belongs there; a grid may have gaps."""
        return place in self._points

    def _lay_out(self) -> tuple[Page, ...]:
        places = dict.fromkeys((*self._points, *self._cells))
        pages = dict.fromkeys(place.page for place in places)
        return tuple(self._page(name, [place for place in places if place.page == name]) for name in pages)

    def _page(self, name: str, places: list[Place]) -> Page:
        concepts = self.request.concepts
        rows = tuple(sorted(dict.fromkeys(place.row for place in places), key=_row_order))
        columns = tuple(sorted({place.column for place in places}))
        if not self.request.mix:
            return Page(name, name, "layer", "strength", rows, columns)
        joined = "+".join(concepts)
        title = f"{joined}, {concepts[2]} {name}" if len(concepts) > 2 else joined
        return Page(title, joined, concepts[0], concepts[1], rows, columns)

    def page_name(self, index: int) -> str:
        """Return the name of a page as places have it."""
        page = self.pages[index]
        if self.request.mix and len(self.request.concepts) > 2:
            return page.title.rpartition(" ")[2]
        return page.grid

    # Filling in

    def take(self, cells: Iterable[Cell]) -> bool:
        """Take in finished cells; return whether rows or columns were added, so that all must be drawn anew."""
        grown = False
        for cell in cells:
            self.cells[cell.key] = cell
            grid = self.grids.get(cell.name)
            if grid is not None:
                self.grids[cell.name] = grid.with_cell(cell)
            if cell.kind == "cell":
                place = self.place_of(cell)
                grown |= place not in self._points and place not in self._cells
                self._cells[place] = cell
        if grown:
            self.pages = self._lay_out()
        return grown

    def set_budget(self, kl_budget: float) -> None:
        """Judge by another KL budget."""
        self.request = replace(self.request, kl_budget=kl_budget)
        self.grids = {name: replace(grid, kl_budget=kl_budget) for name, grid in self.grids.items()}

    # What follows from it

    @property
    def total(self) -> int:
        """Cells the grid will have; those that are there where nobody can tell."""
        return max(len(self._points), len(self._cells))

    @property
    def done(self) -> int:
        """Finished cells of the grid."""
        return len(self._cells)

    @property
    def so_far(self) -> str:
        """How many cells are there, in words; where all are but the sweep was stopped, that controls are left."""
        if self.request.auto:
            return f"{self.done} cells"
        left = "" if self.complete or self.is_running or self.done < self.total else ", controls left"
        return f"{self.done} of {self.total} cells{left}"

    @property
    def baseline(self) -> Cell | None:
        """The unsteered texts; the first grid's serve all."""
        return next((grid.baseline for grid in self.grids.values() if grid.baseline), None)

    def best(self, grid: str) -> Cell | None:
        """Return the best cell of a grid within the KL budget, None where there is none."""
        return self.grids[grid].best

    def grid_cells(self) -> tuple[Cell, ...]:
        """Return the finished cells of all grids."""
        return tuple(self._cells.values())

    def result(self) -> SweepResult:
        """Return the sweep as the engine would bring it, in the order in which it was asked for."""
        asked = {point.recipe: number for number, point in enumerate(self._points.values())}
        grids = tuple(
            replace(grid, cells=tuple(sorted(grid.cells, key=lambda cell: asked.get(cell.key, len(asked)))))
            for grid in self.grids.values()
        )
        return SweepResult(self.model, self.request, grids, self.complete, self.seconds, self.notes)


def _row_order(row: str) -> tuple[int, tuple[float, ...], str]:
    """Return what sorts rows: layers by number, words after them, weights of a mix by size."""
    try:
        numbers = [layer for layer in parse_layers(row) if isinstance(layer, int)]
    except RecipeError:
        return 0, (float(row),), row
    return (0, tuple(map(float, numbers)), row) if numbers else (1, (), row)
