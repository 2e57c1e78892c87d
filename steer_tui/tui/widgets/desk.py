"""The container of Steer's panes: places them where `tui.layout` says."""

from __future__ import annotations

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from steer_tui.tui.layout import Facts, arrange


class DeskLayout(Layout):
    """Places children by their ids; a child without a place is not shown."""

    name = "desk"

    def __init__(self) -> None:
        self.facts = Facts()

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """Return the placements of the visible panes."""
        parent.pre_layout(self)
        boxes = arrange(size.width, size.height, self.facts)
        return [
            WidgetPlacement(Region(*boxes[child.id]), NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child.id is not None and child.id in boxes
        ]


class Desk(Widget):
    """Holds the panes."""

    def __init__(self, *children: Widget) -> None:
        super().__init__(*children, id="desk")
        self._desk_layout = DeskLayout()

    @property
    def layout(self) -> Layout:
        """The arrangement of this very desk."""
        return self._desk_layout

    @property
    def facts(self) -> Facts:
        """What the arrangement depends on."""
        return self._desk_layout.facts

    @facts.setter
    def facts(self, facts: Facts) -> None:
        if facts == self._desk_layout.facts:
            return
        self._desk_layout.facts = facts
        for child in self.children:
            child.refresh(layout=True)  # a child's request is what clears this widget's cached arrangement
            break

    def visible_panes(self) -> set[str]:
        """Return the ids of the panes that have a place now."""
        return set(arrange(self.size.width, self.size.height, self.facts))
