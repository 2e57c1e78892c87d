"""The Concepts pane: what can steer the loaded model, by group, and what does.

Knows nothing of recipes beyond the terms it is shown; asks for changes by messages.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual.message import Message

from steer_tui.engine.recipe import BEST, Term, format_layers
from steer_tui.session.messages import VectorSummary
from steer_tui.tui.numbers import strength
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.widgets.filterable import FilterPane
from steer_tui.tui.widgets.pane import Part
from steer_tui.tui.wrap import Wrapper

FIRST_GROUPS = ("emotions", "styles", "personalities", "brevity")
"""Groups in the order in which they are shown; others follow as they come."""
TALL = 15
"""From this many lines on, two tell about the concept under the cursor."""


class Concepts(FilterPane):
    """A list of concepts under their groups, with a filter above it."""

    TITLE = "Concepts"

    class Toggled(Message):
        """Someone clicked on a concept."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._all: tuple[VectorSummary, ...] = ()
        self._terms: Mapping[str, Term] = {}
        self._rows: list[VectorSummary | str] = []

    @property
    def foot_count(self) -> int:  # type: ignore[override]
        """Lines that tell about the concept under the cursor."""
        return 3 if self.view.height >= TALL and self._rows else 0

    # What is shown

    def show(self, concepts: tuple[VectorSummary, ...], terms: Mapping[str, Term]) -> None:
        """Show these concepts, with the terms of the recipe by name."""
        regroup = concepts is not self._all
        self._all, self._terms = concepts, terms
        if regroup:
            self._narrow()
        active = sum(item.name in terms for item in concepts)
        shown = sum(isinstance(row, VectorSummary) for row in self._rows)
        count = f"{shown} of {len(concepts)}" if self.filter_text else f"{active} on"
        self.say(count if concepts else "")
        self.refresh()

    @property
    def current(self) -> VectorSummary | None:
        """The concept under the cursor."""
        row = self._rows[self.cursor] if self.cursor < len(self._rows) else None
        return row if isinstance(row, VectorSummary) else None

    def _narrow(self) -> None:
        kept = self.current.name if self.current else ""
        groups: dict[str, list[VectorSummary]] = {}
        for item in self._all:
            if self._matches(item):
                groups.setdefault(label(item.group), []).append(item)
        self._rows = []
        for group in sorted(groups, key=lambda name: FIRST_GROUPS.index(name) if name in FIRST_GROUPS else 99):
            self._rows += [group, *groups[group]]
        self.cursor = next(
            (index for index, row in enumerate(self._rows) if isinstance(row, VectorSummary) and row.name == kept),
            min(1, len(self._rows)),
        )
        self.show_cursor()

    def filter_changed(self) -> None:
        """Show the concepts that the filter lets through."""
        self._narrow()
        self.show(self._all, self._terms)

    def _matches(self, item: VectorSummary) -> bool:
        wanted = self.filter_text.casefold()
        return wanted in item.name.casefold() or wanted in item.group.casefold()

    # The cursor

    def move(self, amount: int) -> None:
        """Move the cursor by so many concepts."""
        stops = [index for index, row in enumerate(self._rows) if isinstance(row, VectorSummary)]
        if not stops:
            return
        at = stops.index(self.cursor) if self.cursor in stops else 0
        self.go(stops[min(max(0, at + amount), len(stops) - 1)])

    def move_to(self, name: str) -> None:
        """Put the cursor on a concept, if it is shown."""
        for index, row in enumerate(self._rows):
            if isinstance(row, VectorSummary) and row.name == name and index != self.cursor:
                self.cursor = index
                self.show_cursor()

    def show_cursor(self) -> None:
        """Bring the cursor into sight, with the first group's heading above the first concept."""
        if self.cursor <= 1:
            self.show_line(0)
        super().show_cursor()

    def click_row(self, index: int, x: int) -> None:
        """Move to a clicked concept; a second click, or one on its sign, switches it."""
        if isinstance(self._rows[index], VectorSummary):
            again = index == self.cursor or x <= 4
            self.go(index)
            if again and self.current:
                self.post_message(self.Toggled(self.current.name))

    # Lines

    def line(self, index: int, width: int) -> list[Part]:
        """Return a group's heading or a concept's row."""
        if not self._rows:
            return self._nothing(width)
        row = self._rows[index]
        if isinstance(row, str):
            return [(fit(f" {row}", width), "group")]
        term = self._terms.get(row.name)
        cursor = self.glyphs.cursor if index == self.cursor else " "
        sign, paint = self._sign(row, term)
        tail = self._tail(term, row, width)
        room = width - 3 - len(tail)
        name_paint = "on" if term else ("faint" if not row.has_vector or row.problem else "")
        name = fit(label(row.name), room, self.glyphs.ellipsis)
        return [(cursor, "accent"), (sign, paint), (f" {name}", name_paint), (tail, "number" if term else "faint")]

    def _nothing(self, width: int) -> list[Part]:
        if self._all:
            return [(fit("no match: esc clears", width), "muted")]
        return [(fit(self.empty_note, width), "muted")]

    def _sign(self, row: VectorSummary, term: Term | None) -> tuple[str, str]:
        if row.problem:
            return self.glyphs.broken, "error"
        if term:
            return self.glyphs.on, "on"
        return (self.glyphs.off, "muted") if row.has_vector else (self.glyphs.missing, "faint")

    def _tail(self, term: Term | None, row: VectorSummary, width: int) -> str:
        """Return strength and layers, as far as a name of twelve cells leaves room."""
        if term is None:
            return ""
        text = fit_right(strength(term.strength), 6)
        best = term.layers == BEST and row.best_layers
        layers = format_layers(tuple(sorted(row.best_layers)) if best else term.layers)
        if width - 3 - 12 >= 6 + 6:
            text += " " + fit_right(layers, 5, self.glyphs.ellipsis)
        return text

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return what the concept under the cursor is."""
        item = self.current
        if item is None:
            return []
        if index == 0:
            return [(self.glyphs.rail * width, "rail")]
        wrapper = Wrapper(width)
        wrapper.append(self._about(item), "muted")
        text = "".join(run.text for run in wrapper.line(index - 1))
        cut = index == 2 and wrapper.count > 2
        return [(fit(text + self.glyphs.ellipsis, width, self.glyphs.ellipsis) if cut else text, "muted")]

    def _about(self, item: VectorSummary) -> str:
        if item.problem:
            return label(item.problem)
        if not item.has_vector:
            return "no vector for this model yet: space makes it"
        if item.warning:
            return label(item.warning)
        return label(item.description) or label(item.name)
