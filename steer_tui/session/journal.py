"""Runs and sweeps, in SQLite: kept as they stream, so that a kill at any instant leaves what had come.

A `Journal` belongs to the thread that made it; several programs may each have one on the same file. Every method raises
`sqlite3.Error` where the file cannot be used; `JournalWriter` is what makes that harmless to a run.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from steer_tui.engine.types import ModelInfo, Request, RunResult, Step
from steer_tui.session.history_rows import HistoryRows
from steer_tui.session.records import (
    RunEntry,
    RunRecord,
    changes_to_lines,
    now,
    request_from_json,
    request_to_json,
    with_changes,
)
from steer_tui.session.sweep_rows import SweepRows, sweep_tables
from steer_tui.text import clean, one_line

WAIT_SECONDS = 2.0
"""How long a statement waits for another program that writes."""
HEAD = 200
"""Characters of text that lists show."""

Migration = Callable[[sqlite3.Connection], None]


def _first_tables(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            created TEXT NOT NULL,
            model_ref TEXT NOT NULL,
            model TEXT NOT NULL,
            prompt TEXT NOT NULL,
            recipe TEXT NOT NULL,
            request TEXT NOT NULL,
            changes TEXT NOT NULL DEFAULT '',
            steered TEXT NOT NULL DEFAULT '',
            baseline TEXT,
            finish TEXT,
            message TEXT,
            result TEXT,
            starred INTEGER NOT NULL DEFAULT 0,
            note TEXT NOT NULL DEFAULT ''
        )"""
    )


MIGRATIONS: tuple[Migration, ...] = (_first_tables, sweep_tables)
"""What brings a file from each version to the next; the version is how many of them were done."""

_ENTRY = f"id, created, model_ref, request, finish, starred, note, substr(steered, 1, {HEAD})"
_REST = "model, changes, steered, baseline, message, result"
_SEARCHED = ("prompt", "recipe", "steered", "model_ref", "note")
_FILTER = " OR ".join(rf"{column} LIKE :text ESCAPE '\'" for column in _SEARCHED)


