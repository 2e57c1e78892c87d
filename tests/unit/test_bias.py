"""Steering in the weights: equal to the hook, seen beforehand, taken back bit for bit, loaded by plain transformers."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from steer_tui.engine.model import LanguageModel
from steer_tui.engine.orthogonal import writing_points
from steer_tui.errors import LibraryError, ShapeMismatch, UsageError
from steer_tui.hooks import AddController, ProjectOutController, bias_edit, export_model, orthogonal_edit
from tests.unit.architectures import ARCHITECTURES
from tests.unit.hooktools import LONG, PROMPT, SHORT, is_clean, linear_model, model_of
from tests.unit.tiny import new_lm

NORMED = ("gemma2", "gemma3", "olmo2")
"""Architectures that norm what attention and MLP write before it is added."""


def weights(lm: LanguageModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in lm.model.state_dict().items()}


def is_restored(lm: LanguageModel, before: dict[str, Tensor]) -> bool:
    now = lm.model.state_dict()
    return now.keys() == before.keys() and all(torch.equal(now[name], before[name]) for name in before)


def vector(width: int, seed: int = 0) -> Tensor:
    return 0.3 * torch.randn(width, generator=torch.Generator().manual_seed(seed))


def width_at(lm: LanguageModel, point: str) -> int:
    return int(lm.run_with_cache(PROMPT, point)[1][point].flatten(2).shape[-1])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_vector_in_a_bias_is_the_vector_added_and_undo_is_exact(name: str) -> None:
    lm = model_of(name)
    before = weights(lm)
    for part in ("attn.hook_z", "mlp.hook_post", "hook_attn_out", "hook_mlp_out", "hook_resid_mid", "hook_resid_post"):
        point = f"blocks.1.{part}"
        refused = not lm.hook_points[point].available or (
            name == "mixtral" and part in ("hook_mlp_out", "hook_resid_post")
        )
        if refused or (name in NORMED and "resid" in part):
            with pytest.raises(UsageError):
                bias_edit(lm, point, vector(32), 2.0)
            continue
        added = vector(width_at(lm, point))
        edit = bias_edit(lm, point, added, 2.0)
        assert is_restored(lm, before) and not lm.edits and edit.preview[0].size > 0
        with edit:
            found = lm([SHORT, LONG])
        wanted = lm.run_with_hooks([SHORT, LONG], [(point, AddController(None, added, 2.0))])
        mask = lm.run_with_cache([SHORT, LONG], 0, None)[1].mask.bool()
        torch.testing.assert_close(found[mask], wanted[mask], atol=2e-5, rtol=1e-4)
        assert not torch.allclose(found, lm([SHORT, LONG]), atol=1e-3)
    assert is_restored(lm, before) and is_clean(lm)


def test_a_norm_that_several_layers_read_takes_the_vector_in_all_of_them() -> None:
    for name, path, count in (("gpt2", "transformer.h.1.ln_1", 1), ("llama", "model.layers.1.input_layernorm", 3)):
        lm = model_of(name)
        edit = bias_edit(lm, path, vector(32))
        assert len(edit.preview) == count
        with edit:
            found = lm(PROMPT)
        torch.testing.assert_close(
            found, lm.run_with_hooks(PROMPT, [(path, lambda a: a + vector(32))]), atol=2e-5, rtol=1e-4
        )
    gptj = model_of("gptj")
    assert len(bias_edit(gptj, "transformer.h.1.ln_1", vector(32)).preview) == 4


def test_the_bias_is_w_v_by_hand() -> None:
    lm = linear_model()
    edit = bias_edit(lm, "blocks.0.attn.hook_z", torch.tensor([1.0, -2.0]), 0.5)
    change = edit.preview[0]
    assert change.parameter == "blocks.0.attn.c_proj.bias" and change.is_new and change.relative is None
    assert change.size == pytest.approx((1.0 + 4.0) ** 0.5) and "new" in str(change)
    with edit:
        assert lm.structure.blocks[0].attn.c_proj.bias.tolist() == [1.0, -2.0]  # type: ignore[union-attr]
    assert lm.structure.blocks[0].attn.c_proj.bias is None  # type: ignore[union-attr]


def test_edits_stack_and_are_undone_newest_first() -> None:
    lm = new_lm("llama")
    before = weights(lm)
    first = bias_edit(lm, "blocks.1.hook_mlp_out", vector(32, 1)).apply()
    second = bias_edit(lm, "blocks.1.hook_mlp_out", vector(32, 2)).apply()
    both = [("blocks.1.hook_mlp_out", lambda a: a + vector(32, 1) + vector(32, 2))]
    assert lm.edits == [first, second] and second.preview[0].relative is not None
    found = lm(PROMPT)
    with pytest.raises(UsageError, match="later"):
        first.undo()
    with pytest.raises(UsageError, match="already"):
        second.apply()
    second.undo()
    first.undo()
    first.undo()
    assert is_restored(lm, before) and not lm.edits
    torch.testing.assert_close(found, lm.run_with_hooks(PROMPT, both), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("strength", [1.0, 8.0])
def test_in_half_precision_too_an_edit_that_is_not_the_hook_is_refused(dtype: torch.dtype, strength: float) -> None:
    models = {name: copy.deepcopy(model_of(name).model).to(dtype) for name in ("llama", "gpt2", "gemma2", "olmo2")}
    for name, model in models.items():
        lm = LanguageModel(model, model_of(name).tokenizer)
        if name in ("llama", "gpt2"):
            assert bias_edit(lm, 1, vector(32), strength).preview
            continue
        with pytest.raises(UsageError, match="does more to it than add it"):
            bias_edit(lm, 1, vector(32), strength)
        assert is_clean(lm) and not lm.edits


def test_what_no_bias_can_do_is_refused_with_the_reason() -> None:
    lm = model_of("llama")
    before = weights(lm)
    for point, text in (
        ("hook_embed", "no linear layer reads it"),
        ("blocks.1.attn.hook_pattern", "inside attention"),
        ("blocks.1.mlp.hook_pre", "no linear layer reads it"),
        ("blocks.0.hook_resid_pre", "no linear layer reads it"),
        ("model.norm", "no linear"),
    ):
        if point == "model.norm":
            edit = bias_edit(lm, point, vector(32))
            assert edit.preview[0].parameter == "lm_head.bias"
            continue
        with pytest.raises(UsageError, match=text) as raised:
            bias_edit(lm, point, vector(32))
        assert raised.value.hint
    with pytest.raises(ShapeMismatch):
        bias_edit(lm, "blocks.1.hook_mlp_out", vector(31))
    with pytest.raises(UsageError, match="NaN"):
        bias_edit(lm, "blocks.1.hook_mlp_out", vector(32) * float("nan"))
    assert is_restored(lm, before)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_orthogonal_weights_are_the_direction_projected_out_of_every_write(name: str) -> None:
    lm = model_of(name)
    before = weights(lm)
    direction = vector(32, 5)
    if name in (*NORMED, "bloom"):
        with pytest.raises(UsageError, match="architecture") as raised:
            orthogonal_edit(lm, direction)
        assert "ablate" in str(raised.value.hint) and is_restored(lm, before)
        return
    with orthogonal_edit(lm, direction) as edit:
        found, cache = lm.run_with_cache(PROMPT, lambda point: "resid" in point)
        again = lm(PROMPT)
    unit = direction / direction.norm()
    for point, stream in cache.items():
        assert (stream @ unit).abs().max() < 1e-4 * stream.norm(dim=-1).max(), point
    hooks = [(point.name, ProjectOutController(None, direction)) for point in writing_points(lm)]
    torch.testing.assert_close(found, lm.run_with_hooks(PROMPT, hooks), atol=3e-5, rtol=1e-4)
    torch.testing.assert_close(found, again, atol=1e-5, rtol=1e-5)
    assert is_restored(lm, before) and not lm.edits and len(edit.preview) >= 7 and is_clean(lm)


def test_a_shared_unembedding_keeps_its_weights() -> None:
    lm = new_lm("gpt2")
    embed: Any = lm.structure.embed
    unembed: Any = lm.structure.unembed
    assert unembed.weight is embed.weight
    shared = embed.weight
    with orthogonal_edit(lm, vector(32)):
        assert unembed.weight is not embed.weight and torch.equal(unembed.weight, shared)
        assert not torch.equal(embed.weight, shared)
    assert unembed.weight is shared and embed.weight is shared
    with pytest.raises(ShapeMismatch):
        orthogonal_edit(lm, vector(31))
    with pytest.raises(UsageError, match="length 0"):
        orthogonal_edit(lm, torch.zeros(32))


@pytest.mark.parametrize(("name", "point"), [
    ("llama", "blocks.1.hook_resid_post"),
    ("llama", "blocks.1.attn.hook_z"),
    ("gpt2", "transformer.h.1.ln_1"),
    ("opt", "blocks.0.hook_mlp_out"),
    ("granite", "blocks.1.mlp.hook_post"),
])  # fmt: skip
def test_an_exported_bias_loads_in_plain_transformers_and_agrees(name: str, point: str, tmp_path: Path) -> None:
    lm = model_of(name)
    before = weights(lm)
    added = vector(width_at(lm, point))
    with bias_edit(lm, point, added, 3.0):
        folder = export_model(lm, tmp_path / "steered")
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = AutoTokenizer.from_pretrained(folder)(PROMPT, return_tensors="pt")["input_ids"]
    assert ids[0].tolist() == lm.encode(PROMPT, raw=True)
    with torch.no_grad():
        logits = theirs(ids).logits
    wanted = lm.run_with_hooks(PROMPT, [(point, AddController(None, added, 3.0))])
    torch.testing.assert_close(logits, wanted, atol=2e-5, rtol=1e-4)
    note = json.loads((folder / "steer_tui.json").read_text())
    assert point in note["edits"][0]["title"] and is_restored(lm, before)
    assert not list(tmp_path.glob(".*")) and type(theirs) is type(lm.model)


@pytest.mark.parametrize("name", ["llama", "gpt2", "mixtral", "qwen2"])
def test_exported_orthogonal_weights_load_in_plain_transformers_and_agree(name: str, tmp_path: Path) -> None:
    lm = model_of(name)
    direction = vector(32, 5)
    hooks = [(point.name, ProjectOutController(None, direction)) for point in writing_points(lm)]
    with orthogonal_edit(lm, direction):
        folder = export_model(lm, tmp_path / "without")
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = theirs(torch.tensor([lm.encode(PROMPT, raw=True)])).logits
    torch.testing.assert_close(logits, lm.run_with_hooks(PROMPT, hooks), atol=3e-5, rtol=1e-4)
    ours = LanguageModel(theirs, lm.tokenizer)
    assert ours.info.width == 32


def test_a_half_precision_model_agrees_within_its_tolerance(tmp_path: Path) -> None:
    lm = LanguageModel(copy.deepcopy(model_of("llama").model).to(torch.bfloat16), model_of("llama").tokenizer)
    added = vector(32)
    with bias_edit(lm, "blocks.1.hook_resid_post", added):
        folder = export_model(lm, tmp_path / "half")
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    assert theirs.dtype == torch.bfloat16
    with torch.no_grad():
        logits = theirs(torch.tensor([lm.encode(PROMPT, raw=True)])).logits
    hooked = lm.run_with_hooks(PROMPT, [("blocks.1.hook_resid_post", AddController(None, added))])
    assert (logits - hooked).abs().max() < 0.15


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    lm = model_of("qwen2")
    with (
        bias_edit(lm, "blocks.1.hook_mlp_out", vector(32)),
        pytest.raises(UsageError, match=r"down_proj\.bias") as raised,
    ):
        export_model(lm, tmp_path / "new")
    assert "hook" in str(raised.value.hint) and not list(tmp_path.iterdir())
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        export_model(lm, tmp_path / "taken")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(LibraryError):
        export_model(lm, tmp_path / "file" / "below")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]
    (tmp_path / "empty").mkdir()
    assert export_model(lm, tmp_path / "empty").is_dir()
