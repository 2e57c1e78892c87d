"""A closer look around a grid's best cell: finer strengths, neighbouring layers. No torch import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from steer_tui.engine.recipe import Layers
from steer_tui.engine.sweepgrid import Grid, nats
from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.errors import UsageError

_FINER = (0.25, 0.5)
"""Shares of the step to the next column at which new ones are put."""
_BEYOND = (0.5, 1.0)
"""The same where there is no next column."""


def refine(request: SweepRequest, grid: Grid, layer_count: int) -> SweepRequest:
    """Return the request for a closer look; run it with the grid's cells as `done`, and the grids are one.

    Raises:
        UsageError: No cell of the grid is within the KL budget.
    """
    best = grid.best
    if best is None:
        raise UsageError(
            f"no cell is within {nats(grid.kl_budget)}", hint="look at weaker strengths, or raise the budget"
        )
    axes = [sorted({cell.strengths[axis] for cell in grid.cells}) for axis in range(len(best.strengths))]
    found = {value for axis, columns in enumerate(axes) for value in around(best.strengths[axis], columns)}
    strengths = tuple(sorted(found))
    if request.mix:
        return replace(request, strengths=strengths)
    return replace(request, concepts=(grid.name,), layers=near_layers(best.layers, layer_count), strengths=strengths)


def around(value: float, columns: Sequence[float]) -> tuple[float, ...]:
    """Return strengths around one of `columns`, itself included: between its neighbours, beyond it at an end."""
    below = [column for column in columns if column < value]
    above = [column for column in columns if column > value]
    usual = max(abs(value) / 2, 0.25)
    down = value - below[-1] if below else (above[0] - value if above else usual)
    up = above[0] - value if above else (value - below[-1] if below else usual)
    found = [value - share * down for share in (_FINER if below else _BEYOND)]
    found += [value + share * up for share in (_FINER if above else _BEYOND)]
    if value > 0:  # a strength of the other sign is another question
        found = [each for each in found if each > 0]
    elif value < 0:
        found = [each for each in found if each < 0]
    return tuple(sorted({value, *(round(each, 4) for each in found)}))


def near_layers(layers: Sequence[int], count: int) -> tuple[Layers, ...]:
    """Return a choice of layers with those next to it: one less, one more at either end, both."""
    low, high = min(layers), max(layers)
    wanted = [(low, high), (low - 1, high), (low, high + 1), (low - 1, high + 1), (low + 1, high), (low, high - 1)]
    rows: dict[Layers, None] = {tuple(layers): None}
    for first, last in wanted:
        if 0 <= first <= last < count:
            rows[tuple(range(first, last + 1))] = None
    return tuple(sorted(rows, key=lambda row: (row[0], len(row))))
