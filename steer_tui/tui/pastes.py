"""What is pasted is text and never keys: escape sequences are taken out of it before Textual reads the terminal.

Textual takes what follows an escape character within a paste for pressed keys. Knows nothing of what a paste is for.
"""

from __future__ import annotations

import re
from collections.abc import Callable

BEGIN, END = "\x1b[200~", "\x1b[201~"
"""What terminals put around a paste."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~])?")
"""A control sequence, such as a colour, or an escape character alone."""
_OPEN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*)?\Z")
"""A sequence that may go on in what is read next, the end of the paste among them."""
LONGEST = 32
"""Characters of a sequence that is waited for."""


class PasteFilter:
    """A decoder's text without the escape sequences of pastes; a paste may come in any number of pieces."""

    def __init__(self, decode: Callable[..., str]) -> None:
        self._decode = decode
        self._is_inside = False
        self._kept = ""
        """Within a paste: the end of what was read, where it may be the beginning of a sequence."""
        self._seen = ""
        """Outside: the end of what was given on, where it may be the beginning of a paste."""

    def decode(self, data: bytes, final: bool = False) -> str:
        """Return the text of bytes; within a paste, a sequence at their end waits for what is read next."""
        text = self._kept + self._decode(data, final)
        self._kept = ""
        done = ""
        while text:
            head, text = self._inside(text, final) if self._is_inside else self._outside(text)
            done += head
        return done

    def _outside(self, text: str) -> tuple[str, str]:
        """Return what is given on as it is, and what lies within a paste."""
        known = len(self._seen)
        at = (self._seen + text).find(BEGIN)
        if at < 0:
            self._seen = (self._seen + text)[1 - len(BEGIN) :]
            return text, ""
        self._is_inside, self._seen = True, ""
        end = at + len(BEGIN) - known
        return text[:end], text[end:]

    def _inside(self, text: str, final: bool) -> tuple[str, str]:
        """Return what is given on of a paste, and what lies behind it."""
        head, mark, text = text.partition(END)
        if mark:
            self._is_inside = False
        elif not final:
            head = self._keep_back(head)
        return _SEQUENCE.sub("", head) + mark, text

    def _keep_back(self, text: str) -> str:
        """Return a text without a sequence at its end that is not whole yet."""
        found = _OPEN.search(text, max(0, len(text) - LONGEST))
        if found is None:
            return text
        self._kept = text[found.start() :]
        return text[: found.start()]
