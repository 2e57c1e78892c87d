"""The Logits pane: how hooks and recipe moved the next-token logits at the first generated position."""

from __future__ import annotations

from steer_tui.engine.hookvalues import LogitDifference, TokenShift
from steer_tui.tui.numbers import plain, signed
from steer_tui.tui.safe import fit, fit_right, steady
from steer_tui.tui.widgets.pane import Pane, Part

WIDE = 44
"""From this many cells on, the logits with and without have columns beside the difference."""
COLUMN = 9
"""Cells of a number."""


class Logits(Pane):
    """The tokens that rose and fell most, with bars."""

    TITLE = "Logits"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.difference: LogitDifference | None = None
        self.empty_note = "the first token's logits, hooked less unhooked"

    @property
    def head_count(self) -> int:  # type: ignore[override]
        """The names of the columns."""
        return 1 if self.difference else 0

    def show(self, difference: LogitDifference | None) -> None:
        """Show a difference, or none."""
        self.difference = difference
        self.top = 0
        self.say(f"max {plain(difference.max)}, mean {plain(difference.mean)}" if difference else "")
        self.refresh()

    @property
    def _shifts(self) -> tuple[TokenShift, ...]:
        return (*self.difference.risen, *reversed(self.difference.fallen)) if self.difference else ()

    def line_total(self) -> int:
        """Return the number of tokens told."""
        return len(self._shifts) or 1

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the names of the columns."""
        columns = ("hooked", "unhooked", self.glyphs.delta) if width >= WIDE else (self.glyphs.delta,)
        cells = "".join(fit_right(one, COLUMN) for one in columns)
        return [(fit(" first token", self._name_room(width), self.glyphs.ellipsis) + cells, "group")]

    def _name_room(self, width: int) -> int:
        return max(13, min(16, width - (3 * COLUMN if width >= WIDE else COLUMN) - 10))

    def line(self, index: int, width: int) -> list[Part]:
        """Return a token's row."""
        if not self._shifts or self.difference is None:
            return [(fit(self.empty_note if index == 0 else "", width, self.glyphs.ellipsis), "muted")]
        shift = self._shifts[index]
        delta = shift.steered - shift.baseline
        paint = "positive" if delta > 0 else "negative"
        parts: list[Part] = [(fit(f" {_token(shift.text)}", self._name_room(width), self.glyphs.ellipsis), "strong")]
        if width >= WIDE:
            parts += [
                (fit_right(signed(shift.steered), COLUMN), ""),
                (fit_right(signed(shift.baseline), COLUMN), "muted"),
            ]
        parts.append((fit_right(signed(delta), COLUMN), paint))
        room = width - sum(len(text) for text, _ in parts) - 2
        if room >= 3:
            length = max(1, round(abs(delta) / max(self.difference.max, 1e-9) * room))
            parts.append((f"  {(self.glyphs.rail_filled * min(length, room))}", paint))
        return parts


def _token(text: str) -> str:
    """Return a token's text so that blanks and newlines in it can be seen."""
    shown = text.replace("\n", "\\n").replace("\t", "\\t")
    return f"'{steady(shown)}'"
