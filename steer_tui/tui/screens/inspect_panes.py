"""The panes of Inspect, which of them has the keyboard, and moving in and between them."""

from __future__ import annotations

from dataclasses import replace

from steer_tui.tui.inspect_layout import (
    ATTACHED,
    HOOKED,
    LOGITS,
    POINTS,
    RIGHT,
    UNHOOKED,
    WATCH,
    InspectFacts,
    arrange,
    panes,
)
from steer_tui.tui.running_text import RunningText
from steer_tui.tui.screens.desk_screen import DeskScreen
from steer_tui.tui.widgets.attached import Attached
from steer_tui.tui.widgets.desk import Desk
from steer_tui.tui.widgets.logits import Logits
from steer_tui.tui.widgets.pane import Pane
from steer_tui.tui.widgets.points import Points
from steer_tui.tui.widgets.stream_text import StreamText
from steer_tui.tui.widgets.watch_list import WatchList


class InspectPanes(DeskScreen[InspectFacts]):
    """Six panes on a desk."""

    NAME = "inspect"
    HOME = POINTS

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
        self.running = RunningText()

    def panes(self) -> tuple[str, ...]:
        """Return the panes that tab walks through, visible at once or not."""
        return panes(self.desk.facts)

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

    def reveal(self, name: str) -> None:
        """Bring a pane to the front of the place it shares; the keyboard stays where it is."""
        facts = self.desk.facts
        others = [other for other in facts.recent if other not in (name, self.place)]
        self.desk.facts = replace(facts, recent=(self.place, name, *others))

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
