"""Paragraphs that wrap: what a form says of what was typed."""

from __future__ import annotations

from collections.abc import Sequence

from steer_tui.tui.safe import label
from steer_tui.tui.widgets.pane import Pane, Part
from steer_tui.tui.wrap import Wrapper


class Words(Pane, can_focus=False):
    """Paragraphs, each of one paint, wrapped to the width."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.remove_class("pane")
        self.border_title = ""
        self._paragraphs: tuple[Part, ...] = ()
        self._wrapped: tuple[int, list[Part]] = (0, [])

    def show(self, paragraphs: Sequence[Part]) -> None:
        """Show these."""
        cleaned = tuple((label(text), paint) for text, paint in paragraphs)
        if cleaned != self._paragraphs:
            self._paragraphs = cleaned
            self._wrapped = (0, [])
            self.refresh()

    def _lines(self, width: int) -> list[Part]:
        if self._wrapped[0] != width:
            self._wrapped = (width, wrapped(self._paragraphs, width))
        return self._wrapped[1]

    def line_total(self) -> int:
        """Return the number of wrapped lines."""
        return len(self._lines(self.text_width))

    def line(self, index: int, width: int) -> list[Part]:
        """Return one of them."""
        return [self._lines(width)[index]]


def wrapped(paragraphs: Sequence[Part], width: int) -> list[Part]:
    """Return paragraphs as lines of at most `width` cells; an empty one is a blank line."""
    lines: list[Part] = []
    for text, paint in paragraphs:
        wrapper = Wrapper(width)
        wrapper.append(text, paint)
        lines += [("".join(run.text for run in line), paint) for line in wrapper.lines()] or [("", "")]
    return lines
