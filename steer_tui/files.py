"""Paths as people write them, and small files written so that a kill at any instant leaves the old or the new, whole.

Knows nothing of what is in the file; who else may write it at the same time is the caller's care.
"""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from steer_tui.errors import LibraryError
from steer_tui.text import one_line

TEMPORARY_SUFFIX = ".steer-tmp"


def expanded(text: str | Path) -> Path:
    """Return a path as a person writes it, `~` written out; `~name` of nobody known here stays as it is."""
    return Path(os.path.expanduser(text))


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, flush it to disk, rename it onto `path`, flush the folder.

    Missing folders are made; where `path` is a symbolic link, what it points to is replaced.

    Raises:
        LibraryError: The disk is full, the folder is not writable, or the like; the old file is as it was.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_flushed(temporary, data)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(target.parent)
    except OSError as error:
        raise write_error(path, error) from error


def write_flushed(path: Path, data: bytes) -> None:
    """Write a new file and flush it to disk.

    Raises:
        OSError: It cannot be written whole; a part of it may lie there.
    """
    # 0o666 less the umask, as any program's files: tempfile would make them private and unshareable.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, where the system has such a thing."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written and not listed; and every folder on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems refuse to flush folders; the rename itself was done
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def write_error(path: Path, error: OSError) -> LibraryError:
    """Return what a failed write means to a person."""
    reason = one_line(error.strerror or str(error))
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            advice = "free some space"
        case errno.EFBIG:
            advice = "raise the limit on the size of files (ulimit -f)"
        case errno.EROFS:
            advice = "mount the disk for writing"
        case _:
            advice = "check the folder's owner and permissions"
    hint = f"{advice}, or keep the data elsewhere with --data-dir"
    return LibraryError(f"cannot write {one_line(str(path))}: {reason}", hint=hint)
