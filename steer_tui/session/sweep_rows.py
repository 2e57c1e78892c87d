"""Sweeps in the journal: each finished cell is on disk by itself, so that a kill at any instant costs no finished cell.

Every method raises `sqlite3.Error` where the file cannot be used. Knows nothing of threads or models.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.sweeptypes import Cell
from steer_tui.engine.types import ModelInfo
from steer_tui.session.records import now
from steer_tui.session.sweep_records import SweepEnding, SweepEntry, SweepRecord
from steer_tui.text import clean, one_line

_ENTRY = (
    "id, uid, created, model_ref, concept, request, total, ending, starred, note, best,"
    " (SELECT count(*) FROM sweep_cells WHERE sweep = uid AND kind = 'cell')"
)
_REST = "model, seconds, notes, message"


def sweep_tables(connection: sqlite3.Connection) -> None:
    """Make the tables of sweeps, and let runs be found by their age."""
    connection.execute(
        """CREATE TABLE sweeps (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            uid TEXT NOT NULL UNIQUE,
            created TEXT NOT NULL,
            model_ref TEXT NOT NULL,
            model TEXT NOT NULL,
            concept TEXT NOT NULL,
            prompts TEXT NOT NULL,
            request TEXT NOT NULL,
            total INTEGER NOT NULL,
            ending TEXT,
            best TEXT NOT NULL DEFAULT '',
            seconds REAL NOT NULL DEFAULT 0,
            notes TEXT NOT NULL DEFAULT '[]',
            message TEXT,
            starred INTEGER NOT NULL DEFAULT 0,
            note TEXT NOT NULL DEFAULT ''
        )"""
    )
    connection.execute(
        """CREATE TABLE sweep_cells (
            sweep TEXT NOT NULL,
            key TEXT NOT NULL,
            kind TEXT NOT NULL,
            cell TEXT NOT NULL,
            UNIQUE (sweep, key)
        )"""
    )
    connection.execute("CREATE INDEX sweeps_by_age ON sweeps (created)")
    connection.execute("CREATE INDEX runs_by_age ON runs (created)")


class SweepRows:
    """The sweeps of one journal; a sweep is written by its uid, which its caller makes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # Writing

    def begin(self, uid: str, model: ModelInfo, request: SweepRequest, done: Iterable[Cell] = ()) -> None:
        """Note a sweep that is about to start, with cells that are done already; one that is resumed goes on."""
        joint = "+" if request.mix else ", "
        values = (
            uid,
            now(),
            one_line(model.ref),
            json.dumps(model.to_json()),
            one_line(joint.join(request.concepts)),
            clean("\n".join(request.prompts)),
            json.dumps(request.to_json()),
            len(request.points(model.layers)),
        )
        self._connection.execute(
            "INSERT INTO sweeps (uid, created, model_ref, model, concept, prompts, request, total)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (uid) DO UPDATE SET ending = NULL, message = NULL",
            values,
        )
        self.keep(uid, done)

    def keep(self, uid: str, cells: Iterable[Cell]) -> None:
        """Add finished cells."""
        rows = [(uid, cell.key, cell.kind, json.dumps(cell.to_json())) for cell in cells]
        self._connection.executemany("INSERT OR REPLACE INTO sweep_cells VALUES (?, ?, ?, ?)", rows)

    def finish(self, uid: str, complete: bool, best: str, seconds: float, notes: tuple[str, ...]) -> None:
        """Note how a sweep ended; `seconds` are added to those it took before it was resumed."""
        ending: SweepEnding = "complete" if complete else "stopped"
        self._connection.execute(
            "UPDATE sweeps SET ending = ?, best = ?, seconds = seconds + ?, notes = ? WHERE uid = ?",
            (ending, one_line(best), seconds, json.dumps([clean(note) for note in notes]), uid),
        )

    def fail(self, uid: str, message: str) -> None:
        """Note that a sweep ended by an error."""
        self._connection.execute(
            "UPDATE sweeps SET ending = 'failed', message = ? WHERE uid = ?", (clean(message), uid)
        )

    def star(self, id: int, is_starred: bool = True) -> None:
        """Mark a sweep, or take the mark away."""
        self._connection.execute("UPDATE sweeps SET starred = ? WHERE id = ?", (is_starred, id))

    def annotate(self, id: int, note: str) -> None:
        """Write a note to a sweep, in place of the one it had."""
        self._connection.execute("UPDATE sweeps SET note = ? WHERE id = ?", (clean(note), id))

    # Reading

    def entries(self, ids: Iterable[int]) -> dict[int, SweepEntry]:
        """Return sweeps by id, those of them that there are."""
        wanted = [int(id) for id in ids]
        marks = ", ".join("?" * len(wanted))
        rows = self._connection.execute(f"SELECT {_ENTRY} FROM sweeps WHERE id IN ({marks})", wanted)
        return {entry.id: entry for entry in map(_entry, rows)}

    def get(self, id: int) -> SweepRecord | None:
        """Return all that is kept of a sweep, None where there is no such sweep."""
        row = self._connection.execute(f"SELECT {_ENTRY}, {_REST} FROM sweeps WHERE id = ?", (id,)).fetchone()
        if row is None:
            return None
        entry = _entry(row[:12])
        model, seconds, notes, message = row[12:]
        cells = self._connection.execute("SELECT cell FROM sweep_cells WHERE sweep = ? ORDER BY rowid", (entry.uid,))
        return SweepRecord(
            entry=entry,
            model=json.loads(model),
            request=_request(row[5]),
            cells=tuple(Cell.from_json(json.loads(text)) for (text,) in cells),
            seconds=seconds,
            notes=tuple(json.loads(notes)),
            message=message,
        )

    def newest(self) -> SweepRecord | None:
        """Return the sweep that was begun last, None where there is none."""
        row = self._connection.execute("SELECT id FROM sweeps ORDER BY id DESC LIMIT 1").fetchone()
        return self.get(row[0]) if row is not None else None


def _request(text: str) -> SweepRequest:
    """Return a request of any age: what older programs did not write is as it was for them."""
    return SweepRequest.from_json({**SweepRequest((), ()).to_json(), **json.loads(text)})


def _entry(row: tuple[Any, ...]) -> SweepEntry:
    id, uid, created, model, concept, request, total, ending, starred, note, best, done = row
    asked = _request(request)
    prompt, seed, total = clean(asked.prompts[0]), asked.seeds[0], max(total, done)
    return SweepEntry(id, uid, created, model, prompt, concept, seed, done, total, ending, bool(starred), note, best)
