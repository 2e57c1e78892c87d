"""The keys, group by group, grey where they cannot act now with the reason beside them."""

from __future__ import annotations

from steer_tui.tui.actions import ACTIONS, HERE, Action, Situation, key_label
from steer_tui.tui.keymap import Keymap
from steer_tui.tui.safe import fit
from steer_tui.tui.screens.report import Page, PageDialog
from steer_tui.tui.vector_lines import Row
from steer_tui.tui.widgets.words import wrapped

KEYS = 16
"""Cells of the column of keys."""
HOME = "steer"
"""Its own keys come in the order of the registry: first those that a first run needs."""


class KeyList(Page):
    """Every action that has a key here; on a screen that is not home, those that are its own first."""

    TITLE = "Keys"
    ANSWERS = {**Page.ANSWERS, "question_mark": None}

    def __init__(self, situation: Situation, keymap: Keymap) -> None:
        super().__init__("keys")
        self._situation, self._keymap = situation, keymap
        self._helps = HERE.get(situation.screen, {})
        self.say("esc closes, keys.toml changes them")

    def rows(self, width: int) -> list[Row]:
        """Return headings and actions, what does not fit into a line in the lines below it."""
        rows: list[Row] = []
        group = ""
        for action in sorted(ACTIONS, key=lambda action: not self._is_own(action)):
            keys = self._keys(action)
            if not keys:
                continue
            heading = self._situation.screen.capitalize() if self._is_own(action) else action.group
            if heading != group:
                group = heading
                rows += [[]] * bool(rows) + [[(fit(f" {group}", width), "group")]]
            rows += self._rows(action, keys, width)
        return rows

    def _is_own(self, action: Action) -> bool:
        screen = self._situation.screen
        return screen != HOME and (action.place == screen or action.id in self._helps)

    def _keys(self, action: Action) -> str:
        """Return the keys that mean the action on this screen."""
        keymap, screen = self._keymap, self._situation.screen
        return " ".join(key_label(key) for key in keymap.keys(action.id) if keymap.action(key, screen) == action.id)

    def _rows(self, action: Action, keys: str, width: int) -> list[Row]:
        reason = "" if action.id == "stop" else action.reason(self._situation)
        shown = f" {keys:<{KEYS - 1}}" if len(keys) < KEYS - 1 else f" {keys} "
        words = self._helps.get(action.id, action.help)
        paint = "faint" if reason else ""
        first, *more = wrapped([(f"{words} ({reason})" if reason else words, paint)], max(1, width - len(shown)))
        blank = (" " * len(shown), "")
        return [[(shown, "faint" if reason else "key"), first], *([blank, line] for line in more)]


class KeysDialog(PageDialog):
    """Shows the list."""

    WIDTH = 84

    def __init__(self, situation: Situation, keymap: Keymap) -> None:
        super().__init__(KeyList(situation, keymap))
