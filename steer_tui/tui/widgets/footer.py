"""The bottom line: the next useful keys of the place, grey where they cannot act now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from textual import events
from textual.message import Message

from steer_tui.tui.actions import BY_ID, Hint, Situation, key_label
from steer_tui.tui.widgets.pane import Pane, Part

Keys = Callable[[str], tuple[str, ...]]
"""Returns the keys of an action."""


class Footer(Pane, can_focus=False):
    """One line of keys; a click on one acts."""

    class Pressed(Message):
        """Someone clicked on a key."""

        def __init__(self, action_id: str) -> None:
            super().__init__()
            self.action_id = action_id

    def __init__(self) -> None:
        super().__init__(id="footer")
        self.remove_class("pane")
        self.border_title = ""
        self._hints: Sequence[Hint] = ()
        self._situation = Situation()
        self._keys: Keys = lambda action_id: BY_ID[action_id].keys
        self._spans: list[tuple[int, int, str]] = []

    @property
    def text_width(self) -> int:
        """The whole line: there is no scroll thumb."""
        return self.view.width

    def show(self, hints: Sequence[Hint], situation: Situation, keys: Keys) -> None:
        """Show these keys; `situation` decides which are grey."""
        if (hints, situation) != (self._hints, self._situation) or keys is not self._keys:
            self._hints, self._situation, self._keys = hints, situation, keys
            self.refresh()

    def line_total(self) -> int:
        """Return one."""
        return 1

    def line(self, index: int, width: int) -> list[Part]:
        """Return as many hints as fit; the last, which leads to all keys, always does."""
        entries = [self._entry(hint) for hint in self._hints]
        parts: list[Part] = []
        self._spans = []
        last = entries[-1] if entries else ([], "")
        room = width - _width(last[0])
        at = 0
        for entry, action_id in entries[:-1]:
            if at + _width(entry) > room:
                continue
            self._spans.append((at, at + _width(entry), action_id))
            parts += entry
            at += _width(entry)
        self._spans.append((at, at + _width(last[0]), last[1]))
        return parts + last[0]

    def _entry(self, hint: Hint) -> tuple[list[Part], str]:
        keys = [key_label(self._keys(action_id)[0]) for action_id in hint.ids if self._keys(action_id)]
        if not keys:
            return [], hint.ids[0]
        grey = bool(BY_ID[hint.ids[0]].reason(self._situation))
        shown = ("" if len(keys) > 1 and max(map(len, keys)) > 1 else "/").join(keys)
        return [
            (f" {shown}", "faint" if grey else "key"),
            (f" {hint.label} ", "faint" if grey else "muted"),
        ], hint.ids[0]

    def on_click(self, event: events.Click) -> None:
        """Act as the key would."""
        for start, end, action_id in self._spans:
            if start <= event.x < end:
                self.post_message(self.Pressed(action_id))


def _width(parts: Sequence[Part]) -> int:
    return sum(cell_len(text) for text, _ in parts)
