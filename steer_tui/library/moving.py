"""Moving files between folders so that a kill at any instant leaves each of them in one place or the other.

Knows nothing of what the files are; that nothing lies at the new place is made sure of by the caller, who holds a lock.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from steer_tui.files import flush_folder, write_atomic


def move(source: Path, target: Path) -> None:
    """Move a file and flush both folders to disk; missing folders are made.

    Raises:
        OSError: It cannot be moved; it is where it was.
        LibraryError: It had to be copied to another disk, and could not.
    """
    make_folder(target.parent)
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        write_atomic(target, source.read_bytes())  # another disk: the copy is whole before the old one goes
        os.unlink(source)
    flush_folder(target.parent)
    flush_folder(source.parent)


def make_folder(folder: Path) -> None:
    """Make a folder, and flush the folder above it so that it stays made."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    flush_folder(folder.parent)


def is_taken(path: Path) -> bool:
    """Say whether anything lies at a path, a link to nowhere included."""
    return os.path.lexists(path)
