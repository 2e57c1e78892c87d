"""`extract` and `points` as a script meets them, on a tiny random model."""

from __future__ import annotations

import json
import re
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
    for figures in meta["diagnostics"].values():  # three pairs are too few for what is held out
        assert isinstance(figures["separation"], float) and isinstance(figures["consistency"], float)
        assert figures["split_half"] is None and figures["auroc"] is None
    own = [entry for entry in VectorStore(paths).list() if not entry.bundled]
    assert [(entry.name, entry.layers) for entry in own] == [("glad", (1, 2))]


def test_the_vector_that_had_the_name_goes_to_the_trash_and_comes_back_under_another(
    capsys: pytest.CaptureFixture[str], model: str, files: list[str], paths: Paths
) -> None:
    assert main(["extract", "glad", *files, "--model", model, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    before = Path(first["path"]).read_bytes()
    assert first["replaced"] is None
    assert main(["extract", "glad", *files, "--method", "pca", "--model", model, "--json"]) == 0
    out, err = capsys.readouterr()
    assert Path(json.loads(out)["replaced"]).read_bytes() == before
    assert err == "the earlier glad is in the trash: `steer-tui vectors restore glad --as NEW` brings it back\n"
    assert main(["vectors", "restore", "glad", "--as", "glad2", "--model", model]) == 0
    found = {entry.name: entry.meta and entry.meta.method for entry in VectorStore(paths).list() if not entry.bundled}
    assert found == {"glad": "pca", "glad2": "mean"} and VectorStore(paths).trash() == []


def test_a_bundled_concept_makes_a_vector(capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert main(["extract", "happy", "--model", model]) == 0
    out = capsys.readouterr().out
    assert "residual norm" in out and "reversed" in out
    assert any(line.endswith(".") for line in out.splitlines()[-25:])  # the advice


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--words", "Love - Hate"], {"pairs": 1, "description": "Love - Hate"}),
        (["--pairs", "PAIRS"], {"pairs": 3, "description": "from pairs.csv", "read": "mean of all tokens"}),
        (["--pairs", "PAIRS", "--method", "pca", "--read", "last:2"], {"method": "pca", "read": "last 2 tokens"}),
        (["--pairs", "PAIRS", "--site", "mlp_out"], {"site": "mlp_out"}),
        (["--pairs", "PAIRS", "--at", "model.layers.*.self_attn"], {"site": "model.layers.*.self_attn"}),
    ],
)
def test_examples_and_choices_come_from_the_command_line(
    capsys: pytest.CaptureFixture[str],
    model: str,
    paths: Paths,
    tmp_path: Path,
    arguments: list[str],
    expected: dict[str, object],
) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("positive,negative\nI am glad,I am here\nHow lovely,How is it\nWhat joy,What now\n")
    given = [str(table) if word == "PAIRS" else word for word in arguments]
    assert main(["extract", "glad", *given, "--model", model, "--json"]) == 0
    meta = json.loads(capsys.readouterr().out)
    assert {name: meta[name] for name in expected} == expected
    assert meta["advice"] and Path(meta["path"]).is_file()
    kept = VectorStore(paths).load(Path(meta["path"]))
    assert kept.meta.to_json() == {name: meta[name] for name in meta if name not in ("advice", "path", "replaced")}
    assert kept.meta.site == meta["site"]


def test_the_tokens_that_are_read_are_shown_and_nothing_is_made(
    capsys: pytest.CaptureFixture[str], model: str, files: list[str], paths: Paths
) -> None:
    assert main(["extract", "glad", *files, "--read", "completion", "--show-tokens", "--model", model]) == 0
    assert "positive 1: <s>I am [glad]" in capsys.readouterr().out
    assert main(["extract", "glad", *files, "--show-tokens", "--model", model, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["texts"][0]["tokens"][0] == ["<s>", False]
    assert not paths.vectors.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["hapy"],
        ["../x"],
        ["glad", "--positive", "/no/such/file"],
        ["happy", "--layers", "9"],
        ["happy", "--layers", "best"],
        ["happy", "--layers", "x"],
        ["glad", "--words", "Love"],
        ["glad", "--words", "Love - Hate", "--pairs", "x.csv"],
        ["glad", "--pairs", "/no/such/file.toml"],
        ["happy", "--method", "magic"],
        ["happy", "--read", "first"],
        ["happy", "--at", "model.layers.77.mlp"],
        ["happy", "--at", "model.layers.0.mlp", "--site", "mlp_out"],
        ["kind", "--system", "Be kind.", "Be rude."],
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
    rows = [re.split(r" {2,}", line) for line in capsys.readouterr().out.splitlines()]
    told = {row[0]: row[2].split(" x ") for row in rows[1:] if len(row) > 2}
    assert told["blocks.0.attn.hook_z"] == list(map(str, points["blocks.0.attn.hook_z"]["shape"]))
    assert told["blocks.0.hook_resid_pre"] == ["batch", "pos", "32"]
