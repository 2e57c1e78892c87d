"""Copying takes the way there is and says which."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from steer_tui.paths import Paths
from steer_tui.tui.clipboard import OSC_52_LIMIT, copy
from tests.tui.desk import workbench


def fake_tmux(folder: Path, status: int) -> Path:
    """Put a tmux into a folder that writes what it is given to `loaded`."""
    program = folder / "tmux"
    program.write_text(f'#!/bin/sh\necho "$@" > {folder}/arguments\ncat > {folder}/loaded\nexit {status}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_inside_tmux_its_buffer_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tmux(tmp_path, 0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    said = copy("[/] é\n", "text", tmp_path, lambda sequence: None, {"TMUX": "x"})
    assert said == "text copied to the tmux buffer and the clipboard"
    assert (tmp_path / "loaded").read_text() == "[/] é\n"
    assert (tmp_path / "arguments").read_text() == "load-buffer -w -\n"


def test_a_tmux_that_fails_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tmux(tmp_path, 1)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    sent: list[str] = []
    said = copy("x", "recipe", tmp_path, sent.append, {"TMUX": "x", "TERM": "xterm"})
    assert said == "recipe copied to the terminal's clipboard" and sent


def test_outside_the_terminal_is_asked() -> None:
    sent: list[str] = []
    copy("happy:2", "recipe", Path("unused"), sent.append, {"TERM": "xterm-256color"})
    assert sent == [f"\x1b]52;c;{base64.b64encode(b'happy:2').decode()}\a"]


@pytest.mark.parametrize(("text", "term"), [("x" * OSC_52_LIMIT, "xterm"), ("x", "linux"), ("x", "dumb")])
def test_too_much_or_no_clipboard_goes_to_a_file(tmp_path: Path, text: str, term: str) -> None:
    sent: list[str] = []
    said = copy(text, "text", tmp_path / "state", sent.append, {"TERM": term})
    (written,) = (tmp_path / "state").iterdir()
    assert str(written) in said and written.read_text() == text and not sent


def test_no_way_at_all_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "could not be copied" in copy("x", "text", blocked, lambda sequence: None, {"TERM": "dumb"})


async def test_y_copies_what_the_pane_holds(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("TMUX", raising=False)
    async with workbench(paths) as bench:
        await bench.press("y")
        assert "recipe written to" in bench.toasts
        (written,) = paths.state.glob("copied-*.txt")
        assert written.read_text() == "happy:2@3-4"
        written.unlink()
        await bench.press("r")
        await bench.tick(3)
        await bench.press("=")
        await bench.tick(2)
        await bench.press("tab", "tab", "y")
        (written,) = paths.state.glob("copied-*.txt")
        assert written.read_text() == "wonderfully, and everyone left the"
