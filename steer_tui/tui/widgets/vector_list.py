"""The Vectors pane: every vector on disk, those of the model in use first, narrowed by a filter.

Promises that only visible rows are made, however many vectors there are. Reads no files.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from steer_tui.library.catalogue import Listed
from steer_tui.library.query import parse_query
from steer_tui.tui.vector_columns import columns, head_parts, row_parts
from steer_tui.tui.widgets.filterable import FilterPane
from steer_tui.tui.widgets.pane import Part

OTHERS = "of other models, or unreadable"


class VectorList(FilterPane):
    """A table of vectors with a filter above it."""

    TITLE = "Vectors"
    FILTER_NOTE = "/ filter   words, or group: tag: method: model:"
    head_count = 2

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.marked: dict[object, Listed] = {}
        """By path, in the order in which they were marked."""
        self.used: Collection[str] = ()
        """Names in the recipe."""
        self._all: Sequence[Listed] = ()
        self._rows: list[Listed | str] = []
        self.empty_note = "reading the library"

    # What is shown

    def show(self, listed: Sequence[Listed]) -> None:
        """Show these; cursor and marks stay on their files."""
        self._all = listed
        by_path = {line.entry.path: line for line in listed}
        self.marked = {path: by_path[path] for path in self.marked if path in by_path}
        self.filter_changed()

    def use(self, names: Collection[str]) -> None:
        """Show which vectors are in the recipe."""
        if names != self.used:
            self.used = names
            self.refresh()

    @property
    def all(self) -> Sequence[Listed]:
        """Every vector, shown or not."""
        return self._all

    @property
    def current(self) -> Listed | None:
        """The vector under the cursor."""
        row = self._rows[self.cursor] if self.cursor < len(self._rows) else None
        return None if isinstance(row, str) else row

    @property
    def chosen(self) -> tuple[Listed, ...]:
        """The marked vectors, else the one under the cursor."""
        return tuple(self.marked.values()) or ((self.current,) if self.current else ())

    def filter_changed(self) -> None:
        """Narrow the rows; the cursor stays on its vector."""
        kept = self.current
        query = parse_query(self.filter_text)
        found = [line for line in self._all if query.matches(line.entry)] if self.filter_text.strip() else self._all
        own = sum(line.is_for_model for line in found)  # they come first
        self._rows = list(found)
        if own < len(found):
            self._rows.insert(own, OTHERS)
        self.cursor = next(iter(self._places(kept)), min(self.cursor, len(self._rows) - 1)) if self._rows else 0
        if self._rows and isinstance(self._rows[self.cursor], str):
            self.cursor = self.cursor + 1 if self.cursor + 1 < len(self._rows) else max(0, self.cursor - 1)
        self._tell(f"{len(found)} of {len(self._all)}" if self.filter_text else str(len(self._all)))
        self.show_cursor()
        self.post_message(self.Moved())

    def _places(self, kept: Listed | None) -> list[int]:
        if kept is None:
            return []
        return [
            index
            for index, row in enumerate(self._rows)
            if not isinstance(row, str) and row.entry.path == kept.entry.path
        ]

    def _tell(self, count: str) -> None:
        self.say(f"{count}, {len(self.marked)} marked" if self.marked else count)

    # The cursor and the marks

    def move(self, amount: int) -> None:
        """Move the cursor by so many rows, over the heading."""
        if not self._rows:
            return
        at = min(max(0, self.cursor + amount), len(self._rows) - 1)
        if isinstance(self._rows[at], str):
            at += 1 if amount > 0 else -1
        if 0 <= at < len(self._rows):
            self.go(at)

    def move_to(self, name: str) -> None:
        """Put the cursor on the first usable vector of a name, else on the first of that name; a filter that hides
        it is taken away."""
        if self.filter_text and not any(not isinstance(row, str) and row.entry.name == name for row in self._rows):
            self.stop_filter(clear=True)
        rows = [(index, row) for index, row in enumerate(self._rows) if not isinstance(row, str)]
        named = [(index, row) for index, row in rows if row.entry.name == name]
        named.sort(key=lambda found: (not found[1].is_usable, found[1].entry.bundled))
        if named:
            self.cursor = named[0][0]
            self.show_cursor()
            self.post_message(self.Moved())

    def mark(self) -> None:
        """Mark the vector under the cursor, or take its mark away; go on to the next."""
        current = self.current
        if current is not None:
            if self.marked.pop(current.entry.path, None) is None:
                self.marked[current.entry.path] = current
            self.filter_changed()
            self.move(1)

    def unmark(self) -> None:
        """Take all marks away."""
        self.marked = {}
        self.filter_changed()

    def click_row(self, index: int, x: int) -> None:
        """Move to a clicked vector; a second click chooses it."""
        if not isinstance(self._rows[index], str):
            super().click_row(index, x)

    # Lines

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the filter, or the heads of the columns."""
        return head_parts(columns(width)) if index == 1 else super().head_line(index, width)

    def line(self, index: int, width: int) -> list[Part]:
        """Return a vector's row or the heading."""
        if not self._rows:
            return [("no match: esc clears" if self._all else self.empty_note, "muted")]
        row = self._rows[index]
        if isinstance(row, str):
            return [(f" {row}", "group")]
        return row_parts(
            row,
            columns(width),
            self.glyphs,
            is_cursor=index == self.cursor,
            is_marked=row.entry.path in self.marked,
            is_used=row.is_usable and row.entry.name in self.used,
        )
