"""Text from outside made harmless, and measured in terminal cells.

Promises that cleaned text holds no byte a terminal would obey; knows nothing of markup, which is the screen's own care.
"""

from __future__ import annotations

import re
import unicodedata

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_HARMFUL = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SOFT_HYPHEN = "\u00ad"
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf", "Cc", "Cs", "Zl", "Zp"})


def clean(text: str) -> str:
    r"""Return `text` without control characters (newline and tab stay), bidi controls and lone surrogates.

    `\r\n` becomes `\n`; a lone surrogate becomes U+FFFD. Cleaning twice changes nothing more.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HARMFUL.sub("", _SURROGATE.sub("\ufffd", text))


def one_line(text: str) -> str:
    """Return `text` cleaned, with every run of white space, line separators included, as one blank."""
    if text.isascii() and text.isprintable() and "  " not in text and not text.startswith(" ") and text[-1:] != " ":
        return text  # most texts are so, and lists read thousands of them
    return " ".join(clean(text).split())


def cell_width(text: str) -> int:
    """Return how many terminal cells `text` takes: wide characters two, combining and invisible ones none.

    An approximation: terminals disagree on joined emoji. Tabs and newlines count nothing; expand them first.
    """
    if text.isascii():
        return sum(character.isprintable() for character in text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in _ZERO_WIDTH:
        return 1 if character == _SOFT_HYPHEN else 0
    if "\u1160" <= character <= "\u11ff":  # Hangul vowels and finals combine with the syllable before
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def truncate(text: str, cells: int, ellipsis: str = "…") -> str:
    """Return `text` cut to at most `cells` cells, ending in `ellipsis` where something was cut.

    An ellipsis that does not fit is left out; a wide character is never halved.
    """
    if cells <= 0:
        return ""
    if cell_width(text) <= cells:
        return text
    mark = ellipsis if cell_width(ellipsis) <= cells else ""
    room = cells - cell_width(mark)
    kept: list[str] = []
    for character in text:
        room -= _character_width(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + mark
