"""The prompt in a small dialog, for screens that have no place for it. Enter runs it, esc keeps it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from steer_tui.tui.screens.modal import Modal
from steer_tui.tui.widgets.prompt import Prompt

WIDTH, MOST_LINES = 76, 8


class PromptDialog(Modal[tuple[str, bool]]):
    """Answers with the prompt and whether it is to be run."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "keep", show=False)]

    def __init__(self, text: str) -> None:
        super().__init__()
        self.add_class("dialog")
        self.field = Prompt(id="prompt")
        self._text = text

    def compose(self) -> ComposeResult:
        """Return the field."""
        yield self.field

    def on_mount(self) -> None:
        """Begin at the end of the prompt."""
        self.field.show(self._text)
        self.field.say("enter runs, ctrl+j new line, esc keeps it")
        self._fit()
        self.field.focus()

    def on_resize(self) -> None:
        """Keep within the screen."""
        self._fit()

    def on_text_area_changed(self) -> None:
        """Grow with the text."""
        self._fit()

    def _fit(self) -> None:
        self.field.styles.width = min(WIDTH, self.app.size.width - 2)
        self.field.styles.height = 2 + min(MOST_LINES, max(2, self.field.line_total))

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        """Answer: run it."""
        self.dismiss((self.field.text, True))

    def action_leave(self) -> None:
        """Answer: keep it."""
        self.dismiss((self.field.text, False))
