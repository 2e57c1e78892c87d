"""`export`: the folder gives the steered model's logits; what weights cannot hold is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from steer_tui.cli import main
from steer_tui.engine.export import export_model
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import Recipe, parse_recipe
from steer_tui.engine.resolve import first_best
from steer_tui.engine.steeredweights import steered_weights
from steer_tui.errors import LibraryError, RecipeError, UsageError
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths
from tests.unit.hooktools import LONG, PROMPT, SHORT, model_of
from tests.unit.reference import steered_pass
from tests.unit.tiny import left_behind, new_vectors, shared_lm
from tests.unit.tiny_model import write_tiny_model

RECIPE = "happy:1.5@1-2,calm:-0.5@2"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama"))


@pytest.fixture
def vectors(model: str, paths: Paths) -> None:
    lm = LanguageModel.load(model)
    for vector in new_vectors(lm, "happy", "calm").values():
        VectorStore(paths).save(vector)


def test_plain_transformers_gives_the_steered_logits(
    capsys: pytest.CaptureFixture[str], model: str, vectors: None, paths: Paths, tmp_path: Path
) -> None:
    folder = tmp_path / "steered"
    assert main(["export", str(folder), "--steer", RECIPE, "--model", model]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in out[:-1]] == [f"model.layers.{n}.mlp.down_proj.bias" for n in (1, 2)]
    assert out[-1].startswith(f"written to {folder}")
    lm = LanguageModel.load(model)
    ids = lm.encode(LONG, raw=True)
    _, wanted = steered_pass(lm, ids, len(ids), parse_recipe(RECIPE), VectorStore(paths).vectors_for(lm.info))
    with torch.no_grad():
        found = AutoModelForCausalLM.from_pretrained(folder).eval()(torch.tensor([ids])).logits[0]
        plain = lm.model(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-4)
    assert not torch.allclose(plain, wanted, atol=1e-2)


def test_a_direction_is_taken_out_and_json_tells_every_weight(
    capsys: pytest.CaptureFixture[str], model: str, vectors: None, paths: Paths, tmp_path: Path
) -> None:
    folder = tmp_path / "without"
    assert main(["export", str(folder), "--without", "happy", "--model", model, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["without"], told["folder"]) == (1, ["happy"], str(folder))
    (edit,) = told["edits"]
    names = [change["parameter"] for change in edit["changes"]]
    assert "model.layers.0.self_attn.o_proj.weight" in names and "model.embed_tokens.weight" in names
    lm = LanguageModel.load(str(folder))
    vector = VectorStore(paths).vectors_for(LanguageModel.load(model).info)["happy"]
    unit = torch.nn.functional.normalize(vector.layers[vector.meta.best_layers[0]], dim=0)
    _, cache = lm.run_with_cache(PROMPT, lambda name: name.endswith("hook_resid_post"))
    assert len(cache) == 4 and all(float((hidden @ unit).abs().max()) < 1e-3 for hidden in cache.values())


def test_the_model_in_memory_is_as_it_was() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy", "calm")
    before = lm([SHORT])
    with steered_weights(lm, parse_recipe(RECIPE), vectors, ["calm"]) as edits:
        assert len(edits) == 3 == len(lm.edits) and not torch.allclose(lm([SHORT]), before, atol=1e-2)
    assert torch.equal(lm([SHORT]), before) and not lm.edits and not left_behind(lm)


def test_directions_that_lean_on_each_other_are_all_taken_out() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy", "calm")
    vectors["glad"] = replace(vectors["happy"], name="glad")
    units = [torch.nn.functional.normalize(vectors[name].layers[1], dim=0) for name in ("happy", "calm")]
    assert abs(float(units[0] @ units[1])) > 0.1 and first_best(vectors["happy"]) == first_best(vectors["calm"]) == 1
    with steered_weights(lm, Recipe(()), vectors, ["happy", "calm", "happy", "glad"]) as edits:
        assert [edit.title.split()[0] for edit in edits] == ["happy", "calm"], "what is out is not taken out again"
        _, cache = lm.run_with_cache(PROMPT, lambda name: name.endswith("hook_resid_post"))
    assert all(float((hidden @ unit).abs().max()) < 1e-3 for hidden in cache.values() for unit in units)
    with pytest.raises(RecipeError, match="no vector 'hapy'"), steered_weights(lm, Recipe(()), vectors, ["hapy"]):
        pass
    assert not lm.edits and not left_behind(lm)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steer", "happy/prompt"], "the scope prompt"),
        (["--steer", "happy?calm>1"], "a gate"),
        (["--steer", "happy~keepnorm"], "~keepnorm"),
        (["--steer", "hapy"], "hapy"),
        (["--steer", "happy@9"], "9"),
        (["--without", "nothing-of-the-kind"], "nothing-of-the-kind"),
        ([], "--steer or --without"),
        (["--steer", "happy", "--into-the-past"], "--into-the-past"),
    ],
)
def test_what_weights_cannot_hold_is_refused_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], model: str, vectors: None, tmp_path: Path, arguments: list[str], says: str
) -> None:
    assert main(["export", str(tmp_path / "new"), *arguments, "--model", model]) == 2
    out, err = capsys.readouterr()
    assert out == "" and says in err.splitlines()[0] and err.count("error: ") == 1
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_taken_is_refused_before_the_model_is_loaded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["export", str(tmp_path), "--steer", "happy", "--model", "/nowhere/at/all"]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(("folder", "says"), [("", "it is empty"), (".", "is there already")])
def test_no_folder_and_the_one_stood_in_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", folder, "--steer", "happy", "--model", "/nowhere/at/all"]) == 2
    assert says in capsys.readouterr().err.splitlines()[0] and list(tmp_path.iterdir()) == []


def test_a_name_longer_than_any_folders_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="cannot be written"):
        export_model(shared_lm(), tmp_path / ("x" * 300))
    assert list(tmp_path.iterdir()) == []


def test_an_architecture_that_norms_what_it_writes_is_refused_and_left_as_it_was() -> None:
    lm = model_of("gemma2")
    before = lm([SHORT])
    with (
        pytest.raises(UsageError, match="no bias can stand for"),
        steered_weights(lm, parse_recipe("happy@1"), new_vectors(lm, "happy")),
    ):
        pass
    assert torch.equal(lm([SHORT]), before) and not lm.edits
