"""How long a key takes to reach the screen while a 134M model streams, and what a streamed token costs the screen.

    python tests/bench/key_latency.py [--tokens 4000] [--keys 100]
    python tests/bench/key_latency.py --sweep [--keys 100]      # while the demo model is swept, 35 cells at a time

Opens the real workbench on a pseudo-terminal, with the random Llama of `steer-tui bench` for a model. Types a character
nobody typed before into the prompt and waits for it on the screen. Targets: 50 ms at p95 while text streams, and a
token at the end of a long text that costs the screen's thread no more than one at the beginning.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import select
import statistics
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

FIRST_CHARACTER = 0x4E00
TICKS = os.sysconf("SC_CLK_TCK")


def serve(home: str, sweep: bool) -> None:
    """Be the program under test; `sweep` takes the demo model."""
    from steer_tui.config import load_config
    from steer_tui.paths import find_paths
    from steer_tui.session.runner import Engine
    from steer_tui.session.tools import Tools, engine_tools
    from steer_tui.tui.app import SteerApp
    from steer_tui.tui.terminal import claimed

    def tools() -> Tools:
        from steer_tui.engine.bench import random_vector
        from steer_tui.engine.random_llama import random_llama

        def extract(lm: Any, concepts: Any, **_: Any) -> dict[str, Any]:
            return {concept.name: random_vector(lm, concept.name) for concept in concepts}

        return replace(engine_tools(), load=lambda ref, **_: random_llama(), extract=extract)

    paths = find_paths(Path(home))
    with claimed(paths.log):
        app = SteerApp(Engine(paths, None if sweep else tools), paths, load_config(paths))
        app.run()
    os._exit(0)


class Terminal:
    """The program under test on a pseudo-terminal; all it draws is read at once, by a thread of its own."""

    def __init__(self, home: str, sweep: bool = False) -> None:
        self.process, self._descriptor = pty.fork()
        if self.process == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.execv(sys.executable, [sys.executable, __file__, "--serve", home, *(["--sweep"] if sweep else [])])
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        self._seen = b""
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            select.select([self._descriptor], [], [])
            try:
                data = os.read(self._descriptor, 1 << 20)
            except OSError:
                return
            with self._news:
                self._seen += data
                self._news.notify_all()

    def press(self, keys: str, *, forget: bool = True) -> None:
        """Send keys and forget what was drawn until now, unless that is still looked at."""
        if forget:
            with self._news:
                self._seen = b""
        os.write(self._descriptor, keys.encode())

    def wait(self, words: str, timeout: float = 90.0) -> float:
        """Return the moment at which the words are drawn."""
        until = time.perf_counter() + timeout
        with self._news:
            while words.encode() not in self._seen:
                if not self._news.wait(until - time.perf_counter()):
                    raise SystemExit(f"{words!r} was never drawn")
        return time.perf_counter()

    def start_watching(self, words: str) -> Callable[[], bool]:
        """Return a function that says whether the words have been drawn since now."""
        start = len(self._seen)
        return lambda: words.encode() in self._seen[start:]

    def cpu_seconds(self) -> float:
        """Return what the screen's thread, the process's first, has computed so far."""
        fields = Path(f"/proc/{self.process}/task/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def type_keys(terminal: Terminal, count: int) -> list[float]:
    """Return the seconds from each key to its character on the screen."""
    dice, taken = random.Random(0), []
    for number in range(count):
        character = chr(FIRST_CHARACTER + number)
        time.sleep(dice.uniform(0.05, 0.25))
        pressed = time.perf_counter()
        terminal.press(character)
        taken.append(terminal.wait(character, 10) - pressed)
        terminal.press("\x7f")
    return taken


def type_into_setup(terminal: Terminal, first: int, count: int, ended: Callable[[], bool]) -> list[float]:
    """Return the seconds from each key, typed into a field of Sweep, to its character; those after the end left out."""
    dice, taken = random.Random(first), []
    terminal.press("i", forget=False)
    time.sleep(0.3)
    for number in range(first, first + count):
        character = chr(FIRST_CHARACTER + number)
        time.sleep(dice.uniform(0.03, 0.12))
        pressed = time.perf_counter()
        terminal.press(character, forget=False)
        moment = terminal.wait(character, 10) - pressed
        if ended():
            break
        taken.append(moment)
    terminal.press("\x1b", forget=False)
    time.sleep(0.3)  # or it would be taken for the beginning of alt and the next key
    return taken


def type_while_sweeping(terminal: Terminal, count: int) -> tuple[list[float], int]:
    """Return the seconds from each key to its character while sweeps run, and how many sweeps it took."""
    taken: list[float] = []
    sweeps = 0
    while len(taken) < count:
        terminal.press("R")
        terminal.wait("sweeping")
        sweeps += 1
        taken += type_into_setup(terminal, 2000 + 100 * sweeps, count - len(taken), terminal.start_watching("idle"))
        terminal.wait("idle")
        time.sleep(0.5)
    return taken, sweeps


def watch(terminal: Terminal, tokens: int) -> tuple[float, float]:
    """Return the share of a core that the screen takes in the first and in the last tenth of a long text."""
    terminal.press("r")
    terminal.wait("generating")
    marks = [(time.perf_counter(), terminal.cpu_seconds())]
    streaming = True
    while streaming:
        try:
            terminal.wait("idle", 2.0)
            streaming = False
        except SystemExit:
            marks.append((time.perf_counter(), terminal.cpu_seconds()))
    tenth = max(1, len(marks) // 10)

    def share(part: list[tuple[float, float]]) -> float:
        return (part[-1][1] - part[0][1]) / (part[-1][0] - part[0][0])

    print(f"{tokens} tokens in {marks[-1][0] - marks[0][0]:.0f} s")
    return share(marks[: tenth + 1]), share(marks[-tenth - 1 :])


def _said(taken: list[float]) -> str:
    ordered = sorted(taken)
    p95 = ordered[int(0.95 * len(ordered))]
    middle = statistics.median(ordered)
    return (
        f"median {middle * 1e3:.0f} ms, p95 {p95 * 1e3:.0f} ms, longest {ordered[-1] * 1e3:.0f} ms, {len(taken)} keys"
    )


def measure_sweeps(keys: int) -> None:
    """Print how long keys take while the demo model is swept."""
    with tempfile.TemporaryDirectory() as home:
        terminal = Terminal(home, sweep=True)
        terminal.wait("idle")
        time.sleep(2)
        terminal.press("2")
        terminal.wait("35 cells")
        print(f"key to screen, nothing running: {_said(type_into_setup(terminal, 0, keys, lambda: False))}")
        taken, sweeps = type_while_sweeping(terminal, keys)
        print(f"while sweeping, {sweeps} sweep{'s' if sweeps > 1 else ''} of 35 cells: {_said(taken)}")
        terminal.press("\x11")
        os.waitpid(terminal.process, 0)


def main() -> None:
    """Print both measurements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--serve")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.sweep)
    if arguments.sweep:
        return measure_sweeps(arguments.keys)
    with tempfile.TemporaryDirectory() as home:
        settings = Path(home) / "config" / "config.toml"
        settings.parent.mkdir()
        settings.write_text(f"max_tokens = {arguments.tokens}\n")
        terminal = Terminal(home)
        terminal.wait("vectors made")
        time.sleep(1)
        terminal.press("r")
        terminal.wait("generating")
        time.sleep(2)
        terminal.press("i")
        time.sleep(1)
        taken = sorted(type_keys(terminal, arguments.keys))
        p95 = taken[int(0.95 * len(taken))]
        print(f"key to screen while streaming: median {statistics.median(taken) * 1e3:.0f} ms, p95 {p95 * 1e3:.0f} ms")
        terminal.press("\x1b")
        time.sleep(0.5)
        terminal.press("\x1b")
        terminal.wait("idle")
        first, last = watch(terminal, arguments.tokens)
        print(f"the screen's thread: {first:.0%} of a core at the start of the text, {last:.0%} at its end")
        terminal.press("\x11")
        os.waitpid(terminal.process, 0)


if __name__ == "__main__":
    main()
