"""One line of text that is being written: what keys do to text and cursor. Pure; knows nothing of widgets."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

LONGEST = 20_000
"""Characters a line may have."""


@dataclass(frozen=True, slots=True)
class LineEdit:
    """Text with a cursor before its character `at`."""

    text: str
    at: int

    @classmethod
    def of(cls, text: str) -> LineEdit:
        """Return a text with the cursor at its end."""
        return cls(text, len(text))

    def insert(self, text: str) -> LineEdit:
        """Return the line with a text put in at the cursor."""
        made = (self.text[: self.at] + text + self.text[self.at :])[:LONGEST]
        return LineEdit(made, min(self.at + len(text), len(made)))

    def press(self, key: str, character: str | None) -> LineEdit | None:
        """Return the line after a key, None for a key that means nothing to it."""
        text, at = self.text, self.at
        moves = {
            "left": max(0, at - 1),
            "right": min(len(text), at + 1),
            "home": 0,
            "ctrl+a": 0,
            "end": len(text),
            "ctrl+e": len(text),
        }
        if key in moves:
            return LineEdit(text, moves[key])
        if key == "backspace":
            return LineEdit(text[: max(0, at - 1)] + text[at:], max(0, at - 1))
        if key == "delete":
            return LineEdit(text[:at] + text[at + 1 :], at)
        if key == "ctrl+u":
            return LineEdit(text[at:], 0)
        if key == "ctrl+w":
            start = len(text[:at].rstrip())
            start = text.rfind(" ", 0, start) + 1
            return LineEdit(text[:start] + text[at:], start)
        if character is not None and character.isprintable():
            return self.insert(character)
        return None

    def window(self, width: int) -> tuple[str, str, str]:
        """Return what is seen before the cursor, below it and after it, in at most `width` cells."""
        below = self.text[self.at : self.at + 1] or " "
        before, after = self.text[: self.at], self.text[self.at + 1 :]
        room = max(1, width - cell_len(below))
        while cell_len(before) > max(room - min(cell_len(after), room // 4), 0):
            before = before[max(1, (cell_len(before) - room) // 2) :]
        while cell_len(before) + cell_len(after) > room:
            after = after[:-1]
        return before, below, after
