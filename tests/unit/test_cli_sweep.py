"""`sweep` as a script meets it, on a tiny random model: JSON, tables, folders, going on after a kill, bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from steer_tui.cli import main
from steer_tui.commands import sweep_folder
from steer_tui.commands.sweep_folder import ASKED, CELLS, REPORT, RESULT, TABLE
from steer_tui.engine.generate import Controls
from steer_tui.engine.sweepgrid import SweepResult
from tests.unit.test_cli_generate import CONCEPT
from tests.unit.tiny_model import write_tiny_model

PLAIN = ["--concept", "glad", "--layers", "0-1", "--strengths", "-1:1:1", "--max-tokens", "6", "--seed", "3"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama"))


@pytest.fixture(autouse=True)
def concept(home: Path) -> Path:
    path = home / "data" / "concepts" / "glad.toml"
    path.parent.mkdir(parents=True)
    path.write_text(CONCEPT + 'instruction = "Answer gladly."\n', encoding="utf-8")
    return path


def swept(capsys: pytest.CaptureFixture[str], model: str, *arguments: str, status: int = 0) -> dict[str, Any]:
    """Return the object that `sweep --json` prints."""
    assert main(["--model", model, "sweep", *arguments, "--json"]) == status
    out, _ = capsys.readouterr()
    assert out.count("\n") == 1
    return dict(json.loads(out))


def refused(capsys: pytest.CaptureFixture[str], model: str, *arguments: str, status: int = 2) -> str:
    """Return what is said of input that is refused."""
    assert main(["--model", model, "sweep", *arguments]) == status
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines()[-2].startswith("error: ") and err.splitlines()[-1].startswith("hint: "), err
    return err


def same(one: Any, other: Any, where: str = "") -> None:
    """Assert that two results are the same but for the time they took; figures to rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in one.keys() - {"seconds"}:
            same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), where
        for place, pair in enumerate(zip(one, other, strict=True)):
            same(*pair, f"{where}/{place}")
    elif isinstance(one, float) and isinstance(other, float):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4), where
    else:
        assert one == other, where


def test_json_holds_what_the_contract_names(capsys: pytest.CaptureFixture[str], model: str) -> None:
    value = swept(capsys, model, "The meeting", "I am", *PLAIN)
    assert (value["version"], value["prompts"], value["concept"]) == (1, ["The meeting", "I am"], "glad")
    assert (value["max_tokens"], value["seed"], value["model"]["ref"]) == (6, 3, model)
    assert [(cell["layer"], cell["strength"]) for cell in value["cells"]] == [
        (layer, strength) for layer in (0, 1) for strength in (-1.0, 0.0, 1.0)
    ]
    for cell in (*value["cells"], value["baseline"], value["best"]):
        assert len(cell["texts"]) == 2 and all(isinstance(text, str) for text in cell["texts"])
        for name in ("concept", "perplexity", "kl_mean", "distinct_2", "relative_norm"):
            assert isinstance(cell[name], float), (cell["key"], name)
    assert value["controls"]["random"]["bands"].keys() == {"1"} and len(value["controls"]["random"]["cells"]) == 8
    assert value["controls"]["prompt"]["kind"] == "prompt" and len(value["controls"]["shuffled"]) == 1
    assert SweepResult.from_json(value).grids[0].best is not None
    again = swept(capsys, model, "The meeting", "I am", *PLAIN)
    same(again, value)


