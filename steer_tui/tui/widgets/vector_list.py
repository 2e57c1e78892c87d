"""The Vectors pane: every vector on disk, those of the model in use first, narrowed by a filter.

Promises that only visible rows are made, however many vectors there are. Reads no files.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from textual import events
from textual.message import Message

from steer_tui.library.catalogue import Listed
from steer_tui.library.query import parse_query
from steer_tui.tui.safe import label
from steer_tui.tui.vector_columns import columns, head_parts, row_parts
from steer_tui.tui.widgets.pane import Pane, Part

OTHERS = "of other models, or unreadable"


class VectorList(Pane):
    """A table of vectors with a filter above it."""

    TITLE = "Vectors"
    head_count = 2
    has_hover = True

    class Moved(Message):
        """The cursor came to stand on another vector."""

    class Chosen(Message):
        """Someone clicked on the vector under the cursor."""

    class FilterChanged(Message):
        """The filter's text or mode changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.filter_text = ""
        self.filtering = False
        """Whether letters go to the filter."""
        self.marked: dict[object, Listed] = {}
        """By path, in the order in which they were marked."""
        self.used: Collection[str] = ()
        """Names in the recipe."""
        self._all: Sequence[Listed] = ()
        self._rows: list[Listed | str] = []
        self._cursor = 0
        self.empty_note = "reading the library"

    # What is shown

    def show(self, listed: Sequence[Listed]) -> None:
        """Show these; cursor and marks stay on their files."""
        self._all = listed
        by_path = {line.entry.path: line for line in listed}
        self.marked = {path: by_path[path] for path in self.marked if path in by_path}
        self._narrow()

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
        row = self._rows[self._cursor] if self._cursor < len(self._rows) else None
        return None if isinstance(row, str) else row

    @property
    def chosen(self) -> tuple[Listed, ...]:
        """The marked vectors, else the one under the cursor."""
        return tuple(self.marked.values()) or ((self.current,) if self.current else ())

    def _narrow(self) -> None:
        kept = self.current
        query = parse_query(self.filter_text)
        found = [line for line in self._all if query.matches(line.entry)] if self.filter_text.strip() else self._all
        own = sum(line.is_for_model for line in found)  # they come first
        self._rows = list(found)
        if own < len(found):
            self._rows.insert(own, OTHERS)
        self._cursor = next(iter(self._places(kept)), min(self._cursor, len(self._rows) - 1)) if self._rows else 0
        if self._rows and isinstance(self._rows[self._cursor], str):
            self._cursor = self._cursor + 1 if self._cursor + 1 < len(self._rows) else max(0, self._cursor - 1)
        self.top = min(self.top, self.last_top)
        self._tell(f"{len(found)} of {len(self._all)}" if self.filter_text else str(len(self._all)))
        self._show_cursor()

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
        at = min(max(0, self._cursor + amount), len(self._rows) - 1)
        if isinstance(self._rows[at], str):
            at += 1 if amount > 0 else -1
        if 0 <= at < len(self._rows) and at != self._cursor:
            self._cursor = at
            self._show_cursor()

    def move_to(self, name: str) -> None:
        """Put the cursor on the first usable vector of a name, else on the first of that name; a filter that hides
        it is taken away."""
        if self.filter_text and not any(not isinstance(row, str) and row.entry.name == name for row in self._rows):
            self.stop_filter(clear=True)
        rows = [(index, row) for index, row in enumerate(self._rows) if not isinstance(row, str)]
        named = [(index, row) for index, row in rows if row.entry.name == name]
        named.sort(key=lambda found: (not found[1].is_usable, found[1].entry.bundled))
        if named:
            self._cursor = named[0][0]
            self._show_cursor()

    def mark(self) -> None:
        """Mark the vector under the cursor, or take its mark away; go on to the next."""
        current = self.current
        if current is not None:
            if self.marked.pop(current.entry.path, None) is None:
                self.marked[current.entry.path] = current
            self._narrow()
            self.move(1)

    def unmark(self) -> None:
        """Take all marks away."""
        self.marked = {}
        self._narrow()

    def _show_cursor(self) -> None:
        self.show_line(self._cursor)
        self.refresh()
        self.post_message(self.Moved())

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
        """Move to the clicked vector; a second click chooses it."""
        row, index = event.y - self.gutter.top, self.line_at(event.y - self.gutter.top)
        if row == 0:
            return self.start_filter()
        if row >= self.head_count and 0 <= index < len(self._rows) and not isinstance(self._rows[index], str):
            again = index == self._cursor
            self._cursor = index
            self._show_cursor()
            if again:
                self.post_message(self.Chosen())

    # Lines

    def line_total(self) -> int:
        """Return vectors and heading."""
        return len(self._rows) or 1

    def is_cursor(self, index: int) -> bool:
        """Say whether the line is under the cursor."""
        return bool(self._rows) and index == self._cursor

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the filter, or the heads of the columns."""
        if index == 1:
            return head_parts(columns(width))
        if self.filtering or self.filter_text:
            return [("/ ", "key"), (label(self.filter_text) + ("_" if self.filtering else ""), "strong")]
        return [("/ filter", "faint"), ("   words, or group: tag: method: model:", "faint")]

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
            is_cursor=index == self._cursor,
            is_marked=row.entry.path in self.marked,
            is_used=row.is_usable and row.entry.name in self.used,
        )
