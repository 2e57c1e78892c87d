"""What every dialog shares: one pane in the middle of the screen, esc leaves."""

from __future__ import annotations

from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size

from steer_tui.tui.screens.modal import Modal
from steer_tui.tui.widgets.pane import Pane

R = TypeVar("R")


@runtime_checkable
class Typed(Protocol):
    """A pane that takes keys."""

    def on_key(self, event: events.Key) -> None:
        """Take a key."""


class Dialog(Modal[R], Generic[R]):
    """A dialog that holds one pane."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "close", show=False)]
    WIDTH = 76
    """Cells it takes where the screen has them."""

    def __init__(self, pane: Pane) -> None:
        super().__init__()
        self.add_class("dialog")
        self.main = pane

    def compose(self) -> ComposeResult:
        """Return the pane."""
        yield self.main

    def natural_height(self) -> int:
        """Lines the pane needs, without its border."""
        return self.main.line_total() + self.main.head_count + self.main.foot_count

    def on_mount(self) -> None:
        """Take the keyboard."""
        self.fit_pane()
        self.main.focus()

    def on_resize(self) -> None:
        """Keep within the screen."""
        self.fit_pane()

    def fit_pane(self) -> None:
        """Make the pane as large as it needs to be, and no larger than the screen."""
        size: Size = self.app.size
        self.main.styles.width = min(self.WIDTH, size.width - 2)
        self.main.styles.height = max(3, min(self.natural_height() + 2, size.height - 2))

    def on_key(self, event: events.Key) -> None:
        """Pass on what was typed before the pane had the keyboard, so that `:q` may be typed as fast as one likes."""
        if isinstance(self.main, Typed):
            self.main.on_key(event)

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
