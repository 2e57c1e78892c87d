"""Where the panes of Sweep lie, for every size a terminal may have. One pure function from size and facts."""

from __future__ import annotations

from dataclasses import dataclass

from steer_tui.tui.layout import Box, DeskFacts

SETUP, GRID, FRONT, CELL, BASELINE = ("setup", "grid", "front", "cell", "baseline")
PANES = (GRID, FRONT, SETUP, CELL, BASELINE)
"""In the order in which tab walks through them."""

LOW = 17
"""Below this many rows grid and set-up share a place, and so do the texts."""
NARROW = 70
"""Below this width too."""
WIDE = 140
"""From this width on grid and front lie side by side."""
LEAST_TEXT = 6
"""Rows of the texts at least."""


@dataclass(frozen=True, slots=True)
class SweepFacts(DeskFacts):
    """What the arrangement depends on, besides the size."""

    rows: int = 7
    """Lines of the grid that scroll."""
    fields: int = 10
    """Lines of the set-up that scroll."""


def arrange(width: int, height: int, facts: SweepFacts) -> dict[str, Box]:
    """Return the visible panes and their rectangles; every cell of the desk belongs to one of them."""
    if facts.zoomed:
        return {facts.zoomed: Box(0, 0, width, height)}
    top = _top(height, facts)
    if height < LOW or width < NARROW:
        boxes = {_front((GRID, FRONT, SETUP), facts): Box(0, 0, width, top)}
        boxes[_front((CELL, BASELINE), facts)] = Box(0, top, width, height - top)
        return boxes
    left = 27 if width < 100 else min(42, width * 27 // 100)
    boxes = {SETUP: Box(0, 0, left, top)}
    room = width - left
    if width >= WIDE:
        map_width = room * 55 // 100
        boxes[GRID] = Box(left, 0, map_width, top)
        boxes[FRONT] = Box(left + map_width, 0, room - map_width, top)
    else:
        boxes[_front((GRID, FRONT), facts)] = Box(left, 0, room, top)
    half = (width + 1) // 2
    boxes[CELL] = Box(0, top, half, height - top)
    boxes[BASELINE] = Box(half, top, width - half, height - top)
    return boxes


def _top(height: int, facts: SweepFacts) -> int:
    """Return the rows of the upper panes: what they need, the texts left enough, nothing left empty."""
    wanted = max(facts.rows + 8, facts.fields + 5, height * 45 // 100)
    return max(8, min(wanted, height - max(LEAST_TEXT, height * 28 // 100)))


def _front(sharing: tuple[str, ...], facts: SweepFacts) -> str:
    """Return the pane, of those that share a place, that was looked at last."""
    seen = [name for name in facts.recent if name in sharing]
    return (seen or list(sharing))[0]
