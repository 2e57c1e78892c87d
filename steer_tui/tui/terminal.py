"""The terminal, kept whole: nothing but the screen writes to it, odd bytes do not end it, leaving restores it.

Knows nothing of panes. Textual draws on `sys.__stderr__`, while CUDA, tokenizers and progress bars write to the
descriptors 1 and 2 directly; so the screen gets descriptors of its own and 1 and 2 become the log.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from steer_tui.tui.pastes import PasteFilter

_OFF = (1000, 1003, 1006, 1015, 1016, 2004, 2048, 1004)
RESTORE = "".join(f"\x1b[?{mode}l" for mode in _OFF) + "\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m"
"""Mouse, paste, focus and kitty reports off, wrapping on, the normal screen, a visible cursor."""
GRACE = 0.85
"""Seconds a signal leaves for an orderly end before the process is ended anyway."""
LOG_LIMIT = 2_000_000
"""Bytes after which the log starts anew."""


class Forgiving:
    """A text stream that drops what a vanished terminal no longer takes."""

    def __init__(self, descriptor: int) -> None:
        self._file: IO[str] = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", closefd=False)

    def write(self, text: str) -> int:
        """Write, or do nothing where nobody reads any more."""
        with contextlib.suppress(OSError, ValueError):
            return self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing."""
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def claimed(log: Path) -> Iterator[None]:
    """Keep the terminal to the screen while the context lasts; descriptors 1 and 2 write to `log`.

    Whoever else reads from standard input, such as `input()` in a hook of the user's, finds it at its end: the screen
    reads keys from `sys.__stdin__`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    before = sys.__stdout__, sys.__stderr__, sys.stdout, sys.stderr, sys.stdin
    screen_out, screen_err = (Forgiving(os.dup(descriptor)) for descriptor in kept)
    target = _open_log(log)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    sys.__stdout__, sys.__stderr__ = screen_out, screen_err  # type: ignore[misc, assignment]
    try:
        with open(os.devnull) as nothing:
            sys.stdin = nothing
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        screen_err.flush()
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        sys.__stdout__, sys.__stderr__, sys.stdout, sys.stderr, sys.stdin = before  # type: ignore[misc]


def _open_log(log: Path) -> int:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".old"))
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:  # a full or read-only disk must not keep the workbench from opening
        return os.open(os.devnull, os.O_WRONLY)


def survive_odd_bytes() -> None:
    """Let bytes that are not UTF-8, as a tmux reattach or an old mouse report sends, not end the input thread.

    And let no part of a paste be taken for keys.
    """
    from textual.drivers import linux_driver

    def decoder(encoding: str) -> Callable[[], PasteFilter]:
        made = codecs.getincrementaldecoder(encoding)
        return lambda: PasteFilter(made(errors="replace").decode)

    vars(linux_driver)["getincrementaldecoder"] = decoder


class Departure:
    """Ends the program on SIGTERM and SIGHUP: in order if it can, within a second in any case."""

    def __init__(self, leave: Callable[[], None], save: Callable[[], None]) -> None:
        self._leave = leave
        """Asks the screen to end; called on the main thread."""
        self._save = save
        """Writes what must survive; called from any thread."""
        self._attributes = _terminal_attributes()
        self._asked = False

    def install(self) -> None:
        """Listen to the two signals; the main thread only."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: object) -> None:
        if self._asked:
            return
        self._asked = True
        # The main loop may hang in a write to a stalled terminal: then this thread is what ends the process.
        threading.Thread(target=self._end_anyway, daemon=True, name="departure").start()
        self._leave()

    def _end_anyway(self) -> None:
        time.sleep(GRACE)
        with contextlib.suppress(Exception):
            self._save()
        restore_terminal(self._attributes)
        os._exit(0)


def _terminal_attributes() -> list[Any] | None:
    import termios

    try:
        return termios.tcgetattr(0)
    except (termios.error, OSError):
        return None


def restore_terminal(attributes: list[Any] | None) -> None:
    """Put the terminal back by hand, where Textual no longer can; never waits for a stalled one."""
    import termios

    with contextlib.suppress(OSError, ValueError, AttributeError):
        descriptor = sys.__stderr__.fileno()  # type: ignore[union-attr]
        os.set_blocking(descriptor, False)
        os.write(descriptor, RESTORE.encode())
        os.set_blocking(descriptor, True)
    if attributes is not None:
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(0, termios.TCSANOW, attributes)
