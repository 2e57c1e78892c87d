"""What all six screens share: the top line, the bottom line, and a line for terminals that are too small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from steer_tui.session.messages import Event
from steer_tui.session.state import Workbench
from steer_tui.tui.actions import FOOTERS, Hint
from steer_tui.tui.layout import LEAST_HEIGHT, LEAST_WIDTH
from steer_tui.tui.paints import CLASSES
from steer_tui.tui.widgets.footer import Footer
from steer_tui.tui.widgets.header import Header

if TYPE_CHECKING:
    from steer_tui.tui.app import SteerApp


class WorkbenchScreen(Screen[None], inherit_bindings=False):
    """One of the six screens."""

    NAME = "steer"
    COMPONENT_CLASSES = set(CLASSES)

    @property
    def bench_app(self) -> SteerApp:
        """The app, by its own type."""
        return cast("SteerApp", self.app)

    def compose(self) -> ComposeResult:
        """Put the body between the two lines."""
        yield Header(self.NAME)
        yield from self.body()
        yield Footer()
        yield Static(id="too-small")

    def body(self) -> ComposeResult:
        """Return what stands between the lines."""
        yield from ()

    def on_mount(self) -> None:
        """Show what is known so far."""
        self.show_status()

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was in front."""
        self.show_status()

    def on_screen_suspend(self) -> None:
        """Show no keys that a dialog takes."""
        self.show_status()

    def on_resize(self, event: events.Resize) -> None:
        """Say so where the terminal is too small for any layout."""
        width, height = event.size
        tiny = width < LEAST_WIDTH or height < LEAST_HEIGHT
        self.set_class(tiny, "-tiny")
        if tiny:
            note = f"{width}x{height} is too small: {LEAST_WIDTH}x{LEAST_HEIGHT} is the least"
            self.query_one("#too-small", Static).update(Content(note))
        elif self.focused is None:
            self.regain_focus()

    def regain_focus(self) -> None:
        """Give the keyboard back to what had it before the terminal was too small."""

    def show_bench(self, before: Workbench | None = None) -> None:
        """Show the session as it is now; `before` is what it was, where that is known."""

    def take(self, event: Event) -> None:
        """Take in what the engine did; called for every event, also while another screen is in front."""

    @property
    def is_inside(self) -> bool:
        """Whether esc has a level to leave within the screen."""
        return False

    def refusals(self) -> Mapping[str, str]:
        """Return, by action id, why an action is not possible here now; empty where it is, absent where all say so."""
        return {}

    # The two lines

    def hints(self) -> Sequence[Hint]:
        """Return the keys that the bottom line shows now."""
        return FOOTERS["elsewhere"]

    def show_status(self) -> None:
        """Draw both lines anew, if anything has changed."""
        if not self.is_mounted:
            return
        app = self.bench_app
        hints, situation = self.hints(), app.situation()
        if self in app.screen_stack[:-1]:  # a dialog has the keyboard
            hints, situation = FOOTERS["dialog"], replace(situation, inside=True)
        self.query_one(Header).show(app.status)
        self.query_one(Footer).show(hints, situation, app.keymap.keys)

    def on_header_chosen(self, event: Header.Chosen) -> None:
        """Go to the clicked screen."""
        self.bench_app.act(f"show_{event.name}")

    def on_footer_pressed(self, event: Footer.Pressed) -> None:
        """Do what the clicked key does."""
        self.bench_app.act(event.action_id)
