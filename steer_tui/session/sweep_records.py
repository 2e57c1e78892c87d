"""Sweeps as the journal keeps them. Plain values; knows nothing of databases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from steer_tui.engine.sweepgrid import Grid, SweepResult, grid_of
from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.sweeptypes import Cell
from steer_tui.engine.types import ModelInfo

SweepEnding = Literal["complete", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class SweepEntry:
    """A sweep as a list shows it; its texts are cleaned."""

    id: int
    uid: str
    created: str
    """ISO 8601, UTC."""
    model: str
    """What the user called it."""
    prompt: str
    """The first of its prompts."""
    concept: str
    """Its concepts, joined by `, `, or by `+` where it is a mix."""
    seed: int
    """The first of its seeds."""
    done: int
    """Finished cells of the grid, controls not counted."""
    total: int
    """Cells that the grid was asked for."""
    ending: SweepEnding | None
    """None while it runs, and where the program was killed before it ended."""
    starred: bool
    note: str
    best: str
    """Recipe of the best cell; empty where there is none."""


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """All that is kept of a sweep."""

    entry: SweepEntry
    model: dict[str, Any]
    """The `model` object of the contract's JSON."""
    request: SweepRequest
    cells: tuple[Cell, ...]
    """Finished cells of every kind, in the order in which they came."""
    seconds: float
    notes: tuple[str, ...]
    message: str | None
    """Why it failed, None where it did not."""

    @property
    def result(self) -> SweepResult:
        """The sweep as the engine would have brought it."""
        info = ModelInfo(**self.model, context=0, has_chat_template=False)
        complete = self.entry.ending == "complete"
        return SweepResult(info, self.request, grids_of(self.request, self.cells), complete, self.seconds, self.notes)


def concepts_of(request: SweepRequest) -> tuple[str, ...]:
    """Return the names of a request's grids: one per concept, one in all for a mix."""
    return ("+".join(request.concepts),) if request.mix else request.concepts


def grids_of(request: SweepRequest, cells: tuple[Cell, ...]) -> tuple[Grid, ...]:
    """Return the grids of some of a sweep's cells, empty ones included."""
    names = concepts_of(request)
    return tuple(grid_of(name, (cell for cell in cells if cell.name == name), request.kl_budget) for name in names)


def with_budget(result: SweepResult, kl_budget: float) -> SweepResult:
    """Return a result judged by another KL budget."""
    grids = tuple(replace(grid, kl_budget=kl_budget) for grid in result.grids)
    return replace(result, request=replace(result.request, kl_budget=kl_budget), grids=grids)
