"""One of a few choices in a line, with a line below that explains it. Left and right choose.

Promises that every choice is one key away and that the chosen one is told without colour. A choice may take a text of
its own, such as the number in `last:4`: it is typed while that one is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.message import Message

from steer_tui.tui.safe import fit, label
from steer_tui.tui.widgets.pane import Pane, Part


@dataclass(frozen=True, slots=True)
class Option:
    """One choice."""

    id: str
    help: str
    """One line that explains it."""
    takes: str = ""
    """What may be typed behind it: `number`, `text`; empty for nothing."""
    joint: str = ":"
    """Stands between the choice and what was typed."""


class Choices(Pane):
    """Choices beside a label, and what the chosen one means below them."""

    class Changed(Message):
        """Another one was chosen, or something was typed behind it."""

    def __init__(self, what: str, options: Sequence[Option], *, label_width: int = 9, id: str | None = None) -> None:
        super().__init__(id=id)
        self.remove_class("pane")
        self.add_class("choices")
        self.border_title = ""
        self._what = what
        self._options = tuple(options)
        self._label_width = label_width
        self._at = 0
        self._typed: dict[str, str] = {}

    # What is chosen

    @property
    def chosen(self) -> Option:
        """The chosen one."""
        return self._options[self._at]

    @property
    def value(self) -> str:
        """What is chosen, with what was typed behind it."""
        typed = self._typed.get(self.chosen.id, "")
        return f"{self.chosen.id}{self.chosen.joint}{typed}" if typed else self.chosen.id

    @value.setter
    def value(self, value: str) -> None:
        for index, option in enumerate(self._options):
            head, joint, tail = value.partition(option.joint)
            if option.id in (value, head):
                self._at = index
                if option.takes and joint and option.id == head:
                    self._typed[option.id] = tail
                break
        self.refresh()

    def choose(self, index: int) -> None:
        """Choose by place; the ends hold."""
        index = min(max(0, index), len(self._options) - 1)
        if index != self._at:
            self._at = index
            self._changed()

    def _changed(self) -> None:
        self.refresh()
        self.post_message(self.Changed())

    # Keys and mouse

    def on_key(self, event: events.Key) -> None:
        """Choose, or type behind the chosen one."""
        typed = self._typed.get(self.chosen.id, "")
        if event.key in ("left", "right"):
            self.choose(self._at + (1 if event.key == "right" else -1))
        elif event.key == "backspace" and self.chosen.takes:
            self._type(typed[:-1])
        elif self._takes(event.character):
            self._type(typed + (event.character or ""))
        elif event.key in ("h", "l", "space"):
            self.choose((self._at + (-1 if event.key == "h" else 1)) % len(self._options))
        elif event.key in ("enter", "down"):
            self.screen.focus_next()
        elif event.key == "up":
            self.screen.focus_previous()
        else:
            return
        event.stop()
        event.prevent_default()

    def _takes(self, character: str | None) -> bool:
        if not character or not character.isprintable():
            return False
        return self.chosen.takes == "text" or (self.chosen.takes == "number" and character in "0123456789")

    def _type(self, text: str) -> None:
        self._typed[self.chosen.id] = text[:60]
        self._changed()

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted text behind the chosen one."""
        event.stop()
        if self.chosen.takes == "text":
            self._type(self._typed.get(self.chosen.id, "") + label(event.text))

    def on_click(self, event: events.Click) -> None:
        """Choose what is clicked."""
        at = self._label_width
        for index, option in enumerate(self._options):
            at += cell_len(self._shown(index, option)) + 1
            if event.y == 0 and event.x < at:
                return self.choose(index)

    # Lines

    def line_total(self) -> int:
        """Return choices and explanation."""
        return 2

    def line(self, index: int, width: int) -> list[Part]:
        """Return the choices, or what the chosen one means."""
        room = max(1, width - self._label_width)
        if index == 1:
            help = fit(label(self.chosen.help), room, self.glyphs.ellipsis)
            return [(" " * self._label_width, ""), (help, "muted")]
        parts: list[Part] = [(fit(self._what, self._label_width), "strong" if self.has_focus else "muted")]
        for option_index, option in enumerate(self._options[self._first(room) :], self._first(room)):
            shown = self._shown(option_index, option)
            if cell_len(shown) > room:  # more lie to the right
                return [*parts, (fit(shown, room, self.glyphs.ellipsis), "faint")]
            paint = ("tab-here" if self.has_focus else "on") if option_index == self._at else "faint"
            parts += [(shown, paint), (" ", "")]
            room -= cell_len(shown) + 1
        return parts

    def _first(self, room: int) -> int:
        """Return the first choice that is shown, so that the chosen one fits."""
        first = 0
        while first < self._at and self._extent(first) > room:
            first += 1
        return first

    def _extent(self, first: int) -> int:
        shown = enumerate(self._options[first : self._at + 1], first)
        return sum(cell_len(self._shown(index, option)) + 1 for index, option in shown)

    def _shown(self, index: int, option: Option) -> str:
        if index != self._at:
            return f" {option.id} "
        return f"{self.glyphs.mark_open}{label(self.value)}{self.glyphs.mark_close}"
