"""Where the panes of Inspect lie, for every size a terminal may have.

One pure function from size and facts to rectangles. The tree is always in sight; panes that do not fit share a place,
the one looked at last in front.
"""

from __future__ import annotations

from dataclasses import dataclass

from steer_tui.tui.layout import Box, DeskFacts

POINTS, WATCH, ATTACHED, HOOKED, UNHOOKED, LOGITS = ("points", "watch", "attached", "hooked", "unhooked", "logits")
PANES = (POINTS, WATCH, ATTACHED, HOOKED, UNHOOKED, LOGITS)
"""In the order in which tab walks through them."""
RIGHT = (WATCH, ATTACHED, HOOKED, UNHOOKED, LOGITS)

LOW = 19
"""Below this many rows the texts have no band of their own."""
TALL, WIDE = 30, 110
"""From this size on the tree has a column from top to bottom."""
ROOMY = 100
"""From this width on the right side shows list and logits side by side."""
LEAST, FRONT = 5, 8
"""Rows of the smaller and the larger of two panes that are stacked in little room."""


@dataclass(frozen=True, slots=True)
class InspectFacts(DeskFacts):
    """What the arrangement depends on, besides the size."""

    baseline: bool = True
    """Whether there is an unhooked text to compare with."""
    watched: int = 0
    """Points that are watched."""
    attached: int = 0
    """Lines of the list of what is attached; 0 where nothing is."""


def arrange(width: int, height: int, facts: InspectFacts) -> dict[str, Box]:
    """Return the visible panes and their rectangles; every cell of the desk belongs to one of them."""
    if facts.zoomed:
        return {facts.zoomed: Box(0, 0, width, height)}
    if height < LOW:
        return _low(width, height, facts)
    if height >= TALL and width >= WIDE:
        return _tall(width, height, facts)
    return _banded(width, height, facts)


def panes(facts: InspectFacts) -> tuple[str, ...]:
    """Return the panes that tab walks through, visible at once or not."""
    return tuple(pane for pane in PANES if facts.baseline or pane not in (UNHOOKED, LOGITS))


def _tree_width(width: int) -> int:
    if width < 70:
        return 26
    return min(46, max(34, width * 27 // 100))


def _low(width: int, height: int, facts: InspectFacts) -> dict[str, Box]:
    """Return tree left; beside it the lists above the texts, one of each."""
    left = _tree_width(width)
    upper = height // 2
    return {
        POINTS: Box(0, 0, left, height),
        _front((WATCH, ATTACHED), facts): Box(left, 0, width - left, upper),
        _front(_texts(facts), facts): Box(left, upper, width - left, height - upper),
    }


def _banded(width: int, height: int, facts: InspectFacts) -> dict[str, Box]:
    """Return tree and lists above, both texts side by side below, logits in the place of the unhooked text."""
    left = _tree_width(width)
    lower = max(9, height * 38 // 100)
    upper = height - lower
    boxes = {POINTS: Box(0, 0, left, upper)}
    boxes |= _stack(left, 0, width - left, upper, facts)
    boxes |= _pair(0, upper, width, lower, facts)
    return boxes


def _tall(width: int, height: int, facts: InspectFacts) -> dict[str, Box]:
    """Return the tree from top to bottom; beside it lists above, texts below."""
    left = _tree_width(width)
    x, room = left, width - left
    lower = max(10, height * 36 // 100)
    upper = height - lower
    boxes = {POINTS: Box(0, 0, left, height)}
    if room < ROOMY:
        return boxes | _stack(x, 0, room, upper, facts) | _pair(x, upper, room, lower, facts)
    watch = min(max(12, facts.watched + 11), upper * 3 // 5)
    boxes[WATCH] = Box(x, 0, room, watch)
    if facts.baseline:
        logits = min(56, room * 45 // 100)
        boxes[ATTACHED] = Box(x, watch, room - logits, upper - watch)
        boxes[LOGITS] = Box(x + room - logits, watch, logits, upper - watch)
        half = (room + 1) // 2
        boxes[HOOKED] = Box(x, upper, half, lower)
        boxes[UNHOOKED] = Box(x + half, upper, room - half, lower)
    else:
        boxes[ATTACHED] = Box(x, watch, room, upper - watch)
        boxes[HOOKED] = Box(x, upper, room, lower)
    return boxes


def _stack(x: int, y: int, width: int, height: int, facts: InspectFacts) -> dict[str, Box]:
    """Return the two lists one above the other; in little room the one in front is larger."""
    if height < 2 * LEAST:
        return {_front((WATCH, ATTACHED), facts): Box(x, y, width, height)}
    if height >= 2 * FRONT:
        watch = max(height // 3, facts.watched + 10 if facts.watched else 0)
        watch = max(LEAST, min(watch, height - max(FRONT, min(facts.attached + 6, height * 2 // 3))))
    elif _front((WATCH, ATTACHED), facts) == WATCH:
        watch = height - (LEAST if facts.attached else 3)
    else:
        watch = LEAST if facts.watched else 3
    return {WATCH: Box(x, y, width, watch), ATTACHED: Box(x, y + watch, width, height - watch)}


def _pair(x: int, y: int, width: int, height: int, facts: InspectFacts) -> dict[str, Box]:
    if not facts.baseline:
        return {HOOKED: Box(x, y, width, height)}
    half = (width + 1) // 2
    return {
        HOOKED: Box(x, y, half, height),
        _front((UNHOOKED, LOGITS), facts): Box(x + half, y, width - half, height),
    }


def _texts(facts: InspectFacts) -> tuple[str, ...]:
    return (HOOKED, UNHOOKED, LOGITS) if facts.baseline else (HOOKED,)


def _front(sharing: tuple[str, ...], facts: InspectFacts) -> str:
    """Return the pane, of those that share a place, that was looked at last."""
    order = {pane: place for place, pane in enumerate((*facts.recent, *PANES))}
    order |= {pane: place for place, pane in reversed(list(enumerate(facts.recent)))}
    return min(sharing, key=lambda pane: order[pane])
