"""Token ids to text as they come: never half a character, never a control byte.

Knows tokenizers only through `decode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from steer_tui.text import clean

_CONTEXT = 6
"""Prompt tokens kept in sight: tokenizers drop a space at the start of a text, and the prompt's end is not one."""


class Decodes(Protocol):
    """The part of a tokenizer that is used here."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Return the text of some ids."""
        ...


class Detokenizer:
    """Gives the text that each new token of one row makes complete.

    Works on a short window of ids, so that a token costs the same at the end of a long text. Text is held back while it ends in
    U+FFFD, as a character may be spread over several tokens.
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
        if text.endswith("\ufffd") or len(text) <= len(before):
            return ""
        self._start, self._done = self._done, len(self._ids)
        return clean(text[len(before) :])

    def flush(self) -> str:
        """Return what was held back, when no token follows."""
        before, text = self._window()
        self._start = self._done = len(self._ids)
        return clean(text[len(before) :])

    def _window(self) -> tuple[str, str]:
        before = self._tokenizer.decode(self._ids[self._start : self._done], skip_special_tokens=True)
        text = self._tokenizer.decode(self._ids[self._start :], skip_special_tokens=True)
        return before, text
