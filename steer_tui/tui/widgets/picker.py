"""A list to choose from by typing: palette, models, themes. Letters narrow it, arrows move, enter chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from steer_tui.tui.safe import fit, label
from steer_tui.tui.widgets.pane import Part
from steer_tui.tui.widgets.row_list import RowList


@dataclass(frozen=True, slots=True)
class Choice:
    """One row."""

    id: str
    name: str
    detail: str = ""
    """Said after the name."""
    right: str = ""
    """Said at the right-hand end, such as keys or a size."""
    also: str = ""
    """Words that find it besides its name."""
    refused: str = ""
    """Why it cannot be chosen now; empty where it can."""
    marked: bool = False
    """Whether it is the one in use."""


class Picker(RowList):
    """Choices under a line that narrows them."""

    head_count = 2

    class Chosen(Message):
        """Enter was pressed: on a choice, or on words that match none."""

        def __init__(self, choice: Choice | None, words: str) -> None:
            super().__init__()
            self.choice = choice
            self.words = words

    def __init__(self, title: str, invitation: str) -> None:
        self.TITLE = title
        super().__init__(id="picker")
        self.words = ""
        """What has been typed."""
        self.empty_note = "nothing matches"
        self._invitation = invitation
        self._choices: Sequence[Choice] = ()
        self._rows: list[Choice] = []

    def show(self, choices: Sequence[Choice], current: str = "") -> None:
        """Offer these; the cursor stands on `current`, where it is among them."""
        self._choices = choices
        self._narrow()
        self.cursor = next((index for index, item in enumerate(self._rows) if item.id == current), 0)
        self.show_cursor()

    @property
    def current(self) -> Choice | None:
        """The choice under the cursor."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    @property
    def natural_height(self) -> int:
        """Lines that show everything."""
        return self.head_count + max(1, len(self._choices))

    def _narrow(self) -> None:
        wanted = self.words.strip().casefold()
        self._rows = self._matching(wanted) or self._matching(wanted.partition(" ")[0])
        self.cursor = 0
        self.top = 0
        self.refresh()

    def _matching(self, wanted: str) -> list[Choice]:
        """Return the choices that fit, the best first; a first word alone may be followed by a value."""
        ranked = [(rank, index, item) for index, item in enumerate(self._choices) if (rank := _rank(item, wanted)) < 9]
        return [item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])]

    # Keys and mouse

    def on_key(self, event: events.Key) -> None:
        """Type, move, choose; escape is left to the dialog."""
        moves = {
            "down": 1,
            "up": -1,
            "ctrl+n": 1,
            "ctrl+p": -1,
            "pagedown": self.body_height,
            "pageup": -self.body_height,
        }
        if event.key in moves:
            self.move(moves[event.key])
        elif event.key == "enter":
            self.post_message(self.Chosen(self.current, self.words))
        elif event.key == "backspace":
            self._type(self.words[:-1])
        elif event.key == "ctrl+u":
            self._type("")
        elif event.is_printable and event.character:
            self._type(self.words + event.character)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted words."""
        event.stop()
        self._type(self.words + label(event.text))

    def _type(self, words: str) -> None:
        self.words = words
        self._narrow()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """Choose the clicked row."""
        index = self.line_at(event.y - self.gutter.top)
        if 0 <= index < len(self._rows):
            self.cursor = index
            self.refresh()
            self.post_message(self.Chosen(self.current, self.words))

    # Lines

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the line that is typed into, and a rule."""
        if index == 1:
            return [(self.glyphs.rail * width, "rail")]
        if self.words:
            return [("> ", "key"), (fit(label(self.words) + "_", width - 2), "strong")]
        return [("> ", "key"), ("_ ", "strong"), (fit(self._invitation, width - 4, self.glyphs.ellipsis), "faint")]

    def line(self, index: int, width: int) -> list[Part]:
        """Return a choice's row."""
        if not self._rows:
            return [(fit(f"  {self.empty_note}", width, self.glyphs.ellipsis), "muted")]
        item = self._rows[index]
        cursor = self.glyphs.cursor if index == self.cursor else " "
        sign = self.glyphs.on if item.marked else " "
        right = label(item.right)
        room = width - 4 - len(right) - 1
        name = label(item.name)
        size = min(room, max(18, min(len(name), room)))
        paint = "faint" if item.refused else "on" if item.marked else ""
        detail = item.refused or item.detail
        return [
            (f"{cursor}{sign} ", "accent"),
            (fit(name, size, self.glyphs.ellipsis), paint),
            (
                " " + fit(label(detail), room - size - 1, self.glyphs.ellipsis) + " ",
                "faint" if item.refused else "muted",
            ),
            (f"{right} ", "key"),
        ]


def _rank(item: Choice, wanted: str) -> int:
    """Return how well a choice fits what was typed, 0 best; 9 where it does not."""
    if not wanted:
        return 0
    name = item.name.casefold()
    others = item.also.casefold().split()
    if name == wanted or wanted in others:
        return 0
    if name.startswith(wanted):
        return 1
    if any(word.startswith(wanted) for word in [*name.split(), *others]):
        return 2
    if wanted in name:
        return 3
    return 4 if wanted in item.detail.casefold() else 9
