"""Which tokens of the examples a vector is read from: the first of both sides, those that count between marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steer_tui.tui.safe import steady
from steer_tui.tui.screens.report import Page
from steer_tui.tui.vector_lines import Row
from steer_tui.tui.wrap import Wrapper

if TYPE_CHECKING:
    from steer_tui.engine.tokensread import ShownText


class TokenTexts(Page):
    """The texts, each below its side."""

    TITLE = "Tokens"
    ANSWERS = {**Page.ANSWERS, "ctrl+t": None}

    def __init__(self, texts: Sequence[ShownText], read: str) -> None:
        super().__init__("tokens")
        self._texts = tuple(texts)
        self.say(f"read: {read}; esc closes")

    def rows(self, width: int) -> list[Row]:
        """Return every text with its tokens."""
        return [row for text in self._texts for row in self._text_rows(text, width)]

    def _text_rows(self, shown: ShownText, width: int) -> list[Row]:
        wrapper = Wrapper(width)
        inside = False
        for token in shown.tokens:
            if token.is_read != inside:
                wrapper.append(self.glyphs.mark_open if token.is_read else self.glyphs.mark_close, "accent")
                inside = token.is_read
            wrapper.append(steady(token.text).replace("\n", self.glyphs.return_key), "on" if inside else "faint")
        if inside:
            wrapper.append(self.glyphs.mark_close, "accent")
        lines: list[Row] = [[(run.text, str(run.style)) for run in line] for line in wrapper.lines()]
        return [[(f"{shown.side} {shown.text}", "muted")], *lines, []]
