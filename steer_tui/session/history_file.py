"""One look at the journal, or one small change to it, each with a connection of its own: for threads of the moment.

Promises that a journal which is missing reads as an empty one, and that every other trouble is one kind of error. May
wait for a disk: never called on the screen's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from steer_tui.errors import LibraryError, SteerError
from steer_tui.session.history_rows import HistoryEntry, HistoryPage
from steer_tui.session.journal import Journal
from steer_tui.session.records import RunEntry, RunRecord
from steer_tui.session.sweep_records import SweepRecord
from steer_tui.session.sweep_rows import SweepRows
from steer_tui.text import one_line

T = TypeVar("T")

_DAMAGE = (sqlite3.Error, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, SteerError)
"""What reading a file brings that another program has written to."""
PAGE = 100
"""Entries read at a time."""


class HistoryFile:
    """The journal at a path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def page(self, filter: str, number: int) -> HistoryPage:
        """Return page `number` of what a filter lets through, newest first.

        Raises:
            LibraryError: The journal cannot be read.
        """
        if not self._path.exists():
            return HistoryPage((), 0, 0)
        return self._do(lambda journal: journal.history.page(filter, PAGE, number * PAGE))

    def record(self, entry: HistoryEntry) -> RunRecord | SweepRecord | None:
        """Return all that is kept of an entry, None where it is gone.

        Raises:
            LibraryError: The journal cannot be read.
        """
        if isinstance(entry, RunEntry):
            return self._do(lambda journal: journal.get(entry.id))
        return self._do(lambda journal: journal.sweeps.get(entry.id))

    def star(self, entry: HistoryEntry, is_starred: bool) -> None:
        """Mark an entry, or take the mark away.

        Raises:
            LibraryError: The journal cannot be written.
        """
        self._do(lambda journal: _keeper(journal, entry).star(entry.id, is_starred))

    def annotate(self, entry: HistoryEntry, note: str) -> None:
        """Write a note to an entry, in place of the one it had.

        Raises:
            LibraryError: The journal cannot be written.
        """
        self._do(lambda journal: _keeper(journal, entry).annotate(entry.id, note))

    def records(self, filter: str) -> Iterator[RunRecord | SweepRecord]:
        """Yield all that a filter lets through, newest first, without holding more than a page.

        Raises:
            LibraryError: The journal cannot be read.
        """
        seen, number = set(), 0
        while (page := self.page(filter, number)).entries:
            for entry in page.entries:
                # New entries push others to the next page while this goes on.
                key = (type(entry), entry.id)
                record = None if key in seen else self.record(entry)
                seen.add(key)
                if record is not None:
                    yield record
            number += 1

    def _do(self, work: Callable[[Journal], T]) -> T:
        try:
            with Journal(self._path) as journal:
                return work(journal)
        except _DAMAGE as error:
            reason = one_line(str(error)) or type(error).__name__
            raise LibraryError(f"the journal {self._path}: {reason}", hint="move it away to begin a new one") from error


def _keeper(journal: Journal, entry: HistoryEntry) -> Journal | SweepRows:
    return journal if isinstance(entry, RunEntry) else journal.sweeps
