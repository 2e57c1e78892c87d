"""The container of a screen's panes: places them where a pure function of size and facts says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from steer_tui.tui.layout import Box

F = TypeVar("F")
Arrange = Callable[[int, int, F], dict[str, Box]]
"""Returns the visible panes by id and their rectangles, for a width, a height and facts."""


class DeskLayout(Layout, Generic[F]):
    """Places children by their ids; a child without a place is not shown."""

    name = "desk"

    def __init__(self, facts: F, place: Arrange[F]) -> None:
        self.facts, self._place = facts, place

    def boxes(self, size: Size) -> dict[str, Box]:
        """Return the visible panes and their rectangles."""
        return self._place(size.width, size.height, self.facts)

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """Return the placements of the visible panes."""
        parent.pre_layout(self)
        boxes = self.boxes(size)
        return [
            WidgetPlacement(Region(*boxes[child.id]), NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child.id is not None and child.id in boxes
        ]


class Desk(Widget, Generic[F]):
    """Holds the panes."""

    def __init__(self, *children: Widget, facts: F, place: Arrange[F]) -> None:
        super().__init__(*children, id="desk")
        self._desk_layout = DeskLayout(facts, place)

    @property
    def layout(self) -> Layout:
        """The arrangement of this very desk."""
        return self._desk_layout

    @property
    def facts(self) -> F:
        """What the arrangement depends on."""
        return self._desk_layout.facts

    @facts.setter
    def facts(self, facts: F) -> None:
        if facts == self._desk_layout.facts:
            return
        self._desk_layout.facts = facts
        for child in self.children:
            child.refresh(layout=True)  # a child's request is what clears this widget's cached arrangement
            break

    def visible_panes(self) -> set[str]:
        """Return the ids of the panes that have a place now."""
        return set(self._desk_layout.boxes(self.size))
