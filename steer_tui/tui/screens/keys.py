"""The keys, group by group, grey where they cannot act now with the reason beside them."""

from __future__ import annotations

from textual import events

from steer_tui.tui.actions import ACTIONS, Situation, key_label
from steer_tui.tui.keymap import Keymap
from steer_tui.tui.safe import fit
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.widgets.pane import Pane, Part

KEYS = 16
"""Cells of the column of keys."""


class KeyList(Pane):
    """Every action that has a key."""

    TITLE = "Keys"

    def __init__(self, situation: Situation, keymap: Keymap) -> None:
        super().__init__(id="keys")
        self._rows: list[tuple[str, str, str]] = []
        group = ""
        for action in sorted(ACTIONS, key=lambda action: action.place != situation.screen):
            keys = [key for key in keymap.keys(action.id) if keymap.action(key, situation.screen) == action.id]
            if not keys:
                continue
            if action.group != group:
                group = action.group
                self._rows += [("", "", "")] * bool(self._rows) + [("", group, "")]
            reason = "" if action.id == "stop" else action.reason(situation)
            self._rows.append((" ".join(key_label(key) for key in keys), action.help, reason))
        self.say("esc closes, keys.toml changes them")

    def line_total(self) -> int:
        """Return headings and actions."""
        return len(self._rows)

    def line(self, index: int, width: int) -> list[Part]:
        """Return a heading or an action."""
        keys, words, reason = self._rows[index]
        if not keys:
            return [(fit(f" {words}", width), "group")]
        shown = f" {keys:<{KEYS - 1}}" if len(keys) < KEYS - 1 else f" {keys} "
        text = f"{words} ({reason})" if reason else words
        room = width - len(shown)
        return [
            (shown, "faint" if reason else "key"),
            (fit(text, room, self.glyphs.ellipsis), "faint" if reason else ""),
        ]

    def on_key(self, event: events.Key) -> None:
        """Scroll; anything that closes a page closes it."""
        page = max(1, self.body_height - 1)
        moves = {
            "j": 1,
            "down": 1,
            "k": -1,
            "up": -1,
            "pagedown": page,
            "pageup": -page,
            "space": page,
            "g": -999,
            "G": 999,
        }
        if event.key in moves:
            self.scroll_lines(moves[event.key])
        elif event.key in ("question_mark", "q", "enter"):
            self.screen.dismiss(None)
        else:
            return
        event.stop()


class KeysDialog(Dialog[None]):
    """Shows the list."""

    WIDTH = 84

    def __init__(self, situation: Situation, keymap: Keymap) -> None:
        super().__init__(KeyList(situation, keymap))
