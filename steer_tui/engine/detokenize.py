"""Token ids to text as they come: never half a character, never a control byte.

Knows tokenizers only through `decode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from steer_tui.text import clean

_CONTEXT = 6
"""Prompt tokens kept in sight: tokenizers drop a space at the start of a text, and the prompt's end is not one."""
_LONGEST = 24
"""Ids in the window from which on a part of it is given although its end is open."""
_CHARACTER = 4
"""Tokens that one character may be spread over: as many as UTF-8 has bytes."""


class Decodes(Protocol):
    """The part of a tokenizer that is used here."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Return the text of some ids."""
        ...


class Detokenizer:
    """Gives the text that each new token of one row makes complete.

    Works on a short window of ids, so that a token costs the same at the end of a long text. Text is held back while it
    ends in U+FFFD, as a character may be spread over several tokens.
    """

    def __init__(self, tokenizer: Decodes, prompt_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(prompt_ids[-_CONTEXT:])
        self._start = 0
        """Where the window begins."""
        self._done = len(self._ids)
        """Ids whose text has been given."""

    def push(self, token: int) -> str:
        """Return the text that `token` completes, cleaned; empty while a character is open."""
        self._ids.append(token)
        before, text = self._window()
        if len(text) > len(before) and not text.endswith("\ufffd"):
            return self._give(text[len(before) :], len(self._ids))
        cut = len(self._ids) - _CHARACTER
        if cut - self._start < _LONGEST:
            return ""
        # A text of broken characters, or of tokens without text: give what no later token can change.
        part, rest = self._decode(self._start, cut), self._decode(cut, len(self._ids))
        return self._give(part[len(before) :], cut) if part + rest == text else ""

    def flush(self) -> str:
        """Return what was held back, when no token follows."""
        before, text = self._window()
        self._start = self._done = len(self._ids)
        return clean(text[len(before) :])

    def _give(self, text: str, done: int) -> str:
        self._start, self._done = self._done, done
        return clean(text)

    def _window(self) -> tuple[str, str]:
        return self._decode(self._start, self._done), self._decode(self._start, len(self._ids))

    def _decode(self, start: int, stop: int) -> str:
        return self._tokenizer.decode(self._ids[start:stop], skip_special_tokens=True)