def test_the_table_shows_the_grid_and_names_the_best(capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert main(["--model", model, "sweep", "The meeting", *PLAIN, "--kl", "100"]) == 0
    out, _ = capsys.readouterr()
    lines = out.splitlines()
    heads = [line.split() for line in lines if line.startswith("layers")]
    assert heads == [["layers", "-1", "0", "1"]] * 2
    assert sum(line.startswith(("0 ", "1 ")) for line in lines) == 4 and "random, from" in out
    assert "best within 100 nats: glad" in out and "baseline: concept" in out and "asked for in words" in out


def test_rows_over_several_layers_several_concepts_and_mixes(
    capsys: pytest.CaptureFixture[str], model: str, concept: Path
) -> None:
    (concept.parent / "grim.toml").write_text(CONCEPT.replace("glad", "grim"), encoding="utf-8")
    plain = ["--no-controls", "--max-tokens", "4"]
    ranged = swept(capsys, model, "I am", "--concept", "glad", "--rows", "1-2,best", "--strengths", "2", *plain)
    assert (ranged["cells"][0]["layer"], ranged["cells"][0]["layers"]) == ("1-2", [1, 2])
    both = ["--concept", "glad", "--concept", "grim", "--strengths", "0,2"]
    two = swept(capsys, model, "I am", *both, "--layers", "all", *plain)
    assert two["concept"] == "glad" and [grid["concept"] for grid in two["more"]] == ["grim"]
    assert len(two["cells"]) == len(two["more"][0]["cells"]) == 8
    mix = swept(capsys, model, "I am", *both, "--mix", *plain)
    assert mix["concept"] == "glad+grim" and [cell["strengths"] for cell in mix["cells"]][1] == [0.0, 2.0]
    assert main(["--model", model, "sweep", "I am", *both, "--mix", *plain]) == 0
    assert "glad" in capsys.readouterr().out.splitlines()[0]


def test_auto_and_refine_need_no_strengths(capsys: pytest.CaptureFixture[str], model: str) -> None:
    plain = ["--concept", "glad", "--no-controls", "--max-tokens", "8", "--kl", "0.5"]
    auto = swept(capsys, model, "I am", *plain, "--auto")
    assert auto["best"]["kl_mean"] <= 0.5 and len({cell["strength"] for cell in auto["cells"]}) > 3
    fine = swept(capsys, model, "I am", *plain, "--layers", "1", "--strengths", "0.5,1", "--refine")
    assert len(fine["cells"]) > 2


def test_a_folder_keeps_cells_and_exports(capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    value = swept(capsys, model, "The meeting", *PLAIN, "--out", str(folder))
    assert {path.name for path in folder.iterdir()} == {ASKED, CELLS, RESULT, TABLE, REPORT}
    assert json.loads((folder / RESULT).read_text()) == value
    lines = (folder / CELLS).read_text().splitlines()
    assert len(lines) == len({json.loads(line)["key"] for line in lines}) == 1 + 6 + 1 + 1 + 8
    report = (folder / REPORT).read_text()
    assert "--concept glad" in report and "Repeat it with" in report
    assert (folder / TABLE).read_text().count("\n") == 1 + len(lines)
    assert "holds a sweep" in refused(capsys, model, "The meeting", *PLAIN, "--out", str(folder))


def test_going_on_runs_nothing_twice_and_gives_the_same_grid(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    value = swept(capsys, model, "The meeting", *PLAIN, "--out", str(folder))
    cells = folder / CELLS
    whole = cells.read_bytes().splitlines(keepends=True)
    cells.write_bytes(b"".join(whole[:5]) + b"{}\n\xff\n" + whole[5][:40])
    for extra in (["The meeting", *PLAIN], []):
        again = swept(capsys, model, *extra, "--resume", str(folder))
        same(again, value)
        kept = cells.read_bytes().splitlines(keepends=True)
        assert kept[:5] == whole[:5] and len(kept) == len(whole)
        assert len({json.loads(line)["key"] for line in kept}) == len(kept)


NEVER_DONE = """
import sys, time
from steer_tui.cli import main
from steer_tui.commands.sweep_folder import SweepFolder
keep, kept = SweepFolder.keep, []
def keep_all_but_the_last(self, cell):
    kept.append(cell)
    if len(kept) == 7:
        time.sleep(600)
    keep(self, cell)
SweepFolder.keep = keep_all_but_the_last
sys.exit(main(sys.argv[1:]))
"""
"""The program, which waits before the last of a baseline and six cells: however late the kill comes, it finds it."""


def test_a_killed_sweep_goes_on_where_it_was(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path, home: Path
) -> None:
    asked = ["The meeting", "--concept", "glad", "--layers", "0-2", "--strengths", "1,2", "--no-controls"]
    asked += ["--seeds", "32", "--max-tokens", "32", "--temperature", "0"]  # no draw to fall at a boundary
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", NEVER_DONE, "--model", model, "sweep", *asked, "--out", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "STEER_TUI_HOME": str(home)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 250
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / CELLS).exists() and (folder / CELLS).read_bytes().count(b"\n") >= 1:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = (folder / CELLS).read_bytes()
    assert not (folder / RESULT).exists()
    found = swept(capsys, model, "--resume", str(folder))
    after = (folder / CELLS).read_bytes()
    done = before[: before.rindex(b"\n") + 1]
    assert after.startswith(done) and 1 <= done.count(b"\n") < after.count(b"\n")
    keys = [json.loads(line)["key"] for line in after.splitlines()]
    assert len(set(keys)) == len(keys)
    same(found, swept(capsys, model, *asked))


def test_a_first_interrupt_keeps_what_is_finished(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, stopped = tmp_path / "kept", []
    real = sweep_folder.SweepFolder.keep

    def keep(self: sweep_folder.SweepFolder, cell: Any) -> None:
        real(self, cell)
        if not stopped:
            stopped.append(cell.key)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sweep_folder.SweepFolder, "keep", keep)
    value = swept(capsys, model, "The meeting", *PLAIN, "--out", str(folder), status=130)
    assert value["complete"] is False and value["controls"]["prompt"] is None
    assert signal.getsignal(signal.SIGINT) is not None and not Controls().stopped
    assert swept(capsys, model, "--resume", str(folder))["complete"] is True


def test_a_folder_of_another_sweep_or_another_model_is_left_alone(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path, concept: Path
) -> None:
    folder = tmp_path / "kept"
    swept(capsys, model, "The meeting", *PLAIN, "--no-controls", "--out", str(folder))
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = refused(capsys, model, "Another prompt", *PLAIN, "--no-controls", "--resume", str(folder))
    assert "another sweep" in other
    assert "says what is swept" in refused(capsys, model, "--concept", "glad", "--resume", str(folder))
    assert "two folders" in refused(capsys, model, "--resume", str(folder), "--out", str(tmp_path / "x"))
    assert "no sweep" in refused(capsys, model, "--resume", str(tmp_path / "nowhere"))
    value = json.loads(kept[ASKED])
    for name, changed, said in (
        ("vectors", {"glad": "0" * 64}, "vectors have changed"),
        ("model", {**value["model"], "fingerprint": "0"}, "another model"),
    ):
        (folder / ASKED).write_text(json.dumps({**value, name: changed}))
        assert said in refused(capsys, model, "--resume", str(folder))
    (folder / ASKED).write_text("{")
    assert "damaged" in refused(capsys, model, "--resume", str(folder), status=1)
    (folder / ASKED).write_bytes(kept[ASKED])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept


def test_a_new_folder_to_go_on_with_is_begun(capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    swept(capsys, model, "The meeting", *PLAIN, "--no-controls", "--resume", str(folder))
    assert (folder / RESULT).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--concept", "glad"], "prompt"),
        (["I am"], "concept"),
        (["I am", "--concept", "gald"], "glad"),
        (["I am", "--concept", "glad", "--layers", "2-9"], "layer"),
        (["I am", "--concept", "glad", "--strengths", "1:0:1"], "strengths"),
        (["I am", "--concept", "glad", "--scope", "some"], "scope"),
        (["I am", "--concept", "glad", "--seeds", "0"], "seeds"),
        (["I am", "--concept", "glad", "--mix"], "mix"),
        (["I am", "--concept", "glad", "--randoms", "3"], "randoms"),
        (["I am", "--concept", "glad", "--auto", "--op", "cap"], "auto"),
    ],
)
def test_bad_input_is_said_with_a_hint(
    capsys: pytest.CaptureFixture[str], model: str, arguments: list[str], said: str
) -> None:
    assert said in refused(capsys, model, *arguments)


def test_help_brings_in_no_torch() -> None:
    code = "import sys; from steer_tui.cli import main; main(['sweep', '--help']); sys.exit('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "--strengths LO:HI:STEP" in ran.stdout
