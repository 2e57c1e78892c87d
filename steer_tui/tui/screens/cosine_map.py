"""How alike vectors are: a map of cosines, averaged over the layers or at one of them.

The number is in every cell; the shade says it again. A dash stands where it cannot be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events

from steer_tui.tui.numbers import MISSING, signed
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.widgets.pane import Pane, Part

if TYPE_CHECKING:
    from steer_tui.engine.arithmetic import CosineMap

NAME, CELL = 16, 8
STRONG, SOME = 0.5, 0.2
"""Cosines from which two directions count as alike, and as somewhat alike."""


class CosineTable(Pane):
    """The map."""

    TITLE = "Alike"
    head_count = 1
    foot_count = 2

    def __init__(self, cosines: CosineMap) -> None:
        super().__init__(id="cosines")
        self._map = cosines
        self._layer = -1
        """Place in the map's layers; -1 is the mean."""
        self._row = self._column = 0
        self._left = 0
        self._tell()

    def _tell(self) -> None:
        at = "mean of all layers" if self._layer < 0 else f"layer {self._map.layers[self._layer]}"
        self.say(f"cosine, {at}")
        self.refresh()

    @property
    def _matrix(self) -> tuple[tuple[float | None, ...], ...]:
        return self._map.mean if self._layer < 0 else self._map.by_layer[self._map.layers[self._layer]]

    def line_total(self) -> int:
        """Return how many vectors there are."""
        return len(self._map.names)

    def is_cursor(self, index: int) -> bool:
        """Say whether the cell keys walk from is in the line."""
        return index == self._row

    def _columns(self, width: int) -> range:
        count = max(1, (width - NAME) // CELL)
        return range(self._left, min(self._left + count, len(self._map.names)))

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the names above the columns."""
        names = (
            (fit_right(label(self._map.names[at]), CELL - 1, self.glyphs.ellipsis), at) for at in self._columns(width)
        )
        return [(" " * NAME, ""), *((f" {name}", "on" if at == self._column else "muted") for name, at in names)]

    def line(self, index: int, width: int) -> list[Part]:
        """Return one vector's cosines."""
        parts: list[Part] = [(fit(label(self._map.names[index]), NAME, self.glyphs.ellipsis), "strong")]
        for at in self._columns(width):
            value = self._matrix[index][at]
            text, paint = (MISSING, "faint") if value is None else (signed(value), _paint(value))
            mark = self.glyphs.cursor if (index, at) == (self._row, self._column) else " "
            parts += [(fit_right(mark, CELL - 6), "accent"), (fit_right(text, 6), paint)]
        return parts

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return what the cell means, and the keys."""
        if index == 0:
            return [(fit(self._meaning(), width, self.glyphs.ellipsis), "")]
        keys = (("arrows", "walk"), ("[ ]", "layer"), ("esc", "close"))
        return [part for key, words in keys for part in ((f"{key} ", "key"), (f"{words}   ", "muted"))]

    def _meaning(self) -> str:
        first, second = label(self._map.names[self._row]), label(self._map.names[self._column])
        value = self._matrix[self._row][self._column]
        if value is None:
            return f"{first} and {second} share no layer here"
        if self._row == self._column:
            return first
        words = "nearly unrelated" if abs(value) < SOME else "somewhat alike" if value > 0 else "somewhat opposed"
        if abs(value) >= STRONG:
            words = "much alike" if value > 0 else "opposed"
        return f"{first} and {second}: {words} ({signed(value, 3)})"

    def on_key(self, event: events.Key) -> None:
        """Walk, or change the layer."""
        steps = {"j": (1, 0), "down": (1, 0), "k": (-1, 0), "up": (-1, 0), "l": (0, 1), "right": (0, 1)}
        steps |= {"h": (0, -1), "left": (0, -1)}
        if event.key in steps:
            self._walk(*steps[event.key])
        elif event.key in ("left_square_bracket", "right_square_bracket"):
            self._layer += 1 if event.key.startswith("right") else -1
            self._layer = min(max(-1, self._layer), len(self._map.layers) - 1)
        elif event.key in ("enter", "q"):
            self.screen.dismiss(None)
        else:
            return
        event.stop()
        self._tell()

    def _walk(self, down: int, right: int) -> None:
        last = len(self._map.names) - 1
        self._row = min(max(0, self._row + down), last)
        self._column = min(max(0, self._column + right), last)
        shown = self._columns(self.text_width)
        if self._column not in shown:
            self._left = max(0, self._column if right < 0 else self._column - len(shown) + 1)
        self.show_line(self._row)


def _paint(value: float) -> str:
    if abs(value) < SOME:
        return "muted"
    return "positive" if value > 0 else "negative"


class CosineDialog(Dialog[None]):
    """Shows the map."""

    def __init__(self, cosines: CosineMap) -> None:
        self.WIDTH = max(60, NAME + CELL * len(cosines.names) + 6)
        super().__init__(CosineTable(cosines))
