"""`run_with_cache`: what is kept, by which names, where, and what is refused before it runs."""

from __future__ import annotations

import pytest
import torch

from steer_tui.engine import activation_cache
from steer_tui.engine.activation_cache import predicted_bytes
from steer_tui.errors import OutOfMemory, UsageError
from tests.unit.architectures import ARCHITECTURES, LAYERS
from tests.unit.hooktools import LONG, PROMPT, SHORT, is_clean, model_of


def test_one_activation_has_many_names() -> None:
    lm = model_of("llama")
    _, cache = lm.run_with_cache(PROMPT)
    one = cache["blocks.2.hook_resid_post"]
    for key in (("resid_post", 2), ("resid_post", -1), "layer_2", 2, "2", lm.structure.blocks[2]):
        try:
            assert cache[key] is one
        except KeyError:
            assert not isinstance(key, (str, int, tuple))
    assert cache["embed"] is cache["hook_embed"] and cache["ln_final"] is cache["ln_final.hook_normalized"]
    assert cache["z", 1] is cache["blocks.1.attn.hook_z"] and cache["scores", 0] is cache["attn_scores", 0]
    assert cache["post", 1] is cache["blocks.1.mlp.hook_post"] and ("pattern", 2) in cache and ("z", 7) not in cache
    assert len(cache) == len(list(cache.keys())) == len(cache.items()) and "activations" in repr(cache)
    assert cache.stack("resid_post").shape == (LAYERS, *one.shape)


def test_what_was_not_kept_is_named_with_its_nearest_names() -> None:
    lm = model_of("llama")
    _, cache = lm.run_with_cache(PROMPT, lambda name: "resid" in name)
    assert set(cache) == {name for name in lm.hook_dict if "resid" in name}
    with pytest.raises(KeyError, match=r"blocks\.0\.attn\.hook_z is not in this cache"):
        cache["z", 0]
    with pytest.raises(KeyError, match=r"nearest: .*blocks\.0\.hook_resid_p"):
        cache["blocks.0.hook_resid_pst"]
    with pytest.raises(KeyError):
        cache.stack("pattern")


@pytest.mark.parametrize("filter_", ["blocks.0.hook_resid_post", ["layer_0"], 0, ("resid_post", 0)])
def test_names_filters_may_be_names_lists_and_numbers(filter_: object) -> None:
    lm = model_of("gpt2")
    _, cache = lm.run_with_cache(PROMPT, filter_)  # type: ignore[arg-type]
    assert list(cache) == ["blocks.0.hook_resid_post"]
    _, modules = lm.run_with_cache(PROMPT, ["transformer.h.1.attn.c_attn", "transformer.h.0"])
    assert modules["transformer.h.1.attn.c_attn"].shape[-1] == 96
    with pytest.raises(UsageError, match="no hook point"):
        lm.run_with_cache(PROMPT, "blocks.0.hook_nothing")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_predicted_size_is_the_size(name: str) -> None:
    lm = model_of(name)
    _, cache = lm.run_with_cache([SHORT, LONG])
    shape = cache["hook_tokens"].shape
    assert predicted_bytes([lm.hook_points[point] for point in cache], shape[0], shape[1], 4) == cache.nbytes
    with pytest.raises(OutOfMemory, match="take") as raised:
        lm.run_with_cache([SHORT, LONG], limit_bytes=cache.nbytes - 1)
    assert "names_filter" in str(raised.value.hint) and is_clean(lm)
    lm.run_with_cache([SHORT, LONG], limit_bytes=cache.nbytes)


def test_a_cache_that_the_machine_cannot_hold_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = model_of("llama")
    ran: list[int] = []
    monkeypatch.setattr(activation_cache, "device_free", lambda device: 10**6)
    with lm.hooks([(0, lambda activation, hook: ran.append(1))]), pytest.raises(OutOfMemory):
        lm.run_with_cache(torch.zeros(64, 64, dtype=torch.long), device="cpu")
    assert not ran


def test_the_cache_is_of_the_run_with_its_hooks_and_its_own_copy() -> None:
    lm = model_of("gpt2")
    with lm.hooks([(0, lambda activation, hook: activation * 0)]):
        logits, cache = lm.run_with_cache(PROMPT)
        assert torch.equal(logits, lm(PROMPT)) or torch.allclose(logits, lm(PROMPT), atol=1e-5)
    assert cache["resid_post", 0].abs().max() == 0
    cache["resid_post", 1].zero_()
    assert cache["resid_pre", 2].abs().max() > 0
    assert cache.to("cpu")["embed"].device.type == "cpu" and not cache["embed"].requires_grad
    loss, _ = lm.run_with_cache(PROMPT, 0, "loss")
    assert loss.dim() == 0 and lm.run_with_cache(PROMPT, 0, None)[0] is None


def test_the_graph_is_kept_when_asked() -> None:
    lm = model_of("llama")
    vector = torch.zeros(32, requires_grad=True)
    with lm.hooks([("hook_embed", lambda activation, hook: activation + vector)]):
        _, cache = lm.run_with_cache(PROMPT, 1, keep_graph=True)
    cache["layer_1"].sum().backward()
    assert vector.grad is not None and vector.grad.abs().max() > 0


@pytest.mark.parametrize("device", ["nonsense", "meta", "cuda:99", "mps"])
def test_a_device_that_is_not_there_is_refused_before_anything_runs(device: str) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("it is there")
    lm = model_of("llama")
    with pytest.raises(UsageError, match="there is no"):
        lm.run_with_cache(SHORT, 0, device=device)
    assert is_clean(lm)


def test_a_key_that_no_point_can_have_is_a_missing_one() -> None:
    _, cache = model_of("llama").run_with_cache(SHORT, 0)
    for key in (("q", "x"), ("resid_post", 99), "nonsense", 17):
        assert key not in cache
        with pytest.raises(KeyError):
            cache[key]
