"""The panes of History and what is read into them; the actions of `history` are built on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from textual.content import Content

from steer_tui.errors import SteerError
from steer_tui.session.history_file import HistoryFile
from steer_tui.session.history_rows import HistoryPage
from steer_tui.session.history_words import differences, ending, facts, moment
from steer_tui.session.records import RunRecord
from steer_tui.session.sweep_records import SweepRecord
from steer_tui.tui.history_layout import ENTRIES, FIRST, RECORD, SECOND, HistoryFacts, arrange, panes
from steer_tui.tui.safe import label
from steer_tui.tui.screens.desk_screen import DeskScreen
from steer_tui.tui.sweep_words import details
from steer_tui.tui.widgets.desk import Desk
from steer_tui.tui.widgets.differences import Differences
from steer_tui.tui.widgets.history_list import HistoryList, key_of
from steer_tui.tui.widgets.pane import Pane
from steer_tui.tui.widgets.stream_text import StreamText

T = TypeVar("T")
Record = RunRecord | SweepRecord
NAME = 12
"""Cells of a fact's name."""


class HistoryPanes(DeskScreen[HistoryFacts]):
    """The list and the entry under its cursor; or two runs side by side."""

    NAME = "history"
    HOME = ENTRIES

    def __init__(self) -> None:
        super().__init__(name=self.NAME)
        self.entries = HistoryList(id=ENTRIES)
        self.record_pane = StreamText("Record", id=RECORD)
        self.difference = Differences(id="difference")
        self.first = StreamText("A", id=FIRST)
        self.second = StreamText("B", id=SECOND)
        children = (self.entries, self.record_pane, self.difference, self.first, self.second)
        self.desk = Desk(*children, facts=HistoryFacts(), place=arrange)
        self.record: Record | None = None
        """What the record pane shows; None where nothing is read."""
        self._file: HistoryFile | None = None
        self._list_turn = 0
        """Numbers the readings of the list, so that one which comes late is not taken for the newest."""
        self._record_turn = 0

    def panes(self) -> tuple[str, ...]:
        """Return the panes that tab walks through."""
        return panes(self.desk.facts)

    @property
    def file(self) -> HistoryFile:
        """The journal."""
        if self._file is None:
            self._file = HistoryFile(self.bench_app.paths.journal)
        return self._file

    @property
    def is_inside(self) -> bool:
        """Whether esc has a level to leave: the filter, a comparison, a zoomed pane, the record."""
        shown = self.desk.facts
        narrowed = self.entries.filtering or bool(self.entries.filter_text)
        return narrowed or shown.comparing or bool(shown.zoomed) or self.place == RECORD

    def regain_focus(self) -> None:
        """Give the keyboard back to the list, or to what is compared."""
        self.go_to(self.panes()[0])

    # Reading

    def read(self, work: Callable[[], T], then: Callable[[T], object]) -> None:
        """Do something with the journal off the screen's thread, in turn; say why where that fails."""

        def attempt() -> T | SteerError:
            try:
                return work()
            except SteerError as error:
                return error

        def show(found: T | SteerError) -> None:
            if isinstance(found, SteerError):
                self.entries.empty_note = found.message
                self.entries.refresh()
                self.bench_app.complain(found.message, found.hint)
            elif self.is_attached:
                then(found)

        self.bench_app.journal_work.do(self.app, attempt, show)

    def read_page(self, number: int) -> None:
        """Read a page of the list."""
        turn, filter, file = self._list_turn, self.entries.filter_text, self.file

        def look() -> HistoryPage | None:
            return file.page(filter, number) if turn == self._list_turn else None

        def show(page: HistoryPage | None) -> None:
            if turn == self._list_turn and page is not None:
                self.entries.empty_note = "nothing yet: r on Steer runs, and every run is kept here"
                self.entries.put(number, page)
                self.show_status()

        self.read(look, show)

    def read_again(self) -> None:
        """Read the list anew; what is shown stays until it comes."""
        self._list_turn += 1
        self.entries.forget()

    def with_record(self, then: Callable[[Record], object]) -> None:
        """Do something with the entry under the cursor, as soon as it has been read."""
        entry, record = self.entries.current, self.record
        if entry is not None and record is not None and record.entry == entry:
            then(record)
        elif entry is not None:
            self.read_record(then)

    def read_record(self, then: Callable[[Record], object] | None = None) -> None:
        """Read the entry under the cursor; `then` takes it, unless the cursor has moved on."""
        self._record_turn += 1
        turn, entry, file = self._record_turn, self.entries.current, self.file
        if entry is None:
            self.record = None
            return self.record_pane.clear()

        def show(record: Record | None) -> None:
            if turn == self._record_turn:
                self.record = record
                self.show_record(self.record_pane, record)
                self.record_pane.border_title = Content("Run" if isinstance(record, RunRecord) else "Sweep")
                self.show_status()
                if then is not None and record is not None:
                    then(record)

        self.read(lambda: file.record(entry) if turn == self._record_turn else None, show)

    def on_history_list_needs(self, event: HistoryList.Needs) -> None:
        """Read a page that is looked at."""
        self.read_page(event.number)

    def on_history_list_narrowed(self) -> None:
        """Read what another filter lets through."""
        self._list_turn += 1
        self.read_page(0)

    def on_row_list_moved(self) -> None:
        """Show the entry under the cursor."""
        entry, record = self.entries.current, self.record
        if entry is None or record is None or key_of(record.entry) != key_of(entry) or record.entry != entry:
            self.read_record()

    # Showing

    def show_record(self, pane: StreamText, record: Record | None) -> None:
        """Put all there is to read of an entry into a pane."""
        pane.clear()
        if isinstance(record, RunRecord):
            self._show_run(pane, record)
        elif record is not None:
            self._show_sweep(pane, record)
        pane.show_from(0)
        pane.following = False

    def _show_run(self, pane: StreamText, record: RunRecord) -> None:
        pane.append(record.request.prompt, "prompt")
        is_new_line = record.steered[:1].isspace() or not record.request.prompt
        pane.append("" if is_new_line else "\n", "prompt")
        pane.append(record.steered or " (no text)")
        if record.baseline is not None:
            pane.append("\n\nbaseline\n", "group")
            pane.append(record.baseline or "(no text)", "unsteered")
        pane.append("\n\n", "group")
        for name, words in facts(record):
            pane.append(f"{name:<{NAME}}", "group")
            pane.append(f"{label(words)}\n", "strong" if name == "recipe" else "muted")

    def _show_sweep(self, pane: StreamText, record: SweepRecord) -> None:
        entry, request = record.entry, record.request
        known = [
            ("when", moment(entry.created, "%Y-%m-%d %H:%M:%S")),
            ("model", f"{entry.model}, {record.model.get('device', '')} {record.model.get('dtype', '')}"),
            ("concept", entry.concept),
            *(("prompt", prompt) for prompt in request.prompts),
            ("cells", f"{entry.done} of {entry.total}, {ending(entry)}, {record.seconds:.1f} s"),
            ("texts", f"{request.texts_per_cell} per cell, {request.sampling.max_tokens} tokens, seed {entry.seed}"),
            *([("failed", record.message)] if record.message else []),
            *([("note", entry.note)] if entry.note else []),
        ]
        for name, words in known:
            pane.append(f"{name:<{NAME}}", "group")
            pane.append(f"{label(words)}\n", "muted")
        for grid in record.result.grids:
            best = grid.best
            pane.append(f"\nbest of {label(grid.name)} within {grid.kl_budget:g} nat\n", "group")
            if best is None:
                pane.append("none\n", "muted")
                continue
            pane.append(f"{label(best.recipe)}\n", "on")
            pane.append(", ".join(f"{name} {value}" for name, value in details(best)) + "\n", "muted")
            pane.append(best.texts[0].text.strip() + "\n" if best.texts else "")
        pane.append("\nenter shows the grid", "faint")

    def compare_with(self, left: RunRecord, right: RunRecord) -> None:
        """Show two runs side by side."""
        rows = differences(left, right)
        titles = tuple(f"{mark} {moment(record.entry.created)}" for mark, record in (("A", left), ("B", right)))
        self.difference.show(rows, (titles[0], titles[1]))
        for pane, record in ((self.first, left), (self.second, right)):
            self.show_record(pane, record)
            title = f"{'A' if pane is self.first else 'B'} {record.request.recipe or 'no steering'}"
            pane.border_title = Content(label(title))
        self.desk.facts = HistoryFacts(comparing=True, differences=len(rows))
        self.go_to(FIRST)
        self.show_status()

    def leave_comparison(self) -> None:
        """Go back to the list."""
        self.desk.facts = HistoryFacts()
        self.entries.marked = None
        self.go_to(ENTRIES)

    def focused_pane(self) -> Pane:
        """Return the pane that has the keyboard."""
        return self.focused if isinstance(self.focused, Pane) else self.entries
