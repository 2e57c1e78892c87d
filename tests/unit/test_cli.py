"""The command line as a script meets it: exit statuses, what goes to which stream, and what it takes to start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from steer_tui.cli import main
from steer_tui.commands.arguments import build_parser, read_options
from steer_tui.errors import UsageError
from steer_tui.options import Options

HEAVY = ("torch", "transformers", "textual", "rich", "numpy", "safetensors", "huggingface_hub")


def run(*arguments: str, home: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "HF_HUB_OFFLINE": "1", **environment}
    if home is not None:
        env["STEER_TUI_HOME"] = str(home)
    command = [sys.executable, "-m", "steer_tui", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL, timeout=280, check=False
    )


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("error: ")
    assert all(line.startswith("hint: ") for line in lines[1:])
    assert len(lines) <= 2
    return lines


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["generate", "--help"], ["locate", "data"]])
def test_cheap_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from steer_tui.cli import main\n"
        f"status = main({arguments!r})\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(repr(heavy) if heavy or status else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, steer_tui; sys.exit(' '.join(n for n in {HEAVY!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=False)
    assert done.stderr.strip() == ""


def test_the_version_is_the_package_s_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "steer-tui 0.1.0\n"


def test_options_mean_the_same_before_and_after_the_command() -> None:
    options = ["--model", "x", "--device", "cpu", "--dtype", "bfloat16", "--offline", "--no-mouse", "--debug"]
    before = read_options(build_parser().parse_args([*options, "models", "--json"]))
    after = read_options(build_parser().parse_args(["models", "--json", *options]))
    assert before == after == Options("x", "cpu", None, "bfloat16", offline=True, mouse=False, debug=True)


def test_options_stand_between_the_words_of_a_command() -> None:
    options = read_options(build_parser().parse_args(["vectors", "show", "--model", "x", "happy"]))
    assert options.model == "x"


def test_an_option_said_twice_means_the_last() -> None:
    assert read_options(build_parser().parse_args(["--model", "a", "models", "--model", "b"])).model == "b"


def test_nothing_said_leaves_every_option_to_configuration() -> None:
    assert read_options(build_parser().parse_args([])) == Options()


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "genrate") == ["error: there is no command 'genrate'", "hint: did you mean generate?"]


def test_an_unknown_option_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "models", "--dtyp", "float32")[1] == "hint: did you mean --dtype?"


def test_options_are_never_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    refusal(capsys, "models", "--mod", "demo")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--temperature", "-1"],
        ["--temperature", "nan"],
        ["--temperature", "inf"],
        ["--top-p", "0"],
        ["--top-p", "1.5"],
        ["--top-k", "-1"],
        ["--top-k", "2.5"],
        ["--max-tokens", "0"],
        ["--seed", "-1"],
        ["--seed", "x"],
        ["--dtype", "float64"],
        ["--model", ""],
        ["--data-dir", " "],
    ],
)
def test_values_out_of_range_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    lines = refusal(capsys, "generate", "x", "--steer", "happy", *arguments)
    assert arguments[0] in lines[0]


def test_generate_needs_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--steer" in refusal(capsys, "generate", "x")[0]


def test_complaints_hold_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    lines = refusal(capsys, "locate", "a\x1b]0;title\x07\nerror: more\udce9\u202e")
    assert all(line.isprintable() for line in lines)


def test_the_workbench_refuses_to_open_without_a_terminal() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stderr.startswith("error: the workbench needs a terminal\nhint: ")


def test_locate_prints_one_path_below_the_data_folder(tmp_path: Path) -> None:
    for place, expected in {
        "config": "config",
        "data": "data",
        "state": "state",
        "themes": "config/themes",
        "vectors": "data/vectors",
        "log": "state/steer-tui.log",
    }.items():
        done = run("locate", place, "--data-dir", str(tmp_path))
        assert done.stdout == f"{tmp_path / expected}\n"
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_the_data_folder_too(tmp_path: Path) -> None:
    assert run("locate", "data", home=tmp_path).stdout == f"{tmp_path / 'data'}\n"


def test_an_unexpected_error_shows_no_traceback_without_debug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("first\nsecond \x1b[31m")

    monkeypatch.setattr("steer_tui.commands.locate.run", fail)
    assert main(["locate", "data"]) == 1
    plain = capsys.readouterr().err
    assert plain.splitlines() == ["error: RuntimeError: first second [31m", "hint: --debug shows where it happened"]
    assert main(["locate", "data", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("steer_tui.commands.locate.run", interrupt)
    assert main(["locate", "data"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_closed_stdout_is_no_error() -> None:
    command = f"{sys.executable} -m steer_tui --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=280, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_not_there_is_no_error(tmp_path: Path, closed: str) -> None:
    line = f'exec "$0" -m steer_tui locate data {closed}'
    env = {**os.environ, "STEER_TUI_HOME": str(tmp_path)}
    done = subprocess.run(["sh", "-c", line, sys.executable], capture_output=True, text=True, env=env, timeout=280)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if " >" in f" {closed}" else f"{tmp_path / 'data'}\n")


def test_what_the_system_refuses_is_said_in_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device", "/data/x")

    monkeypatch.setattr("steer_tui.commands.locate.run", full)
    assert main(["locate", "data"]) == 1
    assert capsys.readouterr().err.splitlines()[0] == "error: /data/x: No space left on device"


def test_an_interrupt_while_the_program_is_read_ends_with_130() -> None:
    code = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'steer_tui.options':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from steer_tui.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_parsing_raises_instead_of_leaving_the_process() -> None:
    with pytest.raises(UsageError):
        build_parser().parse_args(["--nonsense"])
