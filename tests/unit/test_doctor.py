"""`doctor` tells what works and what follows, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steer_tui.cli import main
from steer_tui.commands import check_files, check_machine, check_terminal
from steer_tui.commands.check import Check
from steer_tui.options import Options
from steer_tui.paths import Paths


def is_complete(check: Check) -> bool:
    lines = [check.name, check.found, check.advice]
    return all(line and "\n" not in line for line in lines)


def test_every_check_has_a_finding_and_one_line_of_advice(paths: Paths) -> None:
    checks = [*check_machine.machine_checks(), *check_terminal.terminal_checks()]
    checks += check_files.file_checks(Options(), paths)
    assert len({check.name for check in checks}) == len(checks)
    assert [check for check in checks if not is_complete(check)] == []


def test_doctor_makes_no_folder(paths: Paths, home: Path) -> None:
    list(check_files.file_checks(Options(), paths))
    assert not home.exists()


def test_json_names_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["version"] == 1
    assert status == (0 if report["ok"] else 1)
    assert {"python", "torch", "device", "precision", "memory", "terminal", "colours"} <= {
        check["name"] for check in report["checks"]
    }
    assert all(check.keys() == {"name", "state", "found", "advice"} for check in report["checks"])


def test_an_old_python_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 10, 4))
    assert check_machine.python_check().state == "broken"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    check = check_files.folders_check(Paths(tmp_path, blocked / "data", tmp_path))
    assert check.state == "broken"
    assert str(blocked) in check.found
    assert "--data-dir" in check.advice


def test_a_broken_config_is_reported(paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    paths.config_file.write_text("= nonsense", encoding="utf-8")
    assert check_files.config_check(paths).state == "note"


def test_a_damaged_vector_is_reported(paths: Paths) -> None:
    folder = paths.vectors / "some-model"
    folder.mkdir(parents=True)
    (folder / "x.safetensors").write_bytes(b"nonsense")
    check = check_files.library_check(paths)
    assert check.state == "note"
    assert "x.safetensors" in check.found


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"NO_COLOR": "1", "COLORTERM": "truecolor"}, "none"),
        ({"COLORTERM": "truecolor", "TERM": "xterm-256color"}, "16 million"),
        ({"TERM": "tmux-256color"}, "256"),
        ({"TERM": "xterm"}, "16 or fewer"),
    ],
)
def test_colours_follow_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], found: str
) -> None:
    for name in ("NO_COLOR", "COLORTERM", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert check_terminal.colour_check().found.startswith(found)


def test_tmux_without_a_clipboard_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"-V": "tmux 3.4", "set-clipboard": "off", "default-terminal": "tmux-256color"}
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    monkeypatch.setattr(check_terminal, "_ask", lambda *command: answers[command[-1]])
    check = check_terminal.tmux_check()
    assert check.state == "note"
    assert "set-clipboard on" in check.advice


def test_offline_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert "offline" not in check_files.cache_check(Options()).found
    assert "offline" in check_files.cache_check(Options(offline=True)).found
