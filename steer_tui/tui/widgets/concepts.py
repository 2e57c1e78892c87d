"""The Concepts pane: what can steer the loaded model, by group, and what does.

Knows nothing of recipes beyond the terms it is shown; asks for changes by messages.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.message import Message

from steer_tui.engine.recipe import BEST, Term, format_layers
from steer_tui.session.messages import VectorSummary
from steer_tui.tui.numbers import strength
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.widgets.pane import Pane, Part
from steer_tui.tui.wrap import Wrapper

FIRST_GROUPS = ("emotions", "styles", "personalities", "brevity")
"""Groups in the order in which they are shown; others follow as they come."""
TALL = 15
"""From this many lines on, two tell about the concept under the cursor."""


class Concepts(Pane):
    """A list of concepts under their groups, with a filter above it."""

    TITLE = "Concepts"
    head_count = 1
    has_hover = True

    class Moved(Message):
        """The cursor came to stand on another concept."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Toggled(Message):
        """Someone clicked on a concept."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class FilterChanged(Message):
        """The filter's text or mode changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.filter_text = ""
        self.filtering = False
        """Whether letters go to the filter."""
        self._all: tuple[VectorSummary, ...] = ()
        self._terms: Mapping[str, Term] = {}
        self._rows: list[VectorSummary | str] = []
        self._cursor = 0

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
        row = self._rows[self._cursor] if self._cursor < len(self._rows) else None
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
        self._cursor = next(
            (index for index, row in enumerate(self._rows) if isinstance(row, VectorSummary) and row.name == kept),
            min(1, len(self._rows)),
        )
        self.top = min(self.top, self.last_top)
        self._show_cursor()

    def _matches(self, item: VectorSummary) -> bool:
        wanted = self.filter_text.casefold()
        return wanted in item.name.casefold() or wanted in item.group.casefold()

    # The cursor

    def move(self, amount: int) -> None:
        """Move the cursor by so many concepts."""
        stops = [index for index, row in enumerate(self._rows) if isinstance(row, VectorSummary)]
        if not stops:
            return
        at = stops.index(self._cursor) if self._cursor in stops else 0
        self._move_to(stops[min(max(0, at + amount), len(stops) - 1)])

    def move_to(self, name: str) -> None:
        """Put the cursor on a concept, if it is shown."""
        for index, row in enumerate(self._rows):
            if isinstance(row, VectorSummary) and row.name == name and index != self._cursor:
                self._cursor = index
                self._show_cursor()

    def _move_to(self, index: int) -> None:
        if index == self._cursor:
            return
        self._cursor = index
        self._show_cursor()
        if self.current:
            self.post_message(self.Moved(self.current.name))

    def _show_cursor(self) -> None:
        if self._cursor <= 1:
            self.show_line(0)
        self.show_line(self._cursor)
        self.refresh()

    # The filter

    def start_filter(self) -> None:
        """Let letters go to the filter."""
        self.filtering = True
        self._filter_changed()

    def stop_filter(self, *, clear: bool) -> None:
        """Give letters back to the keys; the filter stays unless `clear`."""
        self.filtering = False
        self.filter_text = "" if clear else self.filter_text
        self._filter_changed()

    def _filter_changed(self) -> None:
        self._narrow()
        self.show(self._all, self._terms)
        self.post_message(self.FilterChanged())

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Keep letters from the bindings while they go to the filter."""
        return self.filtering and (
            key in ("backspace", "enter", "ctrl+u") or bool(character and character.isprintable())
        )

    def on_key(self, event: events.Key) -> None:
        """Write the filter."""
        if not self.filtering:
            return
        if event.key == "enter":
            self.stop_filter(clear=False)
        elif event.key == "backspace":
            self.filter_text = self.filter_text[:-1]
        elif event.key == "ctrl+u":
            self.filter_text = ""
        elif event.is_printable and event.character:
            self.filter_text += event.character
        else:
            return
        event.stop()
        event.prevent_default()
        self._filter_changed()

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted text into the filter."""
        if self.filtering:
            event.stop()
            self.filter_text += label(event.text)
            self._filter_changed()

    def on_blur(self) -> None:
        """Leave the filter when the keyboard goes elsewhere."""
        if self.filtering:
            self.stop_filter(clear=False)

    def on_click(self, event: events.Click) -> None:
        """Move to the clicked concept; a click on its sign switches it."""
        row, index = event.y - self.gutter.top, self.line_at(event.y - self.gutter.top)
        if row < self.head_count:
            return self.start_filter()
        if 0 <= index < len(self._rows) and isinstance(self._rows[index], VectorSummary):
            again = index == self._cursor or event.x <= 4
            self._move_to(index)
            if again and self.current:
                self.post_message(self.Toggled(self.current.name))

    # Lines

    def line_total(self) -> int:
        """Return the number of groups and concepts shown."""
        return len(self._rows) or 1

    def is_cursor(self, index: int) -> bool:
        """Say whether the line is under the cursor."""
        return bool(self._rows) and index == self._cursor

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the filter."""
        if self.filtering:
            return [("/ ", "key"), (fit(label(self.filter_text) + "_", width - 2), "strong")]
        if self.filter_text:
            return [("/ ", "key"), (fit(label(self.filter_text), width - 2), "strong")]
        return [("/ filter", "faint")]

    def line(self, index: int, width: int) -> list[Part]:
        """Return a group's heading or a concept's row."""
        if not self._rows:
            return self._nothing(width)
        row = self._rows[index]
        if isinstance(row, str):
            return [(fit(f" {row}", width), "group")]
        term = self._terms.get(row.name)
        cursor = self.glyphs.cursor if index == self._cursor else " "
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
