"""Says whether a text shows a concept: by the concept's words, or by length for brevity. No model is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

BRIEF_AT_MOST = 12
"""A text of so many words or fewer is brief."""
VERBOSE_AT_LEAST = 60
"""A text of so many words or more is verbose; neutral passages have 20 to 60."""

TOLD_BY_LENGTH = ("brief", "verbose")
"""Concepts that no words show."""


def shows(concept: str, words: Sequence[str], text: str) -> bool:
    """Return whether a text shows a concept.

    Args:
        concept: Its name; `brief` and `verbose` are told by length.
        words: Words and phrases of which one is enough, matched whole and in any case.
        text: The generated text.
    """
    count = len(text.split())
    if concept == "brief":
        return 0 < count <= BRIEF_AT_MOST
    if concept == "verbose":
        return count >= VERBOSE_AT_LEAST
    return bool(words) and _pattern(tuple(words)).search(text) is not None


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    any_word = "|".join(re.escape(word) for word in words)
    return re.compile(rf"(?<!\w)(?:{any_word})(?!\w)", re.IGNORECASE)
