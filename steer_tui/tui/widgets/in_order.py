"""Text fields whose keys act in the order in which they were pressed, also where many arrive at once.

Textual writes a letter at once, and acts on backspace, enter or an arrow only when the key has gone up to the app: in a
burst the letters pressed after it come first.
"""

from __future__ import annotations

from textual import events
from textual.widgets import Input, TextArea


class InOrder:
    """Mixed in before a text field: the field's own keys act in the field."""

    async def _on_key(self, event: events.Key) -> None:
        assert isinstance(self, Input | TextArea)
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if await self.app.run_action(binding.action, self):
                event.stop()
                event.prevent_default()
                return


class LineField(InOrder, Input):
    """A field of one line."""


class TextField(InOrder, TextArea):
    """A field of several lines."""
