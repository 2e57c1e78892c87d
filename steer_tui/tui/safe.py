"""Text from outside on its way to the screen: markup never read, control characters never passed on.

Promises that what it returns can be given to any widget or toast; knows nothing of which widget that is.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from steer_tui.text import clean, one_line

_SUSPECT = re.compile("[^ -~\u00a0-\u00ac\u00ae-\u0600\u2010-\u2027\u2030-\u205f\u2070-\ud7ff]")


class _Steady(dict[int, int | str | None]):
    """What each character is drawn as, found out when it is first met."""

    def __missing__(self, code: int) -> int | str | None:
        self[code] = drawn = self._drawn(code)
        return drawn

    @staticmethod
    def _drawn(code: int) -> int | str | None:
        if 0x1F1E6 <= code <= 0x1F1FF:  # half a flag: its letter
            return chr(code - 0x1F1E6 + ord("A"))
        if code in _SEPARATORS:
            return "\n"
        if unicodedata.category(chr(code)) == "Cf" or any(low <= code <= high for low, high in _SELECTORS):
            return None
        return code


_SEPARATORS = (0x2028, 0x2029)
_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF), (0x1F3FB, 0x1F3FF))
"""Variation selectors and skin tones."""
_STEADY = _Steady()


def steady(text: str) -> str:
    """Return clean text without what terminals draw in different widths: joiners, selectors, flags, invisible signs.

    A family becomes its members and a flag its letters: where the terminal's idea of a width differs from Textual's,
    everything to the right of it is drawn in the wrong place.
    """
    text = clean(text)
    return text if text.isascii() else text.translate(_STEADY)


@lru_cache(2048)
def label(text: str) -> str:
    """Return a name from outside as one clean line of steady width."""
    return one_line(steady(text))


def pasted(text: str) -> str:
    """Return pasted text, cleaned; terminals end its lines with a carriage return."""
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


def fit(text: str, cells: int, ellipsis: str = "…") -> str:
    """Return a clean line of exactly `cells` cells: padded with blanks, or cut and ended by `ellipsis`.

    Measured as Textual measures, so that columns stay where they were put.
    """
    if cells <= 0:
        return ""
    if cell_len(text) <= cells:
        return set_cell_size(text, cells)
    return set_cell_size(set_cell_size(text, cells - cell_len(ellipsis)).rstrip() + ellipsis, cells)


def fit_right(text: str, cells: int, ellipsis: str = "…") -> str:
    """Return what `fit` returns, the text at the right-hand end."""
    return " " * (cells - cell_len(text)) + text if cell_len(text) <= cells else fit(text, cells, ellipsis)


class Scrubber(LineFilter):
    """The last gate before the terminal: no segment leaves with a control character, whatever widget made it."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return `segments` with their text cleaned, of the same width in cells."""
        if not any(_SUSPECT.search(segment.text) for segment in segments):
            return segments
        return [
            Segment(one_row(segment.text), segment.style, segment.control) if _SUSPECT.search(segment.text) else segment
            for segment in segments
        ]


def one_row(text: str) -> str:
    """Return clean text without newlines and tabs; its width in cells is the one Textual reckoned with."""
    cells = cell_len(text)
    return set_cell_size(clean(text).replace("\n", "").replace("\t", ""), cells)
