"""`vectors import` and `vectors export` as a script meets them, and at a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch

from steer_tui.cli import main
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths
from tests.unit.foreign_files import UINT32, control_vector, pt, rows, svec

DEMO_WIDTH = 256


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A control vector of the demo model's width."""
    path = tmp_path / "glad.gguf"
    path.write_bytes(control_vector({layer: torch.ones(DEMO_WIDTH) * layer for layer in (1, 2, 3)}, (UINT32, 3)))
    return path


def call(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_file_is_imported_for_the_demo_model(file: Path, paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("vectors", "import", file) == 0
    said = capsys.readouterr()
    assert said.out == "glad.gguf: kept as glad for demo, blocks 1-3, from repeng\n"
    assert said.err.startswith("note: glad.gguf: its header is that of repeng\n")
    (entry,) = [entry for entry in VectorStore(paths).list("demo") if not entry.bundled]
    assert entry.meta is not None and entry.meta.source == {"producer": "repeng", "file": "glad.gguf"}
    shipped = next(entry for entry in VectorStore(paths).list("demo") if entry.bundled)
    assert shipped.meta is not None and entry.meta.model == shipped.meta.model


def test_an_import_s_json_tells_each_file_s_fate(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.pt").write_bytes(b"\x80\x04.")
    (tmp_path / "thing.pt").write_bytes(pt(torch.ones(DEMO_WIDTH)))
    assert call("vectors", "import", "--json", file, tmp_path / "bad.pt", tmp_path / "thing.pt") == 2
    said = capsys.readouterr()
    results = json.loads(said.out)
    assert results["version"] == 1 and [len(entry["names"]) for entry in results["results"]] == [1, 0, 0]
    assert results["results"][2]["question"]["kind"] == "layer"
    assert [line.split(":")[0] for line in said.err.splitlines()] == ["error", "error", "hint"]


def test_options_answer_what_a_file_leaves_open(
    tmp_path: Path, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thing.pt").write_bytes(pt(torch.ones(DEMO_WIDTH)))
    assert call("vectors", "import", tmp_path / "thing.pt") == 2
    assert capsys.readouterr().err.splitlines()[1] == "hint: say which block it belongs to: --layer-offset K"
    assert call("vectors", "import", tmp_path / "thing.pt", "--layer-offset", "2", "--name", "mine") == 0
    assert [entry.layers for entry in VectorStore(paths).list() if entry.name == "mine"] == [(2,)]
    assert call("vectors", "import", tmp_path / "thing.pt", "--producer", "repang") == 2
    assert "did you mean repeng" in capsys.readouterr().err


def test_a_terminal_is_asked(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {layer: torch.ones(DEMO_WIDTH) for layer in (2, 3)}
    (tmp_path / "odd.gguf").write_bytes(control_vector(made, None))
    answers = io.StringIO("9\nx\n2\n")
    monkeypatch.setattr("sys.stdin", answers)
    monkeypatch.setattr(answers, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert call("vectors", "import", tmp_path / "odd.gguf") == 0
    said = capsys.readouterr()
    assert said.err.count("number (enter leaves it out):") == 3 and "1: block N, as repeng" in said.err
    assert [entry.layers for entry in VectorStore(paths).list() if entry.name == "odd"] == [(1, 2)]


def test_a_vector_that_does_not_fit_the_model_named_is_refused(
    tmp_path: Path, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wide.svec").write_bytes(svec(rows()))
    assert call("vectors", "import", "--model", "demo", tmp_path / "wide.svec") == 1
    assert capsys.readouterr().err.splitlines()[0] == "error: wide.svec has width 16, demo has 256"
    assert call("vectors", "import", tmp_path / "wide.svec") == 0
    assert "kept as wide for llama-6x16" in capsys.readouterr().out
    assert [entry.path.parent.name for entry in VectorStore(paths).list() if not entry.bundled] == ["llama-6x16"]


def test_a_bundled_vector_goes_out_and_comes_back(
    tmp_path: Path, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("vectors", "export", "happy", tmp_path / "happy.svec") == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/happy.svec: svec, blocks ")
    assert call("vectors", "import", tmp_path / "happy.svec") == 0
    said = capsys.readouterr()
    assert "kept as happy for demo" in said.out and "wins over the built-in happy" in said.err
    store = VectorStore(paths)
    own, shipped = sorted((entry for entry in store.list("demo") if entry.name == "happy"), key=lambda at: at.bundled)
    back, before = store.load(own.path), store.load(shipped.path)
    assert all(torch.equal(back.layers[layer], row) for layer, row in before.layers.items())
    assert call("vectors", "import", tmp_path / "happy.svec") == 1, "the name is taken now"


def test_a_recipe_is_exported_as_a_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "request.json"
    assert call("vectors", "export", "happy:0.7@2-3,calm", path, "--format", "easysteer", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["version"] == 1 and said["format"] == "easysteer" and said["file"] == str(path)
    request = json.loads(path.read_text(encoding="utf-8"))
    assert [(spec["name"], spec["scale"]) for spec in request["vectors"]] == [("happy", 0.7), ("calm", 1.0)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nobody", "x.gguf"), "no vector 'nobody'"),
        (("happy", "x.bin"), "stands for no format"),
        (("happy", "x.gguf", "--format", "gufg"), "no format 'gufg'"),
        (("happy:", "x.gguf"), "column"),
        (("happy~rotate", "x.gguf"), "the operation rotate"),
        (("happy,nobody", "x.gguf"), "no vector 'nobody'"),
    ],
)
def test_a_wrong_export_is_named_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert call("vectors", "export", *arguments) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("error: ") and says in first
    assert sorted(tmp_path.iterdir()) == before


def test_a_name_that_is_taken_is_refused_in_a_sentence(
    file: Path, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("vectors", "import", file) == 0
    kept = [entry.path.read_bytes() for entry in VectorStore(paths).list() if not entry.bundled]
    capsys.readouterr()
    assert call("vectors", "import", file) == 1
    assert capsys.readouterr().err.startswith("error: glad.gguf: there is a vector 'glad' already\nhint: ")
    assert [entry.path.read_bytes() for entry in VectorStore(paths).list() if not entry.bundled] == kept


LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "happy", f"{LONG}.gguf"),
        ("export", f"{LONG}.safetensors", "x.gguf"),
        ("show", f"{LONG}.safetensors"),
        ("import", LONG),
        ("list", "--model", f"/{LONG}", "--json"),
    ],
)
def test_a_name_longer_than_any_file_s_is_as_one_that_is_not_there(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status = call("vectors", *arguments)
    said = capsys.readouterr()
    if "--json" in arguments:
        assert status == 0 and json.loads(said.out)["vectors"] == []
    else:
        assert status in (1, 2) and said.err.startswith("error: ") and "--debug" not in said.err
