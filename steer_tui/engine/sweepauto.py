"""Finds a setting by itself: layers by diagnostics first, the strength that costs a given KL, the effect last.

A few batched steps: every candidate's next strengths are rows of one batch. Promises nothing of texts whose KL does not
grow with the strength; a text that breaks counts as over the budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from steer_tui.engine.generate import Controls
from steer_tui.engine.recipe import Layers, format_layers
from steer_tui.engine.sweepcells import Planner
from steer_tui.engine.sweepgrid import Grid, SweepResult, grid_of
from steer_tui.engine.sweeprequest import AUTO_LIMITS, Point, SweepRequest
from steer_tui.engine.sweeprun import OnCell, OnProgress, SweepRun
from steer_tui.engine.sweeptypes import Cell, SweepProgress
from steer_tui.engine.vector import SteeringVector

FIRST = (0.5, 1.0, 2.0, 4.0)
"""Strengths that every candidate is tried with; a quarter of them for operations that end at 1."""
STEPS = 4
"""Batched steps, the first one included."""
CANDIDATES = 4
_NEAR = 0.9
"""Share of the budget from which on a strength is close enough."""
_NARROW = 1.05
"""Ratio of two strengths between which nothing is left to find."""

Tried = Sequence[tuple[float, float | None]]
"""(size of the strength, its KL; None where the text broke)."""


class Search:
    """The state of one search, concept by concept."""

    def __init__(
        self,
        planner: Planner,
        on_cell: OnCell | None,
        on_progress: OnProgress | None,
        controls: Controls,
        done: Mapping[str, Cell],
    ) -> None:
        self._planner, self._on_cell, self._on_progress, self._controls = planner, on_cell, on_progress, controls
        self._request = planner.request
        self._done = done
        self._cells: dict[str, Cell] = {}
        """What the search has asked for; `done` may know more, and must not change where it goes."""
        self._sign = -1.0 if max(self._request.strengths) < 0 else 1.0
        self._steps_done = 0
        self._seconds = 0.0
        self._notes: list[str] = []
        self._is_whole = True

    def go(self) -> SweepResult:
        """Search and return the cells that were tried, as one sparse grid a concept."""
        grids = tuple(self._found(name) for name in self._request.concepts)
        complete = self._is_whole and not self._controls.stopped
        return SweepResult(
            self._planner.lm.info, self._request, grids, complete, self._seconds, tuple(dict.fromkeys(self._notes))
        )

    def _found(self, name: str) -> Grid:
        vector = self._planner.vectors[name]
        rows = self._request.layers or candidate_rows(vector, self._planner.lm.info.layers)
        for _ in range(STEPS):
            points = [point for row in rows for point in self._next(name, row)]
            if not points or self._controls.stopped:
                break
            self._run(replace(self._request, controls=False), tuple(points))
        own = [cell for cell in self._cells.values() if cell.name == name]
        best = grid_of(name, own, self._request.kl_budget).best
        if best is not None and self._request.controls and not self._controls.stopped:
            # The controls stand beside the setting that was found, and there only.
            beside = replace(self._request, layers=(_row_of(best, rows),), strengths=best.strengths)
            self._run(beside, ())
        self._steps_done = 0
        return grid_of(name, [cell for cell in self._cells.values() if cell.name == name], self._request.kl_budget)

    def _next(self, name: str, row: Layers) -> list[Point]:
        limit = AUTO_LIMITS[self._request.op]
        first = FIRST if limit > max(FIRST) else tuple(limit * size / max(FIRST) for size in FIRST)
        tried: list[tuple[float, float | None]] = []
        for cell in self._cells.values():
            if cell.kind == "cell" and cell.name == name and cell.key == self._key(name, row, cell.strength):
                kl = cell.kl_mean if cell.problem is None else None
                tried.append((abs(cell.strength), kl))
        sizes = next_sizes(tried, self._request.kl_budget, limit) if tried else first
        return [self._planner.point(name, row, self._sign * size) for size in sizes]

    def _key(self, name: str, row: Layers, strength: float) -> str:
        return self._planner.point(name, row, strength).recipe

    def _run(self, request: SweepRequest, points: tuple[Point, ...]) -> None:
        planner = replace(self._planner, request=request, chosen=points)
        result = SweepRun(planner, self._on_cell, self._show, self._controls, {**self._done, **self._cells}).go()
        self._cells |= {cell.key: cell for grid in result.grids for cell in grid.all_cells()}
        self._seconds += result.seconds
        self._notes += result.notes
        self._is_whole &= result.complete
        self._steps_done += 1

    def _show(self, progress: SweepProgress) -> None:
        """Tell how far the search is; how many steps it takes is not known, so that time left is a guess."""
        if self._on_progress is None:
            return
        concepts, steps = len(self._request.concepts), STEPS + self._request.controls
        fraction = min(1.0, (self._steps_done + progress.fraction) / steps) / concepts
        self._on_progress(replace(progress, fraction=fraction, seconds_left=None))


def candidate_rows(vector: SteeringVector, layer_count: int) -> tuple[Layers, ...]:
    """Return the rows worth trying: the vector's best layers together, then single ones by their diagnostics.

    Separation counts as far as it holds on the other half of the examples; layers near either end are left out.
    """
    low, high = 0.2 * (layer_count - 1), 0.85 * (layer_count - 1)
    inside = [layer for layer in vector.layers if low <= layer <= high] or list(vector.layers)

    def merit(layer: int) -> float:
        figures = vector.meta.diagnostics.get(layer, {})
        return figures.get("separation", 0.0) * max(figures.get("split_half", 1.0), 0.0)

    singles: list[Layers] = [(layer,) for layer in sorted(inside, key=merit, reverse=True)]
    if not vector.meta.diagnostics:
        singles = [(layer,) for layer in inside[:: max(1, len(inside) // CANDIDATES)]]
    together = tuple(sorted(layer for layer in vector.meta.best_layers if layer in vector.layers))
    rows = [together, *singles] if len(together) > 1 else singles
    return tuple(dict.fromkeys(rows))[:CANDIDATES]


def next_sizes(tried: Tried, budget: float, limit: float) -> tuple[float, ...]:
    """Return the strengths to try next so that the KL comes close to the budget from below; none when it is."""
    ordered = sorted(tried)
    over = next((place for place, (_, kl) in enumerate(ordered) if kl is None or kl > budget), len(ordered))
    if over == 0:
        return (ordered[0][0] / 2, ordered[0][0] / 4)
    below, low = ordered[over - 1]
    assert low is not None
    if low >= _NEAR * budget:
        return ()
    if over == len(ordered):
        return tuple(dict.fromkeys(min(limit, below * factor) for factor in (2, 4))) if below < limit else ()
    above, high = ordered[over]
    if above / below < _NARROW:
        return ()
    share = 0.5
    if high is not None and low > 0:
        share = min(0.9, max(0.1, math.log(budget / low) / math.log(high / low)))
    # Between the neighbours on a logarithmic scale, around where a power law puts the budget.
    shares = (share / 2, share, (1 + share) / 2)
    return tuple(round(below * (above / below) ** each, 4) for each in shares)


def _row_of(cell: Cell, rows: Sequence[Layers]) -> Layers:
    return next(row for row in rows if format_layers(row) == cell.span)
