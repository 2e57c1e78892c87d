"""Sweeps without a model: the engine's signature, cells made up from their strengths, the same ones every time.

Cells come column by column, as rows of batches end together. Strengths from 5 on break: 5 repeats, 6 and more is NaN.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from steer_tui.engine.sweepgrid import SweepResult
from steer_tui.engine.sweeprequest import Point, SweepRequest
from steer_tui.engine.sweeptypes import Cell, CellText, Problem, SweepProgress
from steer_tui.engine.types import ModelInfo
from steer_tui.errors import SteerError
from steer_tui.session.messages import Event
from steer_tui.session.sweep_messages import RunSweep, SweepCells, SweepFinished, SweepStarted, SweepWent
from steer_tui.session.sweep_records import concepts_of, grids_of

BEST_LAYER = 3
LAYERS = 6


def points_of(request: SweepRequest, layer_count: int = LAYERS) -> tuple[Point, ...]:
    """Return the points of a request in the order in which a fake sweep ends them; an automatic one tries them all."""
    points = replace(request, auto=False).points(layer_count)
    return tuple(sorted(points, key=lambda point: point.strengths))


def fake_cell(request: SweepRequest, point: Point, kind: str = "cell", key: str = "") -> Cell:
    """Return the cell of a point: the concept rises with strength and towards layer 3, so does KL."""
    size = sum(map(abs, point.strengths))
    layer = int(point.span[0]) if point.span[:1].isdigit() else BEST_LAYER
    near = 1.0 - 0.2 * abs(layer - BEST_LAYER)
    noise = random.Random(point.recipe).random() / 50
    problem: Problem | None = "nan" if size >= 6 else "repeats" if size >= 5 else None
    figures: dict[str, Any] = dict(
        concept=0.2 + 0.3 * sum(point.strengths) * near + noise,
        perplexity=5.0 + size**2,
        kl_mean=0.15 * size**2 * near,
        kl_p95=0.4 * size**2 * near,
        distinct_2=max(0.0, 1.0 - 0.05 * size),
        relative_norm=0.1 * size,
        share=min(1.0, 0.3 * size * near),
    )
    if problem == "nan":
        figures = dict.fromkeys(figures)
    texts = tuple(
        CellText(index, seed, f" {point.recipe or 'plain'} text {index} {seed}", (1, 2), "length", figures["concept"])
        for index in range(len(request.prompts))
        for seed in request.seeds
    )
    spread = {name: 0.01 for name, value in figures.items() if value is not None and len(texts) > 1}
    return Cell(
        key or point.recipe, kind, point.concept, point.recipe, point.span, (layer,), point.strengths, texts,
        **figures, concepts={point.concept: figures["concept"]}, spread=spread, problem=problem,
    )  # type: ignore[arg-type]  # fmt: skip


def other_cells(request: SweepRequest) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    """Return what comes before the grid and what comes after it: baselines, and random directions."""
    before, after = [], []
    for name in concepts_of(request):
        before.append(fake_cell(request, Point(name, "", "", (0.0,)), "baseline", f"={name}"))
        for strength in request.strengths if request.controls and not request.mix else ():
            for number in range(request.randoms):
                weak = Point(name, f"{name}:{strength}#{number}", "0", (abs(strength) / 10,))
                cell = fake_cell(request, weak, "random", f"={name} random {number} {strength}")
                after.append(Cell(**{**_fields(cell), "strengths": (abs(strength),)}))
    return tuple(before), tuple(after)


def _fields(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in Cell.__slots__}


def all_cells(request: SweepRequest, layer_count: int = LAYERS) -> tuple[Cell, ...]:
    """Return every cell of a sweep in the order in which they end."""
    before, after = other_cells(request)
    return (*before, *(fake_cell(request, point) for point in points_of(request, layer_count)), *after)


class SteppedSweep:
    """A sweep whose cells end when a test says so."""

    def __init__(self, command: RunSweep, model: ModelInfo, events: deque[Event]) -> None:
        self._uid, self._events = command.uid, events
        done = {cell.key for cell in command.done}
        cells = all_cells(command.request, model.layers)
        self._total = len(cells)
        self._waiting = deque(cell for cell in cells if cell.key not in done)
        self.is_running = True
        events.append(SweepStarted(command.uid, command.request, model))

    def step(self, count: int) -> None:
        """Let so many cells end."""
        while count > 0 and self.is_running and self._waiting:
            self._events.append(SweepCells(self._uid, (self._waiting.popleft(),)))
            done, count = self._total - len(self._waiting), count - 1
            progress = SweepProgress(done, self._total, done / self._total, len(self._waiting) / 4)
            self._events.append(SweepWent(self._uid, progress))
        if self.is_running and not self._waiting:
            self._end(True)

    def stop(self) -> None:
        """Let it end where it is."""
        if self.is_running:
            self._end(False)

    def _end(self, complete: bool) -> None:
        self.is_running = False
        self._events.append(SweepFinished(self._uid, complete, 1.5))


def fake_sweep(
    lm: Any,
    request: SweepRequest,
    vectors: Mapping[str, Any],
    *,
    examples: Mapping[str, Any] = {},
    on_cell: Callable[[Cell], None] | None = None,
    on_progress: Callable[[SweepProgress], None] | None = None,
    controls: Any = None,
    done: Mapping[str, Cell] = {},
    seconds_per_cell: float = 0.0,
    hold_at: Callable[[], int | None] = lambda: None,
    error: SteerError | None = None,
    error_after: int = 0,
) -> SweepResult:
    """Do as `engine.sweep.sweep` does."""
    request.check()
    cells = all_cells(request, lm.info.layers)
    kept = dict(done)
    for number, cell in enumerate(cells):
        if error is not None and number == error_after:
            raise error
        while hold_at() == number and not (controls is not None and controls.stopped):
            time.sleep(0.002)
        if controls is not None and controls.stopped:
            break
        if cell.key in kept:
            continue
        time.sleep(seconds_per_cell)
        kept[cell.key] = cell
        if on_cell is not None:
            on_cell(cell)
        if on_progress is not None:
            share = len(kept) / len(cells)
            on_progress(SweepProgress(len(kept), len(cells), share, seconds_per_cell * (len(cells) - len(kept))))
    complete = all(cell.key in kept for cell in cells)
    return SweepResult(lm.info, request, grids_of(request, tuple(kept.values())), complete, 1.5, ("a note",))
