"""Which tokens of the examples a vector is read from: the first of both sides, those that count between marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events

from steer_tui.tui.safe import steady
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.vector_lines import Row
from steer_tui.tui.widgets.pane import Pane, Part
from steer_tui.tui.wrap import Wrapper

if TYPE_CHECKING:
    from steer_tui.engine.tokensread import ShownText


class TokenTexts(Pane):
    """The texts, each below its side."""

    TITLE = "Tokens"

    def __init__(self, texts: Sequence[ShownText], read: str) -> None:
        super().__init__(id="tokens")
        self._texts = tuple(texts)
        self._rows: tuple[int, list[Row]] = (0, [])
        self.say(f"read: {read}; esc closes")

    def _lines(self, width: int) -> list[Row]:
        if self._rows[0] != width:
            self._rows = (width, [row for text in self._texts for row in self._text_rows(text, width)])
        return self._rows[1]

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

    def line_total(self) -> int:
        """Return how many lines there are."""
        return len(self._lines(self.text_width if self.size.width else TokensDialog.WIDTH - 4))

    def line(self, index: int, width: int) -> list[Part]:
        """Return one of them."""
        return self._lines(width)[index]

    def on_key(self, event: events.Key) -> None:
        """Scroll, or close."""
        page = max(1, self.body_height - 1)
        moves = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": page, "pageup": -page, "g": -9999, "G": 9999}
        if event.key in moves:
            self.scroll_lines(moves[event.key])
        elif event.key in ("enter", "q", "ctrl+t"):
            self.screen.dismiss(None)
        else:
            return
        event.stop()


class TokensDialog(Dialog[None]):
    """Shows the texts."""

    WIDTH = 88

    def __init__(self, texts: Sequence[ShownText], read: str) -> None:
        super().__init__(TokenTexts(texts, read))
