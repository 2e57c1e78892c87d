"""The Prompt pane: a small text field. Enter runs, ctrl+j makes a new line, esc leaves."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from steer_tui.text import clean
from steer_tui.tui.safe import label, pasted
from steer_tui.tui.widgets.in_order import TextField

LARGEST = 200_000
"""Characters a paste may bring."""


class Prompt(TextField):
    """A text area of a few lines."""

    TITLE = "Prompt"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,shift+enter", "new_line", "new line", show=False),
        Binding("enter", "submit", "run", show=False),
    ]

    class Submitted(Message):
        """Enter was pressed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            soft_wrap=True,
            tab_behavior="focus",
            show_line_numbers=False,
            highlight_cursor_line=False,
            compact=True,
            id=id,
            classes="pane",
            placeholder=Content("write a prompt: enter runs it"),
        )
        self.border_title = Content(self.TITLE)

    def show(self, text: str) -> None:
        """Put a prompt into the field, unless it is there already."""
        if clean(text) != self.text:
            self.load_text(clean(text))
            self.move_cursor(self.document.end)

    def say(self, note: str) -> None:
        """Put a short note on the lower border."""
        self.border_subtitle = Content(label(note))

    @property
    def line_total(self) -> int:
        """Lines of the prompt as they are wrapped."""
        return max(1, self.wrapped_document.height)

    def action_new_line(self) -> None:
        """Begin a new line."""
        self.insert("\n")

    def action_submit(self) -> None:
        """Say that the prompt is written."""
        self.post_message(self.Submitted())

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()  # Textual would call the base class's handler once more
        event.text = pasted(event.text)[:LARGEST]
        await super()._on_paste(event)
