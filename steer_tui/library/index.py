"""What was read of many vector files, kept so that a list of thousands need not open each of them again.

Promises that a file which has changed is read again, whoever changed it, and that a broken or locked index costs time
only. A file is known by device, inode, size and both its times; one that was changed within the last moments is not
entered, since a second change could bear the same times.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from steer_tui.engine import vectormeta
from steer_tui.library import entries, glance, header
from steer_tui.library.entries import VectorEntry, read_entry
from steer_tui.library.glance import Glance

INDEXED_FROM = 200
"""Files in one folder; fewer are read sooner than the index is."""
SETTLED_NS = 2_000_000_000
_WAIT_SECONDS = 0.2
_TABLE = """CREATE TABLE IF NOT EXISTS files
(rules TEXT, folder BLOB, name BLOB, mark TEXT, row TEXT, PRIMARY KEY (folder, name)) WITHOUT ROWID"""


class EntryIndex:
    """Reads the vector files of a folder, those that are known from a file of its own."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self, paths: Sequence[Path]) -> Iterator[VectorEntry]:
        """Yield what the files at `paths`, all of one folder, say of themselves, in their order."""
        if len(paths) < INDEXED_FROM:
            for path in paths:
                yield read_entry(path, is_bundled=False)
            return
        folder = os.fsencode(paths[0].parent)
        known = self._load(folder)
        fresh: list[tuple[bytes, str, str]] = []
        now = time.time_ns()
        for path in paths:
            name = os.fsencode(path.name)
            mark, changed = _mark(path)
            entry = _from_row(path, mark, known.get((name, mark))) if mark else None
            if entry is None:
                entry = _small(read_entry(path, is_bundled=False), mark)
                if mark and changed + SETTLED_NS < now:
                    fresh.append((name, mark, _to_row(entry)))
            yield entry
        stale = {name for name, _ in known} - {os.fsencode(path.name) for path in paths}
        if fresh or stale:
            self._save(folder, fresh, stale)

    def _load(self, folder: bytes) -> dict[tuple[bytes, str], str]:
        """Return (file's name, mark) -> row for what is known of a folder."""
        if not self._file.is_file():
            return {}
        query = "SELECT name, mark, row FROM files WHERE folder = ? AND rules = ?"
        try:
            with closing(sqlite3.connect(self._file, timeout=_WAIT_SECONDS)) as database:
                return {(name, mark): row for name, mark, row in database.execute(query, (folder, _rules()))}
        except sqlite3.OperationalError:  # another program writes, or there is no such table
            return {}
        except (sqlite3.Error, OSError):
            self._forget()
            return {}

    def _save(self, folder: bytes, fresh: Sequence[tuple[bytes, str, str]], stale: set[bytes]) -> None:
        rows = [(_rules(), folder, name, mark, row) for name, mark, row in fresh]
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._file, timeout=_WAIT_SECONDS)) as database, database:
                database.execute(_TABLE)
                database.executemany("DELETE FROM files WHERE folder = ? AND name = ?", [(folder, n) for n in stale])
                database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)
        except sqlite3.OperationalError:
            return
        except (sqlite3.Error, OSError):
            self._forget()

    def _forget(self) -> None:
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


def _mark(path: Path) -> tuple[str, int]:
    """Return what a file is known again by, and when it last changed, in ns; an empty mark where it cannot be told."""
    try:
        found = os.stat(path)
    except OSError:
        return "", 0
    mark = f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    return mark, max(found.st_mtime_ns, found.st_ctime_ns)


def _rules() -> str:
    """Return what changes when the rules by which files are read do: the state of the modules that hold them."""
    modules = (entries, glance, header, vectormeta)
    return " ".join(_mark(Path(str(module.__file__)))[0] for module in modules)


def _small(entry: VectorEntry, mark: str) -> VectorEntry:
    """Return an entry as the index would have it: figures for each layer of thousands of vectors fill the memory."""
    known = Glance.of(entry.known) if isinstance(entry.known, vectormeta.VectorMeta) else None
    return replace(entry, known=known, mark=mark)


def _to_row(entry: VectorEntry) -> str:
    known = entry.known.to_row() if isinstance(entry.known, Glance) else None
    return json.dumps([entry.name, entry.problem, entry.layers, entry.size_bytes, known])


def _from_row(path: Path, mark: str, text: str | None) -> VectorEntry | None:
    """Return an entry as the index has it, None where it has none that makes sense."""
    if text is None:
        return None
    try:
        name, problem, layers, size, row = json.loads(text)
        known = None if row is None else Glance.from_row(row)
        return VectorEntry(path, name, False, known, tuple(layers), size, problem, mark)
    except (ValueError, TypeError):
        return None
