"""`extract` and `points` as a script meets them, on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steer_tui.cli import main
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths
from tests.unit.test_cli_library import META_KEYS
from tests.unit.tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama"))


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    positive, negative = tmp_path / "good.txt", tmp_path / "plain.txt"
    positive.write_text("I am glad\n\n  How lovely\x1b[31m \nWhat joy\n", encoding="utf-8")
    negative.write_text("I am here\nHow is it\nWhat now\n", encoding="utf-8")
    return ["--positive", str(positive), "--negative", str(negative)]


def test_two_files_make_a_vector(
    capsys: pytest.CaptureFixture[str], model: str, files: list[str], paths: Paths
) -> None:
    assert main(["extract", "glad", *files, "--layers", "1-2", "--model", model, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    meta = json.loads(out)
    assert meta.keys() >= META_KEYS
    assert (meta["name"], meta["method"], meta["pairs"]) == ("glad", "mean", 3)
    assert meta["residual_norm"].keys() == {"1", "2"}
    own = [entry for entry in VectorStore(paths).list() if not entry.bundled]
    assert [(entry.name, entry.layers) for entry in own] == [("glad", (1, 2))]


def test_a_bundled_concept_makes_a_vector(capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert main(["extract", "happy", "--model", model]) == 0
    assert "residual norm" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["hapy"],
        ["../x"],
        ["glad", "--positive", "/no/such/file"],
        ["happy", "--layers", "9"],
        ["happy", "--layers", "best"],
        ["happy", "--layers", "x"],
    ],
)
def test_what_cannot_be_made_is_refused(
    capsys: pytest.CaptureFixture[str], model: str, paths: Paths, arguments: list[str]
) -> None:
    assert main(["extract", *arguments, "--model", model]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and "hint: " in err
    assert not paths.vectors.exists()


def test_a_damaged_vector_is_not_written_over(
    capsys: pytest.CaptureFixture[str], model: str, files: list[str], paths: Paths
) -> None:
    assert main(["extract", "glad", *files, "--model", model]) == 0
    kept = next(paths.vectors.glob("*/glad.safetensors"))
    kept.write_bytes(b"nonsense")
    assert main(["extract", "glad", *files, "--model", model]) == 1
    assert kept.read_bytes() == b"nonsense"


def test_points_name_module_and_shape(capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert main(["points", "--model", model, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["version"] == 1
    points = {point["name"]: point for point in listed["points"]}
    assert points["blocks.3.hook_resid_post"]["module"] == "model.layers.3"
    assert points["blocks.3.hook_resid_post"]["shape"] == ["batch", "pos", 32]
    assert "model.layers.0.self_attn.q_proj" in points
    assert main(["points", "--model", model]) == 0
    assert "blocks.0.hook_resid_pre" in capsys.readouterr().out
