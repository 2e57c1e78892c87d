"""Lines of Sweep's panes that need no widget: facts that fit, and what stands behind the only column of a grid."""

from __future__ import annotations

from rich.cells import cell_len

from steer_tui.engine.sweepgrid import SweepControls
from steer_tui.engine.sweeptypes import Cell
from steer_tui.tui.glyphs import Glyphs
from steer_tui.tui.safe import fit, fit_right
from steer_tui.tui.sweep_words import NAMES, NOISE_MEASURES, figure
from steer_tui.tui.widgets.heatmap import HeatCell
from steer_tui.tui.widgets.pane import Part

BESIDE = ("concept", "kl_mean", "perplexity", "distinct_2", "share")
"""Measures behind the only column, as many as there is room for."""
FIGURE, LEAST_BAR, MOST_BAR = 11, 10, 40
"""Cells of one of them, and of the bar before them."""


def noise_words(cell: Cell, measure: str, controls: SweepControls, glyphs: Glyphs) -> list[Part]:
    """Return whether a figure can be told from random directions, and where those lie; nothing where none are there."""
    value = cell.figure(measure)
    if value is None or measure not in NOISE_MEASURES or len(cell.strengths) > 1:
        return []
    band = controls.band(measure, cell.strength)
    if band is None:
        return []
    reach = f"random {figure(measure, band.low)} to {figure(measure, band.high)}"
    if band.holds(value):
        return [(f"  {glyphs.noise} noise", "warning"), (f": {reach}", "muted")]
    return [("  beyond noise", "good"), (f": {reach}", "muted")]


def beside(measure: str, width: int) -> tuple[int, tuple[str, ...]]:
    """Return the cells of the bar behind the only column, and the measures behind that; none in little room."""
    if width < LEAST_BAR:
        return 0, ()
    others = [other for other in BESIDE if other != measure]
    count = min(len(others), (width - LEAST_BAR) // FIGURE)
    return min(MOST_BAR, width - count * FIGURE), tuple(others[:count])


def beside_head(measure: str, width: int) -> list[Part]:
    """Return the names of the measures behind the only column."""
    room, measures = beside(measure, width)
    return [(" " * room + "".join(fit_right(NAMES[other], FIGURE) for other in measures), "group")]


def beside_line(cell: Cell | None, shown: HeatCell, measure: str, width: int, glyphs: Glyphs) -> list[Part]:
    """Return a bar and further figures of a cell behind the only column."""
    room, measures = beside(measure, width)
    if not room:
        return []
    words = "".join(fit_right(figure(other, cell.figure(other)), FIGURE) for other in measures) if cell else ""
    filled = "" if shown.level is None else glyphs.full * max(1, round(shown.level * (room - 2)))
    return [("  " + fit(filled, room - 2), "spark" if shown.mark == glyphs.noise else "on"), (words, "muted")]


def strongest(cells: tuple[Cell, ...]) -> Cell | None:
    """Return the label-shuffled vector at its largest strength, where it would show most."""
    return max(cells, key=lambda cell: abs(cell.strength), default=None)


def facts_line(facts: list[tuple[str, str]], width: int) -> list[Part]:
    """Return as many facts as fit."""
    parts: list[Part] = []
    room = width
    for name, value in facts:
        needed = cell_len(name) + cell_len(value) + 1 + (2 if parts else 0)
        if needed > room:
            break
        parts += [("  " if parts else "", ""), (f"{name} ", "muted"), (value, "strong")]
        room -= needed
    return parts


def cut(parts: list[Part], width: int, ellipsis: str) -> list[Part]:
    """Return parts in at most `width` cells."""
    made: list[Part] = []
    for text, paint in parts:
        size = cell_len(text)
        if size > width:
            return [*made, (fit(text, width, ellipsis), paint)] if width > 1 else made
        made.append((text, paint))
        width -= size
    return made
