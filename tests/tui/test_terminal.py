"""The real program in a pseudo terminal: first frame, every way out, and a terminal left as it was."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from steer_tui.tui.terminal import RESTORE, Forgiving, claimed, restore_terminal
from tests.tui.terminal import Terminal, terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")

PROGRAM = ["-m", "steer_tui"]
PLAY = ["-m", "tests.tui.play"]
SECOND = 1.0
SLACK = 1.0
"""What a machine under load may add."""


def assert_restored(running: Terminal) -> None:
    """The alternate screen, the mouse and the hidden cursor are gone."""
    seen = running.seen
    assert seen.rfind(b"\x1b[?1049l") > seen.rfind(b"\x1b[?1049h") >= 0
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")
    assert seen.rfind(b"\x1b[?1003l") > seen.rfind(b"\x1b[?1003h")
    assert seen.rfind(b"\x1b[?2004l") > seen.rfind(b"\x1b[?2004h")
    assert b"Traceback" not in seen


def saved_prompt(home: Path) -> str:
    return str(json.loads((home / "state" / "session.json").read_text())["prompt"])


def test_the_first_frame_comes_before_torch_and_ctrl_q_ends_at_once(home: Path) -> None:
    with terminal(PROGRAM, home) as running:
        running.wait_for("Concepts")
        running.send("\x11")
        status, seconds = running.wait_for_end()
        assert status == 0 and seconds < SECOND + SLACK
        assert_restored(running)
    assert saved_prompt(home) == "The meeting went"


def test_colon_q_ends_too(home: Path) -> None:
    with terminal(PLAY, home) as running:
        running.wait_for("press r to run")
        running.send(":q\r")
        status, _ = running.wait_for_end()
        assert status == 0
        assert_restored(running)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_save_and_leave_in_order(home: Path, number: int) -> None:
    with terminal(PROGRAM, home) as running:
        running.wait_for("Concepts")
        running.send("i, we think")
        running.wait_for("we think")
        running.kill(number)
        status, seconds = running.wait_for_end()
        assert status == 0 and seconds < SECOND + SLACK
        assert_restored(running)
    assert saved_prompt(home) == "The meeting went, we think"


def test_a_dropped_connection_ends_the_program_and_saves(home: Path) -> None:
    with terminal(PROGRAM, home) as running:
        running.wait_for("Concepts")
        running.send("i, alas")
        running.wait_for("alas")
        running.hang_up()
        running._descriptor = os.open(os.devnull, os.O_RDWR)
        status, seconds = running.wait_for_end()
        assert status == 0 and seconds < 2 * SECOND + SLACK
    assert saved_prompt(home) == "The meeting went, alas"


def test_ctrl_q_while_text_streams_ends_at_once(home: Path, real_models: Path) -> None:
    home.joinpath("config").mkdir(parents=True)
    home.joinpath("config", "config.toml").write_text("max_tokens = 100000\n")
    with terminal([*PROGRAM, "--model", str(real_models / "stories260k")], home) as running:
        running.wait_for("idle")
        running.send("r")
        running.wait_for("generating")
        running.wait_for("tok/s")
        running.send("\x11")
        status, seconds = running.wait_for_end()
        assert status == 0 and seconds < SECOND + SLACK
        assert_restored(running)


def test_a_fault_of_our_own_is_said_and_nothing_is_lost(home: Path) -> None:
    with terminal(["-m", "tests.tui.faulty"], home) as running:
        running.wait_for("Concepts")
        running.send("i, so")
        running.wait_for("went, so")
        running.forget()
        running.send("\x1b")
        running.wait_for("space on/off")
        running.send("y")
        status, _ = running.wait_for_end()
        assert status == 1
        assert running.seen.rfind(b"\x1b[?1049l") > running.seen.rfind(b"\x1b[?1049h")
        shown = running.seen[running.seen.rfind(b"\x1b[?1049l") :]
        assert b"error: the workbench ended by a fault of its own: RuntimeError: a fault [2J made" in shown
        assert b"Traceback" not in running.seen
    assert "made for a test" in (home / "state" / "steer-tui.log").read_text()
    assert saved_prompt(home) == "The meeting went, so"


def test_bytes_that_are_not_utf8_do_not_end_it(home: Path) -> None:
    with terminal(PROGRAM, home) as running:
        running.wait_for("Concepts")
        running.send(b"\xff\xfe\x80i\xc3")
        running.send("quaint")
        running.wait_for("quaint")
        running.send("\x11")
        assert running.wait_for_end()[0] == 0


def test_stopping_and_continuing_draws_the_screen_again(home: Path) -> None:
    with terminal(PROGRAM, home) as running:
        running.wait_for("Concepts")
        running.kill(signal.SIGTSTP)
        running.wait_for_stop()
        running.forget()
        running.kill(signal.SIGCONT)
        running.wait_for("Concepts")
        running.send("\x11")
        assert running.wait_for_end()[0] == 0
        assert_restored(running)


def test_resizes_are_followed(home: Path) -> None:
    with terminal(PROGRAM, home) as running:
        running.wait_for("Concepts")
        for width, height in ((200, 50), (80, 24), (61, 17), (150, 40), (50, 10)):
            running.resize(width, height)
            running.read(0.05)
        running.wait_for("too small")
        running.send("\x11")
        assert running.wait_for_end()[0] == 0


def test_what_libraries_write_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "state" / "log"
    reader, writer = os.pipe()
    kept = os.dup(2)
    os.dup2(writer, 2)
    try:
        with claimed(log):
            os.write(1, b"to one\n")
            os.write(2, b"to two\n")
            assert sys.__stderr__ is not None
            sys.__stderr__.write("to the screen")
            sys.__stderr__.flush()
    finally:
        os.dup2(kept, 2)
    assert log.read_text() == "to one\nto two\n"
    assert os.read(reader, 100) == b"to the screen"


def test_a_vanished_terminal_swallows_what_is_written() -> None:
    reader, writer = os.pipe()
    stream = Forgiving(writer)
    os.close(reader)
    stream.write("x" * 100_000)
    stream.flush()


def test_restoring_by_hand_writes_every_sequence(capfd: pytest.CaptureFixture[str]) -> None:
    restore_terminal(None)
    for mode in ("1049l", "25h", "1003l", "2004l"):
        assert f"\x1b[?{mode}" in RESTORE
