"""How the figures of a sweep are written and weighed: names of measures, numbers, levels of colour, marks.

Pure functions of cells and grids; knows nothing of widgets.
"""

from __future__ import annotations

import math

from steer_tui.engine.sweepgrid import Grid
from steer_tui.engine.sweeptypes import MEASURES, Cell
from steer_tui.session.sweep_board import SweepBoard
from steer_tui.tui.glyphs import Glyphs
from steer_tui.tui.numbers import percent, plain, signed
from steer_tui.tui.safe import label
from steer_tui.tui.widgets.heatmap import HeatCell

NAMES = {
    "concept": "concept",
    "perplexity": "perplexity",
    "kl_mean": "KL",
    "kl_p95": "KL p95",
    "distinct_2": "distinct-2",
    "relative_norm": "added norm",
    "share": "by words",
}
"""What a person calls each measure."""
COSTS = ("perplexity", "kl_mean", "kl_p95", "relative_norm")
"""Measures of which less is better."""
PROBLEMS = {"nan": "NaN", "repeats": "loop", "empty": "empty"}
ABOUT_PROBLEMS = {
    "nan": "broken: a logit that is no number",
    "repeats": "broken: the text goes round in circles",
    "empty": "broken: no token came",
}
NOISE_MEASURES = ("concept", "perplexity", "kl_mean", "distinct_2", "share")


def measures_of(board: SweepBoard) -> tuple[str, ...]:
    """Return the measures that some cell has, in the order in which a key walks through them."""
    cells = board.grid_cells()
    there = tuple(name for name in MEASURES if any(cell.figure(name) is not None for cell in cells))
    return there or MEASURES[:1]


def figure(measure: str, value: float | None) -> str:
    """Return a figure in five cells or so; a dash where there is none."""
    if value is None:
        return "-"
    if measure == "concept":
        return signed(value)
    if measure in ("relative_norm", "share"):
        return percent(value)
    return plain(value, 1 if measure == "perplexity" else 2)


def level(measure: str, value: float | None, board: SweepBoard, bounds: tuple[float, float]) -> float | None:
    """Return the level of a figure, 0 to 1; `bounds` are those of the concept."""
    if value is None or not math.isfinite(value):
        return None
    if measure == "concept":
        low, high = bounds
        return min(1.0, max(0.0, (value - low) / (high - low)))
    if measure == "perplexity":
        base = board.baseline.perplexity if board.baseline and board.baseline.perplexity else 1.0
        return min(1.0, max(0.0, math.log(max(value, 1e-9) / base, 10)))
    if measure in ("kl_mean", "kl_p95"):  # the budget lies in the middle
        reach = 2 * board.request.kl_budget * (1 if measure == "kl_mean" else 3)
        return min(1.0, value / reach)
    return min(1.0, max(0.0, value))


def concept_bounds(board: SweepBoard) -> tuple[float, float]:
    """Return the ends of the concept's colours: 0 and 1, or beyond in steps of a half, so that they seldom move."""
    known = [cell.concept for cell in board.grid_cells() if cell.concept is not None and math.isfinite(cell.concept)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    return min(0.0, math.floor(low * 2) / 2), max(1.0, math.ceil(high * 2) / 2)


def is_noise(grid: Grid, measure: str, cell: Cell) -> bool:
    """Say whether a figure cannot be told from those of random directions of equal norm."""
    value = cell.figure(measure)
    if measure not in NOISE_MEASURES or value is None or len(cell.strengths) > 1:
        return False
    band = grid.controls.band(measure, cell.strength)
    return band is not None and band.holds(value)


def heat_cell(
    cell: Cell | None, measure: str, board: SweepBoard, bounds: tuple[float, float], best: bool, glyphs: Glyphs
) -> HeatCell:
    """Return what the map shows of a cell; None is one that is not there yet."""
    if cell is None:
        return HeatCell(glyphs.dot, None, " ", "faint")
    if cell.problem is not None:
        return HeatCell(PROBLEMS[cell.problem], None, "!", "error")
    noise = is_noise(board.grids[cell.name], measure, cell)
    mark = glyphs.best if best else glyphs.noise if noise else " "
    value = cell.figure(measure)
    return HeatCell(figure(measure, value), level(measure, value, board, bounds), mark)


def details(cell: Cell) -> list[tuple[str, str]]:
    """Return the figures of a cell as name and number, most telling first, with their spread where there is one."""
    found = []
    for measure in MEASURES:
        value = cell.figure(measure)
        if value is None:
            continue
        spread = cell.spread.get(measure)
        unit = " nats" if measure in ("kl_mean", "kl_p95") else ""
        plus = f" sd {figure(measure, spread).lstrip('+')}" if spread is not None else ""
        found.append((NAMES[measure], f"{figure(measure, value)}{plus}{unit}"))
        if measure == "concept" and len(cell.concepts) > 1:  # of a mix, what each of its concepts came to
            found += [(label(name), figure(measure, each)) for name, each in cell.concepts.items()]
    return found


def time_left(seconds: float | None) -> str:
    """Return a time in words, such as `8 s left`."""
    if seconds is None:
        return ""
    if seconds >= 90:
        return f"{seconds / 60:.0f} min left" if seconds < 5400 else f"{seconds / 3600:.1f} h left"
    return f"{max(1, round(seconds))} s left"
