"""Taps inside attention: they are what attention computes, changes take effect, and everything is switched back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import Gemma2Config, Gemma2ForCausalLM, GptOssConfig, GptOssForCausalLM

from steer_tui.engine.generate import generate
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.types import Request, Sampling
from tests.unit.architectures import ARCHITECTURES, HEADS, LAYERS
from tests.unit.hooktools import LONG, PROMPT, SHORT, is_clean, model_of
from tests.unit.tiny import tokenizer

INTERFACE = ("llama", "gemma2", "gpt2")


def tap(side: str, layer: int = 1) -> str:
    return f"blocks.{layer}.attn.hook_{side}"


def repeated(tensor: Tensor) -> Tensor:
    """Return (B, S, heads, d) with every key head repeated for its query heads."""
    return tensor.repeat_interleave(HEADS // tensor.shape[2], dim=2)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_pattern_rows_sum_to_one_and_look_back_only(name: str) -> None:
    lm = model_of(name)
    _, cache = lm.run_with_cache([SHORT, LONG], lambda point: point.endswith(("pattern", "attn_scores")))
    for layer in range(LAYERS):
        for row, start in enumerate(cache.starts):
            pattern = cache["pattern", layer][row, :, start:]
            torch.testing.assert_close(pattern.sum(-1), torch.ones(pattern.shape[:-1]), atol=1e-5, rtol=0)
            assert pattern[:, :, start:].triu(1).abs().max() == 0 and (start == 0 or pattern[..., :start].max() == 0)
            scores = cache["attn_scores", layer][row, :, start:]
            torch.testing.assert_close(torch.softmax(scores, -1), pattern, atol=1e-6, rtol=1e-5)
    assert is_clean(lm)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_pattern_weighs_v_to_z(name: str) -> None:
    lm = model_of(name)
    _, cache = lm.run_with_cache(PROMPT, [tap("pattern"), tap("v"), tap("z")])
    z = torch.einsum("bhts,bshd->bthd", cache["pattern", 1], repeated(cache["v", 1]))
    torch.testing.assert_close(z, cache["z", 1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_changed_pattern_v_and_scores_change_z_accordingly(name: str) -> None:
    lm = model_of(name)
    found: dict[str, Tensor] = {}
    _, cache = lm.run_with_cache(PROMPT, [tap("v"), tap("pattern")])

    def keep(activation: Tensor, hook: object) -> None:
        found["z"] = activation

    def first_only(activation: Tensor, hook: object) -> Tensor:
        activation[:] = 0
        activation[..., 0] = 1
        return activation

    def hidden_last_key(activation: Tensor, hook: object) -> Tensor:
        activation[:, :, -1, 1:] = -torch.inf
        return activation

    lm.run_with_hooks(PROMPT, [(tap("pattern"), first_only), (tap("z"), keep)])
    first = repeated(cache["v", 1])[:, :1].expand_as(found["z"])
    torch.testing.assert_close(found["z"], first, atol=1e-5, rtol=1e-4)
    lm.run_with_hooks(PROMPT, [(tap("attn_scores"), hidden_last_key), (tap("z"), keep)])
    torch.testing.assert_close(found["z"][:, -1], first[:, -1], atol=1e-5, rtol=1e-4)
    lm.run_with_hooks(PROMPT, [(tap("v"), lambda activation, hook: activation * 0), (tap("z"), keep)])
    assert found["z"].abs().max() == 0
    lm.run_with_hooks(PROMPT, [([tap("q"), tap("k")], lambda activation, hook: activation * 0), (tap("pattern"), keep)])
    assert is_clean(lm)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gptj", "falcon"])
def test_scores_are_scaled_products_of_q_and_k(name: str) -> None:
    lm = model_of(name)
    _, cache = lm.run_with_cache(PROMPT, [tap("q"), tap("k"), tap("attn_scores")])
    scores = torch.einsum("bthd,bshd->bhts", cache["q", 1], repeated(cache["k", 1])) * lm.cfg.d_head**-0.5
    count = scores.shape[-1]
    seen = torch.ones(count, count, dtype=torch.bool).tril()
    torch.testing.assert_close(scores[..., seen], cache["attn_scores", 1][..., seen], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_taps_under_a_cache_read_all_positions_and_give_the_text_of_a_run_without(name: str) -> None:
    lm = model_of(name)
    shapes: list[tuple[int, ...]] = []

    def halve(activation: Tensor, hook: object) -> Tensor:
        shapes.append(tuple(activation.shape))
        return activation * 0.5

    hooks = [([tap("k", layer) for layer in range(LAYERS)], halve)]
    begin = lm.encode(PROMPT, raw=True)
    request = Request(PROMPT, "", Sampling(0, max_tokens=5), baseline=False, raw=True)
    cached = generate(lm, request, {}, measures=False, hooks=hooks).steered.ids
    lengths = [shape[1] for shape in shapes[::LAYERS]]
    ids = list(begin)
    with lm.hooks(hooks):
        while len(ids) < len(begin) + len(cached):
            ids.append(int(lm(ids)[0, -1].argmax()))
    assert ids[len(begin) :] == list(cached)
    assert lengths[:2] == [len(begin), len(begin) + 1], "until a sliding window is full, all keys are there"
    assert is_clean(lm)


def random_lm(model: torch.nn.Module) -> LanguageModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return LanguageModel(model, tokenizer(), ref="own", id="own")


def test_soft_caps_and_sinks_are_honoured() -> None:
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    sizes |= {"intermediate_size": 48, "vocab_size": len(tokenizer())}
    gemma = random_lm(Gemma2ForCausalLM(Gemma2Config(**sizes, attn_logit_softcapping=1.5, sliding_window=4)))
    sinks = random_lm(GptOssForCausalLM(GptOssConfig(**sizes, num_local_experts=4, num_experts_per_tok=2)))
    for lm in (gemma, sinks):
        plain = lm(LONG)
        with lm.hooks([(lambda name: name.endswith("pattern"), lambda activation, hook: activation)]):
            torch.testing.assert_close(lm(LONG), plain, atol=1e-5, rtol=1e-4)
        _, cache = lm.run_with_cache(LONG, [tap("pattern"), tap("attn_scores")])
        rows = cache["pattern", 1].sum(-1)
        assert rows.max() < 0.999 if lm is sinks else torch.allclose(rows, torch.ones_like(rows), atol=1e-5)
        assert torch.equal(lm(LONG), plain) and is_clean(lm)
    _, cache = gemma.run_with_cache(LONG, lambda point: point.endswith("attn_scores"))
    seen = cache["attn_scores", 1] > -1e30
    assert cache["attn_scores", 1][seen].abs().max() <= 1.5


@pytest.mark.parametrize("name", INTERFACE)
def test_the_models_own_attention_is_back_whatever_was_raised(name: str) -> None:
    lm = model_of(name)
    before = lm.model.config._attn_implementation
    plain = lm(PROMPT)
    with pytest.raises(RuntimeError, match="outside"), lm.hooks([(tap("q"), lambda activation, hook: activation)]):
        assert lm.model.config._attn_implementation == "steer_tui_taps"
        raise RuntimeError("outside")
    assert lm.model.config._attn_implementation == before
    for _ in range(20):
        hook_id = lm.layers.register_hook(tap("pattern", 0), lambda activation, hook: activation)
        other = lm.layers.register_hook(tap("q", 1), lambda activation, hook: activation)
        assert lm.layers.unregister_hook(hook_id) and lm.model.config._attn_implementation == "steer_tui_taps"
        assert lm.layers.unregister_hook(other)
    assert lm.model.config._attn_implementation == before and torch.equal(lm(PROMPT), plain) and is_clean(lm)


def test_z_and_everything_outside_attention_leave_the_models_own_attention_on() -> None:
    lm = model_of("llama")
    with lm.hooks([(tap("z"), lambda activation, hook: activation), (1, lambda activation, hook: activation)]):
        assert lm.model.config._attn_implementation != "steer_tui_taps"
