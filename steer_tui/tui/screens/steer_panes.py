"""The panes of Steer and which of them has the keyboard; the actions of `steer_*` are built on it."""

from __future__ import annotations

from dataclasses import replace

from steer_tui.session.messages import ExtractConcepts
from steer_tui.session.state import Layout
from steer_tui.tui.layout import ACTIVATIONS, BASELINE, CONCEPTS, PANES, PROMPT, RECIPE, STEERED, Facts, arrange, panes
from steer_tui.tui.running_text import RunningText
from steer_tui.tui.screens.desk_screen import DeskScreen
from steer_tui.tui.widgets.activations import Activations
from steer_tui.tui.widgets.concepts import Concepts
from steer_tui.tui.widgets.desk import Desk
from steer_tui.tui.widgets.prompt import Prompt
from steer_tui.tui.widgets.recipe import Recipe
from steer_tui.tui.widgets.stream_text import StreamText


class SteerPanes(DeskScreen[Facts]):
    """Six panes on a desk."""

    NAME = "steer"
    HOME = CONCEPTS

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
        self.running = RunningText()

    def panes(self) -> tuple[str, ...]:
        """Return the panes that tab walks through, visible at once or not."""
        return panes(self.desk.facts)

    @property
    def is_inside(self) -> bool:
        """Whether esc has a level to leave: the prompt, the filter, a zoomed pane."""
        return (
            self.place == PROMPT
            or bool(self.concepts.filter_text)
            or self.concepts.filtering
            or bool(self.desk.facts.zoomed)
        )

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
