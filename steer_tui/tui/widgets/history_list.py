"""The list of History: runs and sweeps, newest first, a page in memory at a time as it is looked at.

Promises that ten thousand entries cost no more than the pages that were seen. Knows nothing of journals: it asks for
pages by messages.
"""

from __future__ import annotations

from rich.cells import cell_len
from textual.message import Message

from steer_tui.session.history_file import PAGE
from steer_tui.session.history_rows import HistoryEntry, HistoryPage
from steer_tui.session.history_words import ending, moment
from steer_tui.session.records import RunEntry
from steer_tui.tui.safe import fit, label
from steer_tui.tui.widgets.filterable import FilterPane
from steer_tui.tui.widgets.pane import Part

WHEN = 11
"""Cells of the time."""
ROOMY = 76
"""From this width on the model has a column."""
Key = tuple[type, int]


class HistoryList(FilterPane):
    """Entries by their place in the list."""

    TITLE = "History"
    FILTER_NOTE = "/ filter: words, is:run, is:sweep, is:starred, seed:7, on:2026-05-31"

    class Needs(Message):
        """A page is looked at that is not there."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    class Narrowed(Message):
        """Another filter was typed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.total: int | None = None
        """How many there are; None before the first page came."""
        self.marked: Key | None = None
        """The entry that the next one is compared with."""
        self._pages: dict[int, tuple[HistoryEntry, ...]] = {}
        self._asked: set[int] = set()
        self._filter = ""

    # The entries

    def forget(self) -> None:
        """Ask for every page anew; what is shown stays until it comes."""
        self._asked.clear()
        self._ask(self.cursor // PAGE)

    def put(self, number: int, page: HistoryPage) -> None:
        """Take in a page; if the list has changed, the others are read anew when they are looked at."""
        before = self.current
        if page.total != self.total:
            self._pages.clear()
            self._asked &= {number}
        self.total = page.total
        self._pages[number] = page.entries
        self._keep_cursor(before, number)
        self.say(f"{page.total:,}" if not self.filter_text else f"{page.total:,} match")
        self.show_cursor()
        if before is None or before != self.current:
            self.post_message(self.Moved())

    def _keep_cursor(self, before: HistoryEntry | None, number: int) -> None:
        """Let the cursor stay on its entry where that has moved within the page; the newest is followed."""
        entries = self._pages[number]
        if before is not None and self.cursor > 0:
            places = [place for place, entry in enumerate(entries) if key_of(entry) == key_of(before)]
            self.cursor = number * PAGE + places[0] if places else self.cursor
        self.cursor = min(self.cursor, max(0, (self.total or 0) - 1))

    def entry(self, index: int) -> HistoryEntry | None:
        """Return an entry, None where its page is not there."""
        entries = self._pages.get(index // PAGE, ())
        return entries[index % PAGE] if index % PAGE < len(entries) else None

    @property
    def current(self) -> HistoryEntry | None:
        """The entry under the cursor."""
        return self.entry(self.cursor)

    def replace(self, entry: HistoryEntry) -> None:
        """Show another state of an entry, wherever it stands."""
        for number, page in self._pages.items():
            for place, known in enumerate(page):
                if key_of(known) == key_of(entry):
                    self._pages[number] = (*page[:place], entry, *page[place + 1 :])
                    return self.redraw_lines(number * PAGE + place)

    def _ask(self, number: int) -> None:
        if number not in self._asked:
            self._asked.add(number)
            self.post_message(self.Needs(number))

    def filter_changed(self) -> None:
        """Ask for what the filter lets through."""
        if self.filter_text != self._filter:
            self._filter = self.filter_text
            self.cursor = self.top = 0
            self._asked.clear()
            self.post_message(self.Narrowed())

    # Lines

    def row_total(self) -> int:
        """Return the number of entries."""
        return self.total or 0

    def line(self, index: int, width: int) -> list[Part]:
        """Return an entry's row."""
        if not self.total:
            note = "nothing matches: esc clears" if self.filter_text and self.total == 0 else self.empty_note
            return [(fit(note, width, self.glyphs.ellipsis), "muted")]
        entry = self.entry(index)
        if entry is None:
            self._ask(index // PAGE)
            return [(fit(f"   {self.glyphs.dot}", width), "faint")]
        signs = self._signs(entry, index)
        room = width - sum(len(text) for text, _ in signs)
        return [*signs, *self._words(entry, room)]

    def _signs(self, entry: HistoryEntry, index: int) -> list[Part]:
        """Return cursor, star, the mark for comparing, and when it was."""
        cursor = self.glyphs.cursor if index == self.cursor else " "
        star = self.glyphs.best if entry.starred else " "
        mark = "A" if self.marked == key_of(entry) else " "
        broken = {"failed": self.glyphs.broken, "cut off": self.glyphs.off, "stopped": self.glyphs.off}
        sign = broken.get(ending(entry), " ")
        when = fit(moment(entry.created, "%m-%d %H:%M"), WHEN)
        return [
            (cursor, "accent"),
            (star, "warning"),
            (mark, "mark"),
            (f" {when} ", "muted"),
            (f"{sign} ", "error" if sign == self.glyphs.broken else "muted"),
        ]

    def _words(self, entry: HistoryEntry, room: int) -> list[Part]:
        model = fit(label(entry.model), 10, self.glyphs.ellipsis) + " " if room >= ROOMY - 20 else ""
        room -= len(model)
        first = max(12, room * 2 // 5)
        if isinstance(entry, RunEntry):
            hooks = f" +{len(entry.hooks)} hooks" if len(entry.hooks) > 1 else " +1 hook" if entry.hooks else ""
            recipe = label(entry.recipe) or "no steering"
            if cell_len(recipe) > first - len(hooks):
                recipe = fit(recipe, first - len(hooks), self.glyphs.ellipsis)
            name, paint = f"{recipe}{hooks}", "" if entry.recipe or entry.hooks else "muted"
            rest = entry.head or entry.prompt
        else:
            name, paint = f"sweep {entry.concept}", "on"
            rest = f"{entry.done} of {entry.total} cells"
            rest += f", best {entry.best}" if entry.best else f", {ending(entry)}"
        rest = f"{entry.note}: {rest}" if entry.note else rest
        return [
            (fit(label(name), first, self.glyphs.ellipsis) + " ", paint),
            (model, "faint"),
            (fit(label(rest), max(0, room - first - 1), self.glyphs.ellipsis), "muted"),
        ]


def key_of(entry: HistoryEntry) -> Key:
    """Return what names an entry among runs and sweeps."""
    return type(entry), entry.id