class Journal:
    """The runs and sweeps in one file, which is made where there is none."""

    def __init__(self, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        """Open the file.

        Raises:
            sqlite3.Error: It is damaged, newer than this program, or on a disk that is full or read-only.
            OSError: Its folder cannot be made.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
        try:
            with suppress(sqlite3.OperationalError):  # some network file systems have no WAL; the usual mode serves
                self._connection.execute("PRAGMA journal_mode = WAL")
            # A killed program loses nothing with either setting; NORMAL leaves out a flush of the disk per write.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._migrate(migrations)
        except BaseException:
            self._connection.close()
            raise
        self.sweeps = SweepRows(self._connection)
        self.history = HistoryRows(self._connection, self.entries, self.sweeps.entries)
        """Runs and sweeps as one list."""

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait_at_most(self, seconds: float) -> None:
        """Change how long statements wait for another program."""
        self._connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    # Writing

    def begin(self, model: ModelInfo, request: Request) -> int:
        """Note a run that is about to start; return its id."""
        values = (
            now(),
            one_line(model.ref),
            json.dumps(model.to_json()),
            clean(request.prompt),
            clean(request.recipe),
            json.dumps(request_to_json(request)),
            "" if request.baseline else None,
        )
        cursor = self._connection.execute(
            "INSERT INTO runs (created, model_ref, model, prompt, recipe, request, baseline)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def append(self, run_id: int, steps: Sequence[Step]) -> None:
        """Add the text and the live changes of some steps to a run."""
        steered = "".join(step.steered.text for step in steps if step.steered)
        baseline = "".join(step.baseline.text for step in steps if step.baseline)
        changes = [step.changed for step in steps if step.changed is not None]
        self._connection.execute(
            "UPDATE runs SET steered = steered || ?, baseline = baseline || ?, changes = changes || ? WHERE id = ?",
            (clean(steered), clean(baseline), changes_to_lines(changes), run_id),
        )

    def finish(self, run_id: int, result: RunResult) -> None:
        """Note how a run ended, with its whole result."""
        self._connection.execute(
            "UPDATE runs SET steered = ?, baseline = ?, changes = ?, finish = ?, result = ? WHERE id = ?",
            (
                clean(result.steered.text),
                clean(result.baseline.text) if result.baseline else None,
                changes_to_lines(result.request.changes),
                result.steered.finish,
                json.dumps(result.to_json()),
                run_id,
            ),
        )

    def fail(self, run_id: int, message: str) -> None:
        """Note that a run ended by an error."""
        self._connection.execute(
            "UPDATE runs SET finish = 'failed', message = ? WHERE id = ?", (clean(message), run_id)
        )

    def star(self, run_id: int, is_starred: bool = True) -> None:
        """Mark a run, or take the mark away."""
        self._connection.execute("UPDATE runs SET starred = ? WHERE id = ?", (is_starred, run_id))

    def annotate(self, run_id: int, note: str) -> None:
        """Write a note to a run, in place of the one it had."""
        self._connection.execute("UPDATE runs SET note = ? WHERE id = ?", (clean(note), run_id))

    # Reading

    def list(self, limit: int = 100, offset: int = 0, filter: str = "", starred: bool = False) -> tuple[RunEntry, ...]:
        """Return runs, newest first.

        Args:
            limit: How many at most.
            offset: How many of the newest to pass over.
            filter: Only runs with this in prompt, recipe, steered text, model or note; upper and lower case alike.
            starred: Only runs that are marked.
        """
        conditions = [f"({_FILTER})"] if filter else []
        conditions += ["starred"] if starred else []
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        rows = self._connection.execute(
            f"SELECT {_ENTRY} FROM runs {where}ORDER BY id DESC LIMIT :limit OFFSET :offset",
            {"text": f"%{_literally(clean(filter))}%", "limit": limit, "offset": offset},
        )
        return tuple(map(_entry, rows))

    def entries(self, ids: Sequence[int]) -> dict[int, RunEntry]:
        """Return runs by id, those of them that there are."""
        marks = ", ".join("?" * len(ids))
        rows = self._connection.execute(f"SELECT {_ENTRY} FROM runs WHERE id IN ({marks})", ids)
        return {entry.id: entry for entry in map(_entry, rows)}

    def get(self, run_id: int) -> RunRecord | None:
        """Return all that is kept of a run, None where there is no such run."""
        row = self._connection.execute(f"SELECT {_ENTRY}, {_REST} FROM runs WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            return None
        request = request_from_json(json.loads(row[3]))
        model, changes, steered, baseline, message, result = row[8:]
        return RunRecord(
            entry=_entry(row[:8]),
            model=json.loads(model),
            request=with_changes(request, changes),
            steered=steered,
            baseline=baseline,
            message=message,
            result=json.loads(result) if result is not None else None,
        )

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        if self._version() == len(migrations):
            return
        self._connection.execute("BEGIN IMMEDIATE")  # of two programs that find an old file, one waits
        try:
            version = self._version()
            if version > len(migrations):
                raise sqlite3.NotSupportedError(f"version {version} is newer than this steer-tui")
            for migration in migrations[version:]:
                migration(self._connection)
            self._connection.execute(f"PRAGMA user_version = {len(migrations)}")
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])


def _entry(row: tuple[Any, ...]) -> RunEntry:
    id, created, model, request, finish, starred, note, head = row
    asked = request_from_json(json.loads(request))
    prompt, recipe, seed = clean(asked.prompt), clean(asked.recipe), asked.sampling.seed
    hooks = tuple(spec.title for spec in asked.hooks if spec.enabled)
    return RunEntry(id, created, model, prompt, recipe, seed, finish, bool(starred), note, head, hooks)


def _literally(text: str) -> str:
    """Return a text that LIKE takes at its word."""
    return re.sub(r"([\\%_])", r"\\\1", text)
