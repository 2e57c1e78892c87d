"""Where the panes of Steer lie, for every size a terminal may have.

One pure function from size and facts to rectangles; knows nothing of widgets. Panes that do not fit share a place: the
one looked at last is in front, so that every pane is one key away at any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

CONCEPTS, RECIPE, STEERED, BASELINE, ACTIVATIONS, PROMPT = (
    "concepts",
    "recipe",
    "steered",
    "baseline",
    "activations",
    "prompt",
)
PANES = (CONCEPTS, RECIPE, STEERED, BASELINE, ACTIVATIONS, PROMPT)
"""In the order in which tab walks through them."""

LEAST_WIDTH, LEAST_HEIGHT = 60, 16
BESIDE = 92
"""From this width on the two texts lie side by side."""
SPLIT_ROWS = 13
"""From this many rows on a column holds two panes."""
STACK_ROWS = 28
"""From this many rows on a narrow column holds three panes."""


class Box(NamedTuple):
    """A rectangle in cells, relative to the desk."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """What every arrangement depends on, besides the size."""

    zoomed: str | None = None
    """The pane that has the whole desk."""
    recent: tuple[str, ...] = ()
    """Panes as they were looked at, newest first."""


@dataclass(frozen=True, slots=True)
class Facts(DeskFacts):
    """What the arrangement depends on, besides the size."""

    baseline: bool = True
    """Whether an unsteered text is wanted beside the steered one."""
    terms: int = 1
    prompt_lines: int = 1
    layers: int = 8


def arrange(width: int, height: int, facts: Facts) -> dict[str, Box]:
    """Return the visible panes and their rectangles; every cell of the desk belongs to one of them."""
    if facts.zoomed:
        return {facts.zoomed: Box(0, 0, width, height)}
    prompt = 2 + min(max(1, facts.prompt_lines), max(1, height // 5))
    rows = height - prompt
    left = _left_width(width)
    boxes = _left(left, rows, facts)
    boxes |= _right(left, width - left, rows, facts)
    boxes[PROMPT] = Box(0, rows, width, prompt)
    return boxes


def panes(facts: Facts) -> tuple[str, ...]:
    """Return the panes that tab walks through, visible at once or not."""
    return tuple(pane for pane in PANES if pane != BASELINE or facts.baseline)


def _left_width(width: int) -> int:
    if width < 70:
        return 23
    if width < 100:
        return 28
    return min(44, width * 27 // 100)


def _left(width: int, rows: int, facts: Facts) -> dict[str, Box]:
    if rows < SPLIT_ROWS:
        return {_front((CONCEPTS, RECIPE), facts): Box(0, 0, width, rows)}
    recipe = min(2 + 2 * max(1, facts.terms), max(4, rows * 2 // 5))
    return {CONCEPTS: Box(0, 0, width, rows - recipe), RECIPE: Box(0, rows - recipe, width, recipe)}


def _right(x: int, width: int, rows: int, facts: Facts) -> dict[str, Box]:
    if x + width >= BESIDE:
        return _beside(x, width, rows, facts)
    texts = (STEERED, BASELINE) if facts.baseline else (STEERED,)
    if rows >= STACK_ROWS and facts.baseline:
        table = min(facts.layers + 4, rows * 2 // 5)
        return _stack(x, width, (STEERED, BASELINE), rows - table) | {ACTIVATIONS: Box(x, rows - table, width, table)}
    if rows < SPLIT_ROWS:
        return {_front((*texts, ACTIVATIONS), facts): Box(x, 0, width, rows)}
    lower = _front((*texts[1:], ACTIVATIONS), facts)
    return _stack(x, width, (STEERED, lower), rows)


def _beside(x: int, width: int, rows: int, facts: Facts) -> dict[str, Box]:
    table = max(min(facts.layers + 4, rows // 2), 8)
    if rows < SPLIT_ROWS + 2:
        if _front((STEERED, BASELINE, ACTIVATIONS), facts) == ACTIVATIONS:
            return {ACTIVATIONS: Box(x, 0, width, rows)}
        return _columns(x, width, rows, facts)
    boxes = _columns(x, width, rows - table, facts)
    boxes[ACTIVATIONS] = Box(x, rows - table, width, table)
    return boxes


def _columns(x: int, width: int, rows: int, facts: Facts) -> dict[str, Box]:
    if not facts.baseline:
        return {STEERED: Box(x, 0, width, rows)}
    half = (width + 1) // 2
    return {STEERED: Box(x, 0, half, rows), BASELINE: Box(x + half, 0, width - half, rows)}


def _stack(x: int, width: int, pair: tuple[str, str], rows: int) -> dict[str, Box]:
    upper = (rows + 1) // 2
    return {pair[0]: Box(x, 0, width, upper), pair[1]: Box(x, upper, width, rows - upper)}


def _rank(pane: str, facts: Facts) -> int:
    return facts.recent.index(pane) if pane in facts.recent else len(facts.recent) + PANES.index(pane)


def _front(sharing: tuple[str, ...], facts: Facts) -> str:
    """Return the pane, of those that share a place, that was looked at last."""
    return min(sharing, key=lambda pane: _rank(pane, facts))
