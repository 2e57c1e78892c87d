"""Seconds from process start to the first frame of the workbench, and to a model that is ready.

    python tests/bench/first_paint.py [--times 7] [--model REF]

Opens the real program on a pseudo-terminal of 100x30 with a home of its own, waits for the words on the screen, leaves
with ctrl+q and times that too. The target is 0.5 s to the first frame on a quiet machine and one second to leave.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import statistics
import struct
import sys
import tempfile
import termios
import time

FIRST, READY = b"Concepts", b"idle"
QUIT = b"\x11"
TIMEOUT = 60.0


def once(home: str, model: str) -> tuple[float, float, float, int]:
    """Return seconds to the first frame, to the model and from ctrl+q to the end, and the exit status."""
    began = time.perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(STEER_TUI_HOME=home, TERM="xterm-256color", COLORTERM="truecolor", HF_HUB_OFFLINE="1")
        os.execv(sys.executable, [sys.executable, "-m", "steer_tui", "--model", model])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    seen = b""
    moments: list[float] = []
    for words in (FIRST, READY):
        while words not in seen:
            seen += _read(terminal, began)
        moments.append(time.perf_counter() - began)
        seen = b""
    asked = time.perf_counter()
    os.write(terminal, QUIT)
    status = _wait(process, terminal)
    os.close(terminal)
    return moments[0], moments[1], time.perf_counter() - asked, status


def _read(terminal: int, began: float) -> bytes:
    ready, _, _ = select.select([terminal], [], [], max(0.0, began + TIMEOUT - time.perf_counter()))
    if not ready:
        raise SystemExit("the words never came")
    return os.read(terminal, 65536)


def _wait(process: int, terminal: int) -> int:
    """Drain the terminal until the process has ended; return its exit status."""
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if select.select([terminal], [], [], 0.01)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:  # the other side is closed
                time.sleep(0.005)


def main() -> None:
    """Print a line per run and the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--model", default="demo")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        runs = [once(home, arguments.model) for _ in range(arguments.times)]
    for first, ready, left, status in runs:
        print(f"first frame {first:.2f} s, model {ready:.2f} s, left in {left:.2f} s with status {status}")
    medians = [statistics.median(values) for values in list(zip(*runs, strict=True))[:3]]
    print("median: first frame {:.2f} s, model {:.2f} s, left in {:.2f} s".format(*medians))


if __name__ == "__main__":
    main()
