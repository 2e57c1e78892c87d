"""Where the panes of History lie, for every size a terminal may have. One pure function from size and facts."""

from __future__ import annotations

from dataclasses import dataclass

from steer_tui.tui.layout import Box, DeskFacts

ENTRIES, RECORD, DIFFERENCE, FIRST, SECOND = ("entries", "record", "difference", "first", "second")
READING = (ENTRIES, RECORD)
COMPARING = (DIFFERENCE, FIRST, SECOND)

WIDE = 120
"""From this width on the record lies beside the list."""


@dataclass(frozen=True, slots=True)
class HistoryFacts(DeskFacts):
    """What the arrangement depends on, besides the size."""

    comparing: bool = False
    """Whether two runs stand side by side, in place of the list."""
    differences: int = 0


def arrange(width: int, height: int, facts: HistoryFacts) -> dict[str, Box]:
    """Return the visible panes and their rectangles; every cell of the desk belongs to one of them."""
    if facts.zoomed in panes(facts):
        return {str(facts.zoomed): Box(0, 0, width, height)}
    if facts.comparing:
        top = max(4, min(facts.differences + 3, height // 2))
        half = (width + 1) // 2
        return {
            DIFFERENCE: Box(0, 0, width, top),
            FIRST: Box(0, top, half, height - top),
            SECOND: Box(half, top, width - half, height - top),
        }
    if width >= WIDE:
        left = width * 54 // 100
        return {ENTRIES: Box(0, 0, left, height), RECORD: Box(left, 0, width - left, height)}
    top = (height + 1) // 2
    return {ENTRIES: Box(0, 0, width, top), RECORD: Box(0, top, width, height - top)}


def panes(facts: HistoryFacts) -> tuple[str, ...]:
    """Return the panes that tab walks through."""
    return COMPARING if facts.comparing else READING
