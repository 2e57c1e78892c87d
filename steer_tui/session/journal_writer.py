"""Writes runs and sweeps to the journal on a thread of its own, so that no screen and no run ever waits for a disk.

Promises that a streaming text is on disk half a second after it came, and that a journal which cannot be written is
said once and then let be. Knows nothing of screens or models.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from steer_tui.engine.types import ModelInfo, Request, RunResult, Step
from steer_tui.session.journal import Journal
from steer_tui.session.threads import spawn
from steer_tui.text import one_line

log = logging.getLogger("steer_tui.session")

FLUSH_SECONDS = 0.5
FLUSH_STEPS = 64
CLOSING_WAIT_SECONDS = 0.2
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True, slots=True)
class _Begin:
    key: int
    model: ModelInfo
    request: Request


@dataclass(frozen=True, slots=True)
class _Steps:
    key: int
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _End:
    key: int
    outcome: RunResult | str
    """A result, or why there is none."""


@dataclass(frozen=True, slots=True)
class _Other:
    write: Callable[[Journal], None]


_Entry = _Begin | _Steps | _End | _Other


class JournalWriter:
    """Takes what happens to runs, from any thread; `key` is the caller's own number of a run."""

    def __init__(self, path: Path, on_trouble: Callable[[str, str], None]) -> None:
        """Prepare; nothing is opened before the first run.

        Args:
            path: The journal's file.
            on_trouble: Called once, on the writing thread, with a message and a hint when the journal is given up.
        """
        self._path = path
        self._on_trouble = on_trouble
        self._inbox: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._pending: deque[_Entry] = deque()
        self._rows: dict[int, int] = {}
        """Key -> id in the journal."""
        self._journal: Journal | None = None
        self._is_off = False
        self._thread = spawn("journal", self._work)

    def begin(self, key: int, model: ModelInfo, request: Request) -> None:
        """Note a run that is about to start."""
        self._inbox.put(_Begin(key, model, request))

    def step(self, key: int, step: Step) -> None:
        """Note a step of a run."""
        self._inbox.put(_Steps(key, [step]))

    def finish(self, key: int, result: RunResult) -> None:
        """Note the end of a run."""
        self._inbox.put(_End(key, result))

    def fail(self, key: int, message: str) -> None:
        """Note that a run ended by an error."""
        self._inbox.put(_End(key, message))

    def write(self, write: Callable[[Journal], None]) -> None:
        """Do something else with the journal, at once, after all that came before; called on the writing thread."""
        self._inbox.put(_Other(write))

    def close(self, timeout: float) -> bool:
        """Write what is left and end the thread; return whether it ended in time."""
        self._inbox.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # On the writing thread

    def _work(self) -> None:
        is_open = True
        flushed = time.monotonic()
        while is_open:
            is_open = self._take(max(0.0, flushed + FLUSH_SECONDS - time.monotonic()) if self._pending else None)
            if is_open and not self._is_due(flushed):
                continue
            if not is_open and self._journal is not None:
                self._journal.wait_at_most(CLOSING_WAIT_SECONDS)
            self._flush()
            flushed = time.monotonic()
        if self._journal is not None:
            self._journal.close()

    def _take(self, timeout: float | None) -> bool:
        """Wait for one entry and put it with those that wait; return False when there will be no more."""
        try:
            entry = self._inbox.get(timeout=timeout)
        except queue.Empty:
            return True
        if entry is None:
            return False
        last = self._pending[-1] if self._pending else None
        if isinstance(entry, _Steps) and isinstance(last, _Steps) and last.key == entry.key:
            last.steps.extend(entry.steps)
        elif not self._is_off:
            self._pending.append(entry)
        return True

    def _is_due(self, flushed: float) -> bool:
        """Say whether what waits should be written now: beginnings and ends at once, steps in batches."""
        if not self._pending:
            return False
        if not all(isinstance(entry, _Steps) and len(entry.steps) < FLUSH_STEPS for entry in self._pending):
            return True
        return time.monotonic() - flushed >= FLUSH_SECONDS

    def _flush(self) -> None:
        """Write what waits; where another program holds the file for long, it goes on waiting."""
        try:
            while self._pending:
                if self._journal is None:
                    self._journal = Journal(self._path)
                self._write(self._journal, self._pending[0])
                self._pending.popleft()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in _BUSY:  # the rest is detail
                self._give_up(str(error))
        except OSError as error:
            self._give_up(error.strerror or str(error))
        except Exception as error:  # whatever it is, runs go on and the screen stays whole
            log.error("writing the journal failed", exc_info=error)
            self._give_up(f"{type(error).__name__}: {error}")

    def _write(self, journal: Journal, entry: _Entry) -> None:
        if isinstance(entry, _Begin):
            self._rows[entry.key] = journal.begin(entry.model, entry.request)
        elif isinstance(entry, _Other):
            entry.write(journal)
        elif entry.key not in self._rows:
            return
        elif isinstance(entry, _Steps):
            journal.append(self._rows[entry.key], entry.steps)
        elif isinstance(entry.outcome, str):
            journal.fail(self._rows.pop(entry.key), entry.outcome)
        else:
            journal.finish(self._rows.pop(entry.key), entry.outcome)

    def _give_up(self, reason: str) -> None:
        self._is_off = True
        self._pending.clear()
        self._on_trouble(
            f"runs are not being kept: {one_line(str(self._path))}: {one_line(reason)}",
            "make room or make the folder writable, then start again; --data-dir keeps it elsewhere",
        )
