"""The panes of Steer and which of them has the keyboard; the actions of `steer_*` are built on it."""

from __future__ import annotations

from dataclasses import replace

from textual import events
from textual.app import ComposeResult
from textual.widget import Widget

from steer_tui.tui.layout import ACTIVATIONS, BASELINE, CONCEPTS, PROMPT, RECIPE, STEERED, panes
from steer_tui.tui.screens.base import WorkbenchScreen
from steer_tui.tui.widgets.activations import Activations
from steer_tui.tui.widgets.concepts import Concepts
from steer_tui.tui.widgets.desk import Desk
from steer_tui.tui.widgets.prompt import Prompt
from steer_tui.tui.widgets.recipe import Recipe
from steer_tui.tui.widgets.stream_text import StreamText


class SteerPanes(WorkbenchScreen):
    """Six panes on a desk."""

    NAME = "steer"
    AUTO_FOCUS = f"#{CONCEPTS}"

    def __init__(self) -> None:
        super().__init__(name=self.NAME)
        self.concepts = Concepts(id=CONCEPTS)
        self.recipe = Recipe(id=RECIPE)
        self.steered = StreamText("Steered", id=STEERED)
        self.baseline = StreamText("Baseline", id=BASELINE)
        self.activations = Activations(id=ACTIVATIONS)
        self.prompt = Prompt(id=PROMPT)
        self.desk = Desk(self.concepts, self.recipe, self.steered, self.baseline, self.activations, self.prompt)

    def body(self) -> ComposeResult:
        """Return the desk."""
        yield self.desk

    @property
    def place(self) -> str:
        """The pane that has the keyboard."""
        focused = self.focused
        return (focused.id or CONCEPTS) if focused is not None else CONCEPTS

    def pane(self, name: str) -> Widget:
        """Return a pane by its id."""
        return self.desk.get_child_by_id(name)

    def go_to(self, name: str) -> None:
        """Give the keyboard to a pane, bringing it to the front of the place it shares."""
        self._bring_forward(name)
        self.pane(name).focus(scroll_visible=False)

    def _bring_forward(self, name: str) -> None:
        facts = self.desk.facts
        recent = (name, *(other for other in facts.recent if other != name))
        self.desk.facts = replace(facts, recent=recent, zoomed=name if facts.zoomed else None)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Follow the keyboard, wherever a click or a key took it."""
        name = event.widget.id
        if name in panes(self.desk.facts):
            self._bring_forward(name)
        self.show_status()
