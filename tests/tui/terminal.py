"""The real program in a real pseudo terminal: what it writes, how it ends, how it leaves the terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stopwatch import Stopwatch

ROOT = Path(__file__).resolve().parents[2]
SEQUENCES = re.compile(rb"\x1b\[[0-9;?<>=]*[A-Za-z$]|\x1b\][^\x07]*\x07|\x1b.")


class Terminal:
    """A program that believes it has a terminal."""

    def __init__(self, arguments: list[str], home: Path, size: tuple[int, int], **environ: str) -> None:
        self.seen = b""
        """Everything it wrote."""
        self.started = time.monotonic()
        variables = {**os.environ, "TERM": "xterm-256color", "STEER_TUI_HOME": str(home), **environ}
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execve(sys.executable, [sys.executable, *arguments], variables)
        self.resize(*size)
        self.attributes = termios.tcgetattr(self._descriptor)

    def resize(self, width: int, height: int) -> None:
        """Give the terminal another size; the kernel tells the program."""
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def send(self, keys: str | bytes) -> None:
        """Press keys."""
        os.write(self._descriptor, keys if isinstance(keys, bytes) else keys.encode())

    def read(self, seconds: float) -> bool:
        """Take in what it writes for so long; False when it has closed the terminal."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._descriptor], [], [], left)
            if not ready:
                return True
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.seen += data
        return True

    @property
    def text(self) -> str:
        """What it wrote, without control sequences."""
        return SEQUENCES.sub(b"", self.seen).decode("utf-8", "replace")

    def wait_for(self, words: str, seconds: float = 200.0) -> float:
        """Wait until the words have been written since the start; return seconds since the program was started."""
        deadline = time.monotonic() + seconds
        while words not in self.text:
            if not self.read(0.05) or time.monotonic() > deadline:
                raise AssertionError(f"{words!r} never came, but {self.text[-2000:]!r}")
        return time.monotonic() - self.started

    def forget(self) -> None:
        """Let `text` begin anew."""
        self.seen = b""

    def wait_for_end(self, seconds: float = 60.0) -> tuple[int, float]:
        """Wait for the program to end; return its exit status (negative: the signal) and how long it took.

        What a busy machine adds does not count.
        """
        start = time.monotonic()
        watch = Stopwatch(self.pid)
        while time.monotonic() - start < seconds:
            self.read(0.01)
            watch.look()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                taken = watch.look()
                while self.read(0.01) and select.select([self._descriptor], [], [], 0)[0]:
                    pass
                return os.waitstatus_to_exitcode(status), taken
        raise AssertionError(f"still running after {seconds} s")

    def kill(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def wait_for_stop(self, seconds: float = 60.0) -> None:
        """Wait until the program has been stopped by a signal."""
        deadline = time.monotonic() + seconds
        while True:
            self.read(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid:
                assert os.WIFSTOPPED(status), f"ended: {os.waitstatus_to_exitcode(status)}"
                return
            assert time.monotonic() < deadline, f"not stopped within {seconds} s"

    def hang_up(self) -> None:
        """Close the terminal, as a dropped connection does."""
        os.close(self._descriptor)
        self._descriptor = -1

    def close(self) -> None:
        """End what is left."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        if self._descriptor >= 0:
            os.close(self._descriptor)


@contextmanager
def terminal(arguments: list[str], home: Path, size: tuple[int, int] = (120, 36), **environ: str) -> Iterator[Terminal]:
    """Run the program; whatever happens, it is gone afterwards."""
    running = Terminal(arguments, home, size, **environ)
    try:
        yield running
    finally:
        running.close()
