"""The keys, group by group, grey where they cannot act now with the reason beside them."""

from __future__ import annotations

from steer_tui.tui.actions import ACTIONS, Situation, key_label
from steer_tui.tui.keymap import Keymap
from steer_tui.tui.safe import fit
from steer_tui.tui.screens.report import Page, PageDialog
from steer_tui.tui.vector_lines import Row

KEYS = 16
"""Cells of the column of keys."""


class KeyList(Page):
    """Every action that has a key."""

    TITLE = "Keys"
    ANSWERS = {**Page.ANSWERS, "question_mark": None}

    def __init__(self, situation: Situation, keymap: Keymap) -> None:
        super().__init__("keys")
        self._actions: list[tuple[str, str, str]] = []
        group = ""
        for action in sorted(ACTIONS, key=lambda action: action.place != situation.screen):
            keys = [key for key in keymap.keys(action.id) if keymap.action(key, situation.screen) == action.id]
            if not keys:
                continue
            if action.group != group:
                group = action.group
                self._actions += [("", "", "")] * bool(self._actions) + [("", group, "")]
            reason = "" if action.id == "stop" else action.reason(situation)
            self._actions.append((" ".join(key_label(key) for key in keys), action.help, reason))
        self.say("esc closes, keys.toml changes them")

    def rows(self, width: int) -> list[Row]:
        """Return headings and actions."""
        return [self._row(*row, width) for row in self._actions]

    def _row(self, keys: str, words: str, reason: str, width: int) -> Row:
        if not keys:
            return [(fit(f" {words}", width), "group")]
        shown = f" {keys:<{KEYS - 1}}" if len(keys) < KEYS - 1 else f" {keys} "
        text = f"{words} ({reason})" if reason else words
        room = width - len(shown)
        return [
            (shown, "faint" if reason else "key"),
            (fit(text, room, self.glyphs.ellipsis), "faint" if reason else ""),
        ]


class KeysDialog(PageDialog):
    """Shows the list."""

    WIDTH = 84

    def __init__(self, situation: Situation, keymap: Keymap) -> None:
        super().__init__(KeyList(situation, keymap))
