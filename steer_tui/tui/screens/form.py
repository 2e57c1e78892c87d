"""What forms share: fields below each other, what is to be said of them, and a button; esc leaves, ctrl+enter does it.

Knows nothing of what is asked. A subclass gives the fields, judges what is typed and answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from steer_tui.text import one_line
from steer_tui.tui.safe import pasted
from steer_tui.tui.screens.modal import Modal
from steer_tui.tui.widgets.in_order import LineField
from steer_tui.tui.widgets.pane import Pane, Part
from steer_tui.tui.widgets.words import Words

R = TypeVar("R")

LONGEST = 20_000
"""Characters of one line."""


class Line(LineField):
    """One line of text; what a terminal would obey never gets into it."""

    def __init__(self, value: str, *, id: str, hint: str = "") -> None:
        super().__init__(
            one_line(value), id=id, compact=True, select_on_focus=False, placeholder=hint, max_length=LONGEST
        )

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()  # Textual calls the base class's handler by itself
        event.text = one_line(pasted(event.text))[:LONGEST]
        super()._on_paste(event)


class Button(Pane):
    """A word that acts when enter is pressed on it, or when it is clicked."""

    class Pressed(Message):
        """It was pressed."""

    def __init__(self, words: str, keys: str = "ctrl+enter") -> None:
        super().__init__(id="button")
        self.remove_class("pane")
        self.border_title = ""
        self.words = words
        self.keys = keys
        self.is_ready = True
        """Whether pressing it would do something."""

    def line_total(self) -> int:
        """Return one."""
        return 1

    def line(self, index: int, width: int) -> list[Part]:
        """Return the button and its keys."""
        paint = ("tab-here" if self.has_focus else "key") if self.is_ready else "faint"
        return [(f"[ {self.words} ]", paint), (f"  {self.keys}", "faint")]

    def on_key(self, event: events.Key) -> None:
        """Act, or go on."""
        if event.key in ("enter", "space"):
            self.post_message(self.Pressed())
        elif event.key == "up":
            self.screen.focus_previous()
        else:
            return
        event.stop()

    def on_click(self) -> None:
        """Act."""
        self.post_message(self.Pressed())


class FormDialog(Modal[R], Generic[R]):
    """A form in the middle of the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", show=False),
        Binding("ctrl+enter,ctrl+g", "submit", "do it", show=False, priority=True),
    ]
    AUTO_FOCUS = ""
    TITLE = ""
    FOOT = "tab next field, esc leaves"
    WIDTH = 84
    LINES = 3
    """Of words below the fields."""
    DO = "save"
    """What the button says."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("dialog")
        self.words = Words(id="form-words")
        self.button = Button(self.DO, "enter" if self.is_short else "ctrl+enter, or ctrl+g")
        self.box = Vertical(id="form", classes="pane")

    is_short: ClassVar[bool] = True
    """Whether enter in a line does it; in a long form enter goes to the next field."""

    def fields(self) -> Iterable[Widget]:
        """Return what is asked."""
        return ()

    def judge(self) -> Sequence[Part]:
        """Return what there is to say of what is typed; sets `button.is_ready`."""
        return ()

    def submit(self) -> None:
        """Answer."""

    def compose(self) -> ComposeResult:
        """Return the fields above the words and the button."""
        self.box.border_title = Content(self.TITLE)
        self.box.border_subtitle = Content(self.FOOT)
        with self.box:
            yield from self.fields()
            yield self.words
            yield self.button

    def on_mount(self) -> None:
        """Begin in the first field."""
        self.words.styles.height = self.LINES
        self.fit_box()
        self.begin()
        self.look()

    def begin(self) -> None:
        """Give the keyboard to the first field."""
        self.focus_next()

    def on_resize(self) -> None:
        """Keep within the screen."""
        self.fit_box()

    def fit_box(self) -> None:
        """Make the form as wide as it should be, and no wider than the screen."""
        self.box.styles.width = min(self.WIDTH, self.app.size.width)
        self.box.styles.max_height = self.app.size.height

    def look(self) -> None:
        """Judge what is typed now and say so."""
        self.words.show(self.judge())
        self.button.refresh()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Judge while typing."""
        self.look()

    def on_choices_changed(self) -> None:
        """Judge another choice."""
        self.look()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do what enter means in a line."""
        self.line_entered()

    def line_entered(self) -> None:
        """Do it, or go on to the next field."""
        if self.is_short:
            self.action_submit()
        else:
            self.focus_next()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Do it."""
        self.action_submit()

    def hasten(self, event: events.Key) -> bool:
        """Change fields at once, so that what is typed right after lands in the next one."""
        is_line = isinstance(self.focused, Line)
        if event.key == "tab" or (event.key == "enter" and is_line and not self.is_short):
            self.focus_next()
        elif event.key == "shift+tab":
            self.focus_previous()
        elif event.key in ("down", "up") and is_line:
            self.focus_next() if event.key == "down" else self.focus_previous()
        else:
            return False
        return True

    def action_submit(self) -> None:
        """Answer when every field has taken in what was typed before."""
        waiting = {field for field in self.box.query("*") if field.focusable}

        def reached(field: Widget) -> None:
            waiting.discard(field)
            if not waiting:
                self.call_later(self.submit_now)

        for field in tuple(waiting):
            field.call_later(reached, field)

    def submit_now(self) -> None:
        """Answer if what is typed makes sense; say again why not where it does not."""
        self.look()
        if self.button.is_ready:
            self.submit()

    def action_leave(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)


def row(what: str, field: Widget, width: int = 9) -> Horizontal:
    """Return a field with its label to the left."""
    name = Static(Content(what), classes="field-label")
    name.styles.width = width
    return Horizontal(name, field, classes="field-row")
