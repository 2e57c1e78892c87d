"""The panes of Inspect, which of them has the keyboard, and moving in and between them."""

from __future__ import annotations

from dataclasses import replace

from textual import events
from textual.app import ComposeResult
from textual.widget import Widget

from steer_tui.tui.inspect_layout import (
    ATTACHED,
    HOOKED,
    LOGITS,
    PANES,
    POINTS,
    RIGHT,
    UNHOOKED,
    WATCH,
    InspectFacts,
    arrange,
    panes,
)
from steer_tui.tui.screens.base import WorkbenchScreen
from steer_tui.tui.widgets.attached import Attached
from steer_tui.tui.widgets.desk import Desk
from steer_tui.tui.widgets.logits import Logits
from steer_tui.tui.widgets.pane import Pane
from steer_tui.tui.widgets.points import Points
from steer_tui.tui.widgets.stream_text import StreamText
from steer_tui.tui.widgets.watch_list import WatchList

FAR = 10**9


class InspectPanes(WorkbenchScreen):
    """Six panes on a desk."""

    NAME = "inspect"
    AUTO_FOCUS = None

    def __init__(self) -> None:
        super().__init__(name=self.NAME)
        self.points = Points(id=POINTS)
        self.watch_list = WatchList(id=WATCH)
        self.attached = Attached(id=ATTACHED)
        self.hooked = StreamText("Hooked", id=HOOKED)
        self.unhooked = StreamText("Unhooked", id=UNHOOKED)
        self.logits = Logits(id=LOGITS)
        children = (self.points, self.watch_list, self.attached, self.hooked, self.unhooked, self.logits)
        self.desk = Desk(*children, facts=InspectFacts(), place=arrange)

    def body(self) -> ComposeResult:
        """Return the desk."""
        yield self.desk

    @property
    def place(self) -> str:
        """The pane that has the keyboard."""
        focused = self.focused
        return (focused.id or POINTS) if focused is not None else POINTS

    def pane(self, name: str) -> Widget:
        """Return a pane by its id."""
        return self.desk.get_child_by_id(name)

    @property
    def is_inside(self) -> bool:
        """Whether esc has a level to leave: a value, the filter, the parameters of a hook, a zoomed pane."""
        return (
            self.attached.editing is not None
            or self.points.filtering
            or bool(self.points.filter_text)
            or self.attached.opened >= 0
            or bool(self.desk.facts.zoomed)
        )

    # Which pane

    def go_to(self, name: str) -> None:
        """Give the keyboard to a pane, bringing it to the front of the place it shares."""
        self._bring_forward(name)
        self.set_focus(self.pane(name), scroll_visible=False)

    def _bring_forward(self, name: str) -> None:
        facts = self.desk.facts
        recent = (name, *(other for other in facts.recent if other != name))
        self.desk.facts = replace(facts, recent=recent, zoomed=name if facts.zoomed else None)

    def reveal(self, name: str) -> None:
        """Bring a pane to the front of the place it shares; the keyboard stays where it is."""
        facts = self.desk.facts
        others = [other for other in facts.recent if other not in (name, self.place)]
        self.desk.facts = replace(facts, recent=(self.place, name, *others))

    def regain_focus(self) -> None:
        """Give the keyboard back to the pane that was looked at last."""
        self.go_to((*self.desk.facts.recent, POINTS)[0])

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Follow the keyboard, wherever a click or a key took it."""
        if event.widget.id in PANES:
            self._bring_forward(str(event.widget.id))
        self.show_status()

    def act_zoom(self) -> None:
        """Give the pane the whole desk, or give it back."""
        self.desk.facts = replace(self.desk.facts, zoomed=None if self.desk.facts.zoomed else self.place)
        self.show_status()

    def act_next_pane(self) -> None:
        """Go to the next pane."""
        self._walk(1)

    def act_previous_pane(self) -> None:
        """Go to the previous pane."""
        self._walk(-1)

    def _walk(self, step: int) -> None:
        order = panes(self.desk.facts)
        at = order.index(self.place) if self.place in order else 0
        self.go_to(order[(at + step) % len(order)])

    def act_move_left(self) -> None:
        """Fold, or go to the block of a point; in the other panes, go to the tree."""
        if self.place == POINTS:
            self.points.fold()
        elif self.place in (UNHOOKED, LOGITS) and HOOKED in self.desk.visible_panes():
            self.go_to(HOOKED)
        else:
            self.go_to(POINTS)

    def act_move_right(self) -> None:
        """Unfold; on an open folder or a point, go to the pane on the right."""
        if self.place == POINTS and not self.points.unfold():
            visible = self.desk.visible_panes()
            seen = [name for name in self.desk.facts.recent if name in visible and name in RIGHT]
            self.go_to((seen or [name for name in RIGHT if name in visible] or [ATTACHED])[0])
        elif self.place == HOOKED and self.desk.facts.baseline:
            self.go_to(next((name for name in (UNHOOKED, LOGITS) if name in self.desk.visible_panes()), UNHOOKED))

    # Within a pane

    def act_move_down(self) -> None:
        """Move down."""
        self.move(1)

    def act_move_up(self) -> None:
        """Move up."""
        self.move(-1)

    def act_page_down(self) -> None:
        """Move a page down."""
        self.move(max(1, self._page - 1))

    def act_page_up(self) -> None:
        """Move a page up."""
        self.move(-max(1, self._page - 1))

    def act_first(self) -> None:
        """Move to the first line."""
        self.move(-FAR)

    def act_last(self) -> None:
        """Move to the last line."""
        self.move(FAR)

    @property
    def _page(self) -> int:
        return self.focused.body_height if isinstance(self.focused, Pane) else 1

    def move(self, amount: int) -> None:
        """Move the cursor or the view of the pane that has the keyboard."""
        pane = self.focused
        if isinstance(pane, Points | WatchList | Attached):
            pane.move(amount)
        elif isinstance(pane, Pane):
            pane.scroll_lines(amount)

    def act_filter(self) -> None:
        """Write the filter of the points."""
        self.go_to(POINTS)
        self.points.start_filter()
