"""Hooks on small real models: points agree with transformers, ablation does what it must, edited exports reload."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from steer_tui.engine.generate import generate
from steer_tui.engine.hookvalues import HookSpec
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.types import Request, Sampling, Step
from steer_tui.hooks import ProjectOutController, export_model, orthogonal_edit
from tests.real.starts import STARTS


def test_every_point_replaced_by_itself_leaves_the_logits(lm: LanguageModel) -> None:
    plain = lm(STARTS[lm.info.id])
    _, cache_ = lm.run_with_cache(STARTS[lm.info.id])
    for point in lm.hook_dict:
        again = lm.run_with_hooks(STARTS[lm.info.id], [(point, lambda activation, hook: cache_[hook.name].clone())])
        torch.testing.assert_close(again, plain, atol=1e-4, rtol=1e-4, msg=lambda text, at=point: f"{at}: {text}")
    pattern = cache_["pattern", 0]
    torch.testing.assert_close(pattern.sum(-1), torch.ones(pattern.shape[:-1]), atol=1e-5, rtol=0)


def test_a_text_with_hooks_streams_is_watched_and_replays(lm: LanguageModel) -> None:
    last = lm.info.layers - 1
    hooks = (
        HookSpec("blocks.0.attn.hook_z", "heads", (("heads", (0,)),)),
        HookSpec(f"blocks.{last}.hook_mlp_out", "scale", (("factor", 0.0),)),
        *(HookSpec(f"blocks.{layer}.hook_resid_post", "watch") for layer in range(lm.info.layers)),
    )
    steps: list[Step] = []
    asked = Request(STARTS[lm.info.id], "", Sampling(temperature=0.0, max_tokens=40), hooks=hooks)
    result = generate(lm, asked, {}, on_step=steps.append, measures=False)
    assert result.baseline is not None and "girl named Lily" in result.baseline.text != result.steered.text
    assert result.logit_difference is not None and result.logit_difference.max > 0
    for step in steps:
        if step.steered is not None and step.steered.stats is not None:
            found = [one.newest.norm for one in step.watched]
            assert found == pytest.approx(list(step.steered.stats.norm), rel=1e-4)
    assert generate(lm, asked, {}, measures=False).steered.ids == result.steered.ids


def test_a_direction_taken_out_of_the_weights_is_one_taken_out_everywhere(lm: LanguageModel, tmp_path: Path) -> None:
    text = STARTS[lm.info.id]
    direction = lm.run_with_cache(text, 0)[1]["layer_0"][0, -1]
    writes = lambda name: name == "hook_embed" or name.endswith(("attn_out", "mlp_out"))  # noqa: E731
    hooked = lm.run_with_hooks(text, [(writes, ProjectOutController(None, direction))])
    before = lm(text)
    with orthogonal_edit(lm, direction):
        edited = lm(text)
        export_model(lm, tmp_path / "edited")
    torch.testing.assert_close(edited, hooked, atol=1e-3, rtol=1e-3)
    assert torch.equal(lm(text), before) and not torch.allclose(edited, before, atol=1e-2)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "edited")
    with torch.no_grad():
        torch.testing.assert_close(plain(lm.to_tokens(text)).logits, edited, atol=1e-4, rtol=1e-4)
