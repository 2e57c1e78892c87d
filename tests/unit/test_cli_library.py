"""`vectors list|show` and `models` as a script meets them; opening the workbench."""

from __future__ import annotations

import json
import os
import sys

import pytest

from steer_tui.cli import main
from steer_tui.library.store import VectorStore
from steer_tui.options import Options
from steer_tui.paths import Paths
from tests.unit.made_vectors import vector

META_KEYS = {
    "format", "name", "group", "description", "tags", "model", "site", "method", "read", "template", "pairs",
    "pairs_sha256", "created", "best_layers", "residual_norm", "origin", "diagnostics", "source",
}  # fmt: skip


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_the_list_holds_each_vector_s_metadata(capsys: pytest.CaptureFixture[str], paths: Paths) -> None:
    path = VectorStore(paths).save(vector("glad"))
    listed = json.loads(output(capsys, "vectors", "list", "--json"))
    assert listed["version"] == 1
    own = [entry for entry in listed["vectors"] if not entry["bundled"]]
    assert [entry["path"] for entry in own] == [str(path)]
    assert own[0].keys() >= {*META_KEYS, "path", "bundled"}


def test_the_list_can_be_narrowed_to_a_model(capsys: pytest.CaptureFixture[str], paths: Paths) -> None:
    made = vector("glad")
    VectorStore(paths).save(made)
    model = made.meta.model["id"]
    assert len(json.loads(output(capsys, "vectors", "list", "--json", "--model", model))["vectors"]) == 1
    assert json.loads(output(capsys, "vectors", "list", "--json", "--model", "another"))["vectors"] == []


def test_a_damaged_file_is_listed_with_its_reason(capsys: pytest.CaptureFixture[str], paths: Paths) -> None:
    path = VectorStore(paths).save(vector("glad"))
    path.write_bytes(b"\xff" * 20)
    listed = json.loads(output(capsys, "vectors", "list", "--json"))["vectors"]
    assert [entry["problem"] for entry in listed if entry["path"] == str(path)] != [None]
    assert "glad" in output(capsys, "vectors", "list")
    assert [entry["size_bytes"] for entry in listed if entry["path"] == str(path)] == [20]
    assert main(["vectors", "show", "glad", "--json"]) == main(["vectors", "show", "glad"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["problem"] in err


def test_one_vector_is_shown_with_its_layers(capsys: pytest.CaptureFixture[str], paths: Paths) -> None:
    path = VectorStore(paths).save(vector("glad"))
    shown = output(capsys, "vectors", "show", "glad")
    assert str(path) in shown
    assert "residual norm" in shown
    assert json.loads(output(capsys, "vectors", "show", "glad", "--json")).keys() >= META_KEYS
    assert output(capsys, "vectors", "show", str(path)) == shown


def test_a_name_that_several_models_have_needs_a_model(capsys: pytest.CaptureFixture[str], paths: Paths) -> None:
    store = VectorStore(paths)
    for model in ("one", "two"):
        store.save(vector("glad", id=model))
    assert main(["vectors", "show", "glad"]) == 2
    assert "one" in capsys.readouterr().err
    assert "two" in output(capsys, "vectors", "show", "glad", "--model", "two")


def test_an_unknown_vector_names_the_nearest(capsys: pytest.CaptureFixture[str], paths: Paths) -> None:
    VectorStore(paths).save(vector("glad"))
    assert main(["vectors", "show", "gald"]) == 2
    assert capsys.readouterr().err.splitlines()[1].startswith("hint: did you mean glad")


def test_models_begin_with_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    models = json.loads(output(capsys, "models", "--json"))["models"]
    assert models[0]["ref"] == "demo"
    assert models[0].keys() >= {"ref", "kind", "size_bytes", "fits", "note"}
    assert output(capsys, "models").splitlines()[1].startswith("demo ")


@pytest.mark.parametrize(("connection", "rate"), [("", None), ("10.0.0.1 1 10.0.0.2 22", "15")])
def test_over_ssh_the_workbench_draws_less_often(
    monkeypatch: pytest.MonkeyPatch, connection: str, rate: str | None
) -> None:
    opened: list[Options] = []

    def run_app(options: Options) -> int:
        opened.append(options)
        return 0

    for name in ("SSH_TTY", "TEXTUAL_FPS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("SSH_CONNECTION", connection)
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("steer_tui.tui.launch.run_app", run_app)
    assert main(["--theme", "ember", "--no-mouse"]) == 0
    assert opened == [Options(theme="ember", mouse=False)]
    assert os.environ.get("TEXTUAL_FPS") == rate


def test_a_name_that_two_folders_have_is_proposed_once(capsys: pytest.CaptureFixture[str], paths: Paths) -> None:
    store = VectorStore(paths)
    for model in ("one", "two"):
        store.save(vector("glad", id=model))
    assert main(["vectors", "show", "gald"]) == 2
    assert capsys.readouterr().err.count("glad") == 1
