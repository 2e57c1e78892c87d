"""The Recipe pane: every term with its strength on a rail, and the one that keys act on."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message

from steer_tui.engine.recipe import BEST, Term, format_layers
from steer_tui.session.messages import VectorSummary
from steer_tui.tui.numbers import slider, strength
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.widgets.pane import Pane, Part

REACH = 4.0
"""Strength at the end of the rail; a stronger term makes it longer."""
LEAST_RAIL = 9


class Recipe(Pane):
    """Two lines per term: name, strength and rail; layers, scope and operation."""

    TITLE = "Recipe"
    has_hover = True

    class Selected(Message):
        """Someone chose a term."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.empty_note = "space adds a concept"
        self._terms: tuple[Term, ...] = ()
        self._selected = 0
        self._known: Mapping[str, VectorSummary] = {}

    def show(self, terms: tuple[Term, ...], selected: int, known: Mapping[str, VectorSummary]) -> None:
        """Show these terms; `known` are the concepts of the loaded model by name."""
        self._terms, self._selected, self._known = terms, selected, known
        self.top = min(self.top, self.last_top)
        self.show_line(2 * selected + 1)
        self.show_line(2 * selected)
        self.refresh()

    def show_hooks(self, words: str) -> None:
        """Say on the border which hooks of Inspect act on the steered text too, such as `2 hooks`."""
        title = f"{self.TITLE} +{words}" if words else self.TITLE
        if str(self.border_title) != title:
            self.border_title = Content(title)

    def line_total(self) -> int:
        """Return two lines per term."""
        return 2 * len(self._terms) or 1

    def is_cursor(self, index: int) -> bool:
        """Say whether the line belongs to the selected term."""
        return bool(self._terms) and index // 2 == self._selected

    def line(self, index: int, width: int) -> list[Part]:
        """Return one of the two lines of a term."""
        if not self._terms:
            return [(fit(self.empty_note, width, self.glyphs.ellipsis), "muted")]
        term = self._terms[index // 2]
        return self._upper(term, index // 2, width) if index % 2 == 0 else self._lower(term, width)

    def _upper(self, term: Term, index: int, width: int) -> list[Part]:
        cursor = self.glyphs.cursor if index == self._selected else " "
        name, number = label(term.name), fit_right(strength(term.strength), 6)
        room = width - 2 - 6 - 1
        rail = room - cell_len(name)
        paint = "positive" if term.strength > 0 else "negative" if term.strength < 0 else "muted"
        parts: list[Part] = [(f"{cursor} ", "accent")]
        if rail < LEAST_RAIL:
            return [*parts, (fit(name, room + 1, self.glyphs.ellipsis), "strong"), (number, paint)]
        rail = min(rail, max(LEAST_RAIL, room * 3 // 5))
        reach = max([REACH, *(abs(other.strength) for other in self._terms)])
        return [
            *parts,
            (fit(name, room - rail), "strong"),
            (f"{number} ", paint),
            (slider(term.strength, reach, rail, self.glyphs), paint),
        ]

    def _lower(self, term: Term, width: int) -> list[Part]:
        item = self._known.get(term.name)
        if self._known and (item is None or item.problem or not item.has_vector):
            reason = label(item.problem) if item and item.problem else "no vector for this model"
            return [(fit(f"  {reason}", width, self.glyphs.ellipsis), "warning")]
        best = term.layers == BEST and item is not None and item.best_layers
        layers = format_layers(tuple(sorted(item.best_layers)) if item and best else term.layers)
        words = [f"layers {layers}", str(term.scope), term.op]
        if term.gate:
            words.append(f"if {label(str(term.gate))}")
        if best:
            words.append("best")
        return [(fit(self._joined(words, layers, width), width, self.glyphs.ellipsis), "muted")]

    def _joined(self, words: list[str], layers: str, width: int) -> str:
        """Return the words as one text: where they are too long, without those that say what is usual."""
        joint = f" {self.glyphs.dot} "
        for spare in ("", "best", "add", "all"):
            words = [word for word in words if word != spare]
            for first in (words[0], layers):
                text = "  " + joint.join([first, *words[1:]])
                if cell_len(text) <= width:
                    return text
        return text

    def on_click(self, event: events.Click) -> None:
        """Select the clicked term."""
        index = self.line_at(event.y - self.gutter.top)
        if self._terms and 0 <= index < self.line_total():
            self.post_message(self.Selected(index // 2))
