"""The panes of Steer and which of them has the keyboard; the actions of `steer_*` are built on it."""

from __future__ import annotations

from dataclasses import replace

from textual import events
from textual.app import ComposeResult
from textual.widget import Widget

from steer_tui.session.messages import ExtractConcepts
from steer_tui.session.state import Layout
from steer_tui.tui.layout import ACTIVATIONS, BASELINE, CONCEPTS, PANES, PROMPT, RECIPE, STEERED, Facts, arrange, panes
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
    AUTO_FOCUS = None

    def __init__(self) -> None:
        super().__init__(name=self.NAME)
        self.concepts = Concepts(id=CONCEPTS)
        self.recipe = Recipe(id=RECIPE)
        self.steered = StreamText("Steered", id=STEERED)
        self.baseline = StreamText("Baseline", id=BASELINE)
        self.activations = Activations(id=ACTIVATIONS)
        self.prompt = Prompt(id=PROMPT)
        children = (self.concepts, self.recipe, self.steered, self.baseline, self.activations, self.prompt)
        self.desk = Desk(*children, facts=Facts(), place=arrange)

    def body(self) -> ComposeResult:
        """Return the desk."""
        yield self.desk

    @property
    def place(self) -> str:
        """The pane that has the keyboard."""
        focused = self.focused
        return (focused.id or CONCEPTS) if focused is not None else CONCEPTS

    @property
    def is_inside(self) -> bool:
        """Whether esc has a level to leave: the prompt, the filter, a zoomed pane."""
        return (
            self.place == PROMPT
            or bool(self.concepts.filter_text)
            or self.concepts.filtering
            or bool(self.desk.facts.zoomed)
        )

    def pane(self, name: str) -> Widget:
        """Return a pane by its id."""
        return self.desk.get_child_by_id(name)

    def go_to(self, name: str) -> None:
        """Give the keyboard to a pane, bringing it to the front of the place it shares."""
        self._bring_forward(name)
        self.set_focus(self.pane(name), scroll_visible=False)

    def _bring_forward(self, name: str) -> None:
        facts = self.desk.facts
        recent = (name, *(other for other in facts.recent if other != name))
        self.desk.facts = replace(facts, recent=recent, zoomed=name if facts.zoomed else None)
        self.note_layout()

    def act_zoom(self) -> None:
        """Give the pane the whole desk, or give it back."""
        self.desk.facts = replace(self.desk.facts, zoomed=None if self.desk.facts.zoomed else self.place)
        self.note_layout()
        self.show_status()

    def note_layout(self) -> None:
        """Keep what is in front for the next start."""
        self.bench_app.note_layout(Layout(self.NAME, self.desk.facts.recent, self.desk.facts.zoomed))

    def restore_layout(self) -> None:
        """Bring to the front what was there when the session was left."""
        layout = self.bench_app.bench.layout
        recent = tuple(name for name in layout.recent if name in PANES)
        zoomed = layout.zoomed if layout.zoomed in PANES else None
        self.desk.facts = replace(self.desk.facts, recent=recent, zoomed=zoomed)
        place = zoomed or (recent[0] if recent else CONCEPTS)
        self.set_focus(self.pane(CONCEPTS if place == PROMPT and not zoomed else place), scroll_visible=False)

    def regain_focus(self) -> None:
        """Give the keyboard back to the pane that was looked at last."""
        self.go_to((*self.desk.facts.recent, CONCEPTS)[0])

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Follow the keyboard, wherever a click or a key took it."""
        name = event.widget.id
        if name in panes(self.desk.facts):
            self._bring_forward(name)
        self.show_status()

    def make_vectors(self, wanted: str = "") -> None:
        """Make every vector that the model lacks; `wanted` is switched on when it is there."""
        app = self.bench_app
        if app.status.running is not None:
            return app.say("esc stops the run; then vectors can be made", "warning")
        if app.status.extracting:
            return app.say("vectors are being made")
        missing = sum(not item.has_vector and not item.problem for item in app.concepts)
        if not missing:
            return app.say("every concept has its vector")
        app.wanted = wanted
        app.say(
            f"making {missing} vector{'s' if missing > 1 else ''} for {app.status.info.ref if app.status.info else ''}"
        )
        app.engine.send(ExtractConcepts())
