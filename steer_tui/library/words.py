"""What a person writes about a vector: its group, a note, tags; cleaned, and within bounds.

Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence

from steer_tui.errors import UsageError
from steer_tui.text import clean, one_line

MAX_NOTE = 10_000
MAX_GROUP = 100
MAX_TAG = 50
MAX_TAGS = 50

Words = tuple[str | None, str | None, tuple[str, ...] | None]


def check_words(group: str | None, note: str | None, tags: Sequence[str] | None) -> Words:
    """Return a group, a note and tags as they are kept; None stays None.

    Raises:
        UsageError: One is too long, or there are too many tags.
    """
    group = None if group is None else _bounded(one_line(group), MAX_GROUP, "a group")
    note = None if note is None else _bounded(clean(note).strip(), MAX_NOTE, "a note")
    return group, note, None if tags is None else check_tags(tags)


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return tags as they are kept: no blank inside, no `#` before, each once, in the order given.

    Raises:
        UsageError: One is too long, or there are too many.
    """
    plain = ("-".join(one_line(tag).lstrip("#").split()) for tag in tags)
    kept = tuple(dict.fromkeys(_bounded(tag, MAX_TAG, "a tag") for tag in plain if tag))
    if len(kept) > MAX_TAGS:
        raise UsageError(f"{len(kept)} tags are too many", hint=f"at most {MAX_TAGS}")
    return kept


def _bounded(text: str, most: int, what: str) -> str:
    if len(text) > most:
        raise UsageError(f"{what} of {len(text)} characters is too long", hint=f"at most {most}")
    return text
