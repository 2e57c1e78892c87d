"""Removed vectors: moved below `trash`, under their model's folder, with the time in the file's name.

Promises that nothing here is deleted or written over; reads headers only. The write lock is the caller's care.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace
from pathlib import Path

from steer_tui.library.entries import SUFFIX, VectorEntry, folders, read_entry, vector_files
from steer_tui.library.names import is_name, slug

_STAMP = "%Y%m%dT%H%M%S%fZ"
_FILE_NAME = re.compile(rf"(?P<name>.+)\.(?P<stamp>\d{{8}}T\d{{12}}Z){re.escape(SUFFIX)}", re.DOTALL)
_NEVER = datetime.datetime.fromtimestamp(0, datetime.UTC)


@dataclass(frozen=True, slots=True)
class Removed:
    """A vector in the trash."""

    path: Path
    name: str
    """What it was called, or a name made from that where it could not be a vector's name."""
    removed: datetime.datetime
    """UTC; 1970 where the file's name does not tell."""
    folder: str
    """Its model's folder in the library."""
    entry: VectorEntry
    """What the file says of itself, under its name in the trash's list."""

    def to_json(self) -> dict[str, object]:
        """Return one entry of `vectors trash --json`."""
        return self.entry.to_json() | {"name": self.name, "removed": self.removed.isoformat(timespec="seconds")}


def place_for(trash: Path, entry: VectorEntry) -> Path:
    """Return where to move a file of the library; nothing is there yet."""
    name = entry.path.name.removesuffix(SUFFIX)
    plain = name if is_name(name) else slug(name)
    now = datetime.datetime.now(datetime.UTC)
    while True:
        path = trash / entry.path.parent.name / f"{plain}.{now.strftime(_STAMP)}{SUFFIX}"
        if not path.is_symlink() and not path.exists():
            return path
        now += datetime.timedelta(microseconds=1)


def read_removed(path: Path) -> Removed:
    """Return what a file in the trash says of itself."""
    match = _FILE_NAME.fullmatch(path.name)
    entry = read_entry(path, is_bundled=False)
    name, when = (match["name"], _time(match["stamp"])) if match else (entry.name, _NEVER)
    meta = None if entry.meta is None else replace(entry.meta, name=name)
    entry = replace(entry, name=name if is_name(name) else entry.name, known=meta)
    return Removed(path, entry.name, when, path.parent.name, entry)


def find_removed(trash: Path) -> list[Removed]:
    """Return what is in the trash, newest first; files put there by others are listed too."""
    found = [read_removed(path) for folder in folders(trash) for path in vector_files(folder)]
    return sorted(found, key=lambda removed: (removed.removed, removed.path.name), reverse=True)


def _time(stamp: str) -> datetime.datetime:
    try:
        return datetime.datetime.strptime(stamp, _STAMP).replace(tzinfo=datetime.UTC)
    except ValueError:
        return _NEVER
