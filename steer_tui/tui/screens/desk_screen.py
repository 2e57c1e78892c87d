"""A screen whose panes lie on a desk: which of them has the keyboard, is in front, or has the whole desk."""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.widget import Widget

from steer_tui.tui.layout import DeskFacts
from steer_tui.tui.screens.moving import MovingScreen
from steer_tui.tui.widgets.desk import Desk

F = TypeVar("F", bound=DeskFacts)


class DeskScreen(MovingScreen, Generic[F]):
    """A screen with a desk."""

    AUTO_FOCUS = None
    HOME = ""
    """The pane that keys act on while none has the keyboard."""
    desk: Desk[F]

    def body(self) -> ComposeResult:
        """Return the desk."""
        yield self.desk

    def pane(self, name: str) -> Widget:
        """Return a pane by its id."""
        return self.desk.get_child_by_id(name)

    def panes(self) -> tuple[str, ...]:
        """Return the panes that tab walks through, visible at once or not."""
        return ()

    @property
    def place(self) -> str:
        """The pane that has the keyboard."""
        return (self.focused is not None and self.focused.id) or self.HOME

    def go_to(self, name: str) -> None:
        """Give the keyboard to a pane, bringing it to the front of the place it shares."""
        self._bring_forward(name)
        self.set_focus(self.pane(name), scroll_visible=False)

    def _bring_forward(self, name: str) -> None:
        facts = self.desk.facts
        recent = (name, *(other for other in facts.recent if other != name))
        self.desk.facts = replace(facts, recent=recent, zoomed=name if facts.zoomed else None)
        self.note_layout()

    def note_layout(self) -> None:
        """Take note that something else is in front."""

    def regain_focus(self) -> None:
        """Give the keyboard back to the pane that was looked at last."""
        self.go_to((*self.desk.facts.recent, self.HOME)[0])

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Follow the keyboard, wherever a click or a key took it."""
        if event.widget.id in self.panes():
            self._bring_forward(str(event.widget.id))
        self.show_status()

    def walk(self, step: int) -> None:
        """Go so many panes on."""
        order = self.panes()
        at = order.index(self.place) if self.place in order else 0
        self.go_to(order[(at + step) % len(order)])

    def act_zoom(self) -> None:
        """Give the pane the whole desk, or give it back."""
        self.desk.facts = replace(self.desk.facts, zoomed=None if self.desk.facts.zoomed else self.place)
        self.note_layout()
        self.show_status()
