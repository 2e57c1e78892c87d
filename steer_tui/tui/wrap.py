"""Text that grows at its end, wrapped to a width as it comes.

Promises that appending costs what is appended plus one line, however long the text has become, and that no line is
wider than the width as Textual measures it. Knows nothing of widgets; a style is any hashable value.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from rich.cells import cell_len

MOST_MARKS = 8
"""Zero-width characters kept on one cell; a flood of combining marks would smear over the lines around."""


class Run(NamedTuple):
    """Text of one style on one line."""

    text: str
    style: Hashable


class Cell(NamedTuple):
    """One character with what combines with it."""

    text: str
    width: int
    style: Hashable


class Wrapper:
    """Lines of at most `width` cells, broken at blanks where a line has one."""

    def __init__(self, width: int) -> None:
        self.width = max(2, width)
        """In cells; two at least, so that a wide character fits."""
        self._lines: list[list[Run]] = []
        self._tail: list[Cell] = []
        self._tail_width = 0
        self._joining = False

    @property
    def count(self) -> int:
        """How many lines there are; an empty last line counts only after a newline."""
        return len(self._lines) + (1 if self._tail or self._lines else 0)

    def line(self, index: int) -> list[Run]:
        """Return the runs of one line, 0 for the first; empty beyond the last."""
        if 0 <= index < len(self._lines):
            return self._lines[index]
        return _runs(self._tail) if index == len(self._lines) else []

    def append(self, text: str, style: Hashable) -> int:
        """Add text at the end and return the index of the first line that changed."""
        changed = len(self._lines)
        for character in text:
            if " " <= character <= "~" and not self._joining:
                self._add(Cell(character, 1, style))
            elif character == "\n":
                self._commit(self._tail, [])
            elif character == "\t":
                for _ in range(4):
                    self._add(Cell(" ", 1, style))
            else:
                self._add_character(character, style)
        return changed

    def _add_character(self, character: str, style: Hashable) -> None:
        width = cell_len(character)
        if width == 0 or self._joining:
            self._combine(character)
            return
        self._add(Cell(character, width, style))

    def _combine(self, character: str) -> None:
        """Put a character onto the cell before it: a combining mark, a joiner, or what a joiner joins."""
        self._joining = character == "\u200d"
        if not self._tail:
            return
        last = self._tail.pop()
        self._tail_width -= last.width
        text = last.text + character if len(last.text) <= MOST_MARKS else last.text
        self._add(Cell(text, max(last.width, cell_len(text)), last.style))

    def _add(self, cell: Cell) -> None:
        if self._tail_width + cell.width > self.width:
            if cell.text == " ":
                return self._commit(self._tail, [])
            at = self._break()
            kept, rest = self._tail[:at], self._tail[at:]
            self._commit(kept, rest)
        self._tail.append(cell)
        self._tail_width += cell.width

    def _break(self) -> int:
        """Return where the full line is parted: after its last blank, else at its end."""
        for index in range(len(self._tail) - 1, 0, -1):
            if self._tail[index].text == " ":
                return index + 1
        return len(self._tail)

    def _commit(self, line: list[Cell], rest: list[Cell]) -> None:
        self._lines.append(_runs(line))
        self._tail = rest
        self._tail_width = sum(cell.width for cell in rest)
        self._joining = False

    def lines(self) -> Iterator[list[Run]]:
        """Yield every line's runs."""
        for index in range(self.count):
            yield self.line(index)


def _runs(cells: list[Cell]) -> list[Run]:
    """Join neighbours of one style."""
    runs: list[Run] = []
    texts: list[str] = []
    style: Hashable = None
    for cell in cells:
        if texts and cell.style != style:
            runs.append(Run("".join(texts), style))
            texts = []
        style = cell.style
        texts.append(cell.text)
    if texts:
        runs.append(Run("".join(texts), style))
    return runs
