"""An app that acts on keys in the order they are pressed and draws at once, and that speaks in short toasts.

Knows nothing of steering.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal, Protocol, runtime_checkable

from textual import events
from textual.app import App

from steer_tui.text import clean
from steer_tui.tui.widgets.pane import Pane

ECHOES = (0.004, 0.012)
"""Seconds from a key to its frames: what the widgets need to take it in, a text field longer than a pane."""
SHORT, LONG = 4.0, 9.0
"""Seconds a toast stays: a note, a warning."""

Severity = Literal["information", "warning", "error"]


@runtime_checkable
class Hasty(Protocol):
    """A screen that takes some keys before the widget that has the keyboard sees them."""

    def hasten(self, event: events.Key) -> bool:
        """Act on a key; return whether that was all there is to do."""


class QuickApp(App[int]):
    """Textual's app, without the wait for a key to bubble up and for the next frame."""

    NOTIFICATION_TIMEOUT = SHORT

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.unsaid: list[str] = []
        """What there was to say before the screen was there."""

    async def on_event(self, event: events.Event) -> None:
        """Act on a key at once where nothing on the screen writes with it, not when it has bubbled up.

        So a key acts in the order in which it was pressed, and `:q` or `i` and a text may be typed without waiting.
        """
        if isinstance(event, events.Key) and not event.is_forwarded:
            for wait in ECHOES:
                asyncio.get_running_loop().call_later(wait, self._paint)
            if isinstance(self.screen, Hasty) and self.app_focus and self.screen.hasten(event):
                return
            focused = self.focused
            at_once = isinstance(focused, Pane) and not focused.check_consume_key(event.key, event.character)
            if at_once and self.app_focus and not self.screen.is_modal:
                for priority in (True, False):
                    if await self._check_bindings(event.key, priority):
                        return
        await super().on_event(event)

    def _paint(self) -> None:
        """Draw what a key changed, not waiting for the next frame: over SSH a frame is far apart from the next."""
        if self.is_running and self.screen_stack:
            self.screen._on_timer_update()

    def say(self, text: str, severity: Severity = "information") -> None:
        """Show a short toast; brackets in it mean nothing. A note takes the place of the note before it."""
        text = clean(text)
        if not self.is_running:
            self.unsaid.append(text)
        elif text.strip() and all(text != shown.message for shown in self._notifications):
            is_note = severity == "information"
            for shown in [shown for shown in self._notifications if is_note and shown.severity == severity]:
                self._unnotify(shown, refresh=False)
            self.notify(text, severity=severity, timeout=SHORT if is_note else LONG, markup=False)

    def complain(self, message: str, hint: str | None = None) -> None:
        """Show an error: one line, and what to do about it."""
        message = f"error: {message}"
        self.say(f"{message}\n{hint}" if hint else message, "error")
