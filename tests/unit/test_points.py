"""Hook points: their names, shapes and meaning on every architecture."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from steer_tui.engine.inference import batch_of
from steer_tui.errors import UsageError
from tests.unit.architectures import ARCHITECTURES, HEADS, LAYERS, WIDTH
from tests.unit.hooktools import LONG, PARALLEL, PROMPT, SHORT, TAPPED, is_clean, model_of

PER_BLOCK = (
    "hook_resid_pre",
    "attn.hook_q",
    "attn.hook_k",
    "attn.hook_v",
    "attn.hook_attn_scores",
    "attn.hook_pattern",
    "attn.hook_z",
    "hook_attn_out",
    "hook_resid_mid",
    "mlp.hook_pre",
    "mlp.hook_post",
    "hook_mlp_out",
    "hook_resid_post",
)
LEARNT_POSITIONS = ("gpt2", "gpt-neo", "opt")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_point_is_listed_for_every_block_and_unavailable_ones_say_why(name: str) -> None:
    lm = model_of(name)
    named = lm.hook_points.named
    blocks = [f"blocks.{layer}.{part}" for layer in range(LAYERS) for part in PER_BLOCK]
    assert set(named) == {
        "hook_tokens",
        "hook_embed",
        "hook_pos_embed",
        "ln_final.hook_normalized",
        "hook_logits",
        *blocks,
    }
    missing = {point.name: point.reason for point in named.values() if not point.available}
    expected = set() if name in LEARNT_POSITIONS else {"hook_pos_embed"}
    if name in PARALLEL:
        expected |= {f"blocks.{layer}.hook_resid_mid" for layer in range(LAYERS)}
    if name == "mixtral":
        expected |= {f"blocks.{layer}.mlp.{part}" for layer in range(LAYERS) for part in ("hook_pre", "hook_post")}
    assert set(missing) == expected and all(missing.values())
    assert list(lm.hook_dict) == [point for point in named if point not in missing]
    for point in missing:
        with pytest.raises(UsageError, match="cannot be hooked"):
            lm.layers.find(point)
    assert is_clean(lm)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_activation_has_the_shape_that_its_point_says(name: str) -> None:
    lm = model_of(name)
    ids, _ = batch_of(lm, [PROMPT, PROMPT])
    _, cache = lm.run_with_cache(ids)
    assert list(cache) == list(lm.hook_dict)
    words = {"batch": ids.shape[0], "pos": ids.shape[1], "key": ids.shape[1]}
    for point, activation in cache.items():
        shape = lm.hook_points[point].shape
        assert tuple(activation.shape) == tuple(words.get(size, size) for size in shape), point
    assert cache["z", 0].shape[2:] == (HEADS, WIDTH // HEADS)
    assert cache["pattern", 0].shape[1] == HEADS
    assert cache["k", 0].shape == cache["v", 0].shape and HEADS % cache["k", 0].shape[2] == 0
    assert is_clean(lm)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_resid_post_is_hidden_states_for_all_but_the_last_block(name: str) -> None:
    lm = model_of(name)
    ids, _ = batch_of(lm, PROMPT)
    _, cache = lm.run_with_cache(ids, lambda point: "resid_p" in point or "normalized" in point)
    own = copy.deepcopy(lm.model)  # transformers leaves hooks of its own on a model that was asked for hidden states
    with torch.no_grad():
        states = own(input_ids=ids, output_hidden_states=True).hidden_states
    for layer in range(LAYERS - 1):
        torch.testing.assert_close(cache["resid_post", layer], states[layer + 1], atol=1e-5, rtol=1e-5)
        assert torch.equal(cache["resid_post", layer], cache["resid_pre", layer + 1])
    torch.testing.assert_close(cache["ln_final.hook_normalized"], states[-1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_z_through_the_output_projection_gives_attn_out(name: str) -> None:
    lm = model_of(name)
    _, cache = lm.run_with_cache(PROMPT, lambda point: "hook_z" in point or "attn_out" in point)
    for layer in range(LAYERS):
        heads = [cache["z", layer][:, :, head] @ lm.W_O[layer, head] for head in range(lm.cfg.n_heads)]
        writer = lm.structure.attn_out(layer)
        assert writer is not None
        bias = writer.bias if isinstance(getattr(writer, "bias", None), Tensor) else torch.zeros(())
        torch.testing.assert_close(sum(heads) + bias, cache["attn_out", layer], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_replacing_any_point_by_itself_leaves_the_logits(name: str) -> None:
    lm = model_of(name)
    plain = lm(PROMPT)
    normal = [point for point in lm.hook_dict if not point.endswith(TAPPED) and point != "hook_tokens"]
    tapped = [point for point in lm.hook_dict if point.endswith(TAPPED)]
    for point in normal:
        assert torch.equal(lm.run_with_hooks(PROMPT, [(point, lambda activation, hook: activation.clone())]), plain), (
            point
        )
    for points in [[point] for point in tapped if point.startswith("blocks.1.")] + [tapped]:
        again = lm.run_with_hooks(PROMPT, [(points, lambda activation, hook: activation.clone())])
        torch.testing.assert_close(again, plain, atol=1e-5, rtol=1e-5)
    assert torch.equal(lm(PROMPT), plain) and is_clean(lm)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_changing_any_point_changes_the_logits(name: str) -> None:
    lm = model_of(name)
    plain = lm(PROMPT)
    for point in lm.hook_dict:
        if point != "hook_tokens" and not point.startswith("blocks.2."):
            changed = lm.run_with_hooks(PROMPT, [(point, lambda activation, hook: activation.roll(1, -1) * 1.5)])
            assert not torch.allclose(changed, plain, atol=1e-4), point


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name not in PARALLEL])
def test_resid_mid_is_what_the_rest_of_the_block_goes_on_with(name: str) -> None:
    lm = model_of(name)
    names = [f"blocks.1.{part}" for part in ("hook_resid_mid", "hook_mlp_out", "hook_resid_post")]
    other = torch.randn(1, len(lm.encode(PROMPT)), WIDTH, generator=torch.Generator().manual_seed(1))
    seen: dict[str, Tensor] = {}

    def keep(activation: Tensor, hook: object) -> None:
        seen[hook.name] = activation  # type: ignore[attr-defined]

    hooks = [(names[0], lambda activation, hook: other), *((point, keep) for point in names)]
    lm.run_with_hooks(PROMPT, hooks)
    assert torch.equal(seen[names[0]], other)
    written = seen[names[1]] * getattr(lm.model.config, "residual_multiplier", 1.0)
    after = getattr(lm.structure.blocks[1], "post_feedforward_layernorm", None)
    written = written if after is None else after(written)
    torch.testing.assert_close(seen[names[2]], other + written, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_rows_of_a_left_padded_batch_have_the_activations_of_the_row_alone(name: str) -> None:
    lm = model_of(name)
    _, batch = lm.run_with_cache([SHORT, LONG])
    _, alone = lm.run_with_cache(SHORT)
    start = batch.starts[0]
    assert start > 0 and batch.starts[1] == 0
    for point, activation in alone.items():
        axes = lm.hook_points[point].axes
        cut = tuple(slice(start, None) if axis in ("pos", "key") else slice(None) for axis in axes[1:])
        found = batch[point][0:1][(slice(None), *cut)]
        torch.testing.assert_close(found, activation, atol=1e-5, rtol=1e-4, msg=lambda text, at=point: f"{at}: {text}")


def test_every_module_path_is_a_point_with_its_shape() -> None:
    lm = model_of("llama")
    modules = {path for path, _ in lm.model.named_modules() if path}
    assert modules == set(lm.hook_points.modules)
    assert lm.hook_points["model.layers.1.mlp.gate_proj"].shape == ("batch", "pos", 48)
    assert lm.hook_points["model.layers.1.self_attn.q_proj"].index == 1
    layers = lm.hook_points["model.layers"]
    assert not layers.available and "list" in str(layers.reason)
    with pytest.raises(UsageError, match="list of modules"):
        lm.layers.find("model.layers")


def test_a_block_is_named_by_number_word_module_and_short_name() -> None:
    lm = model_of("gpt2")
    block = lm.structure.blocks[1]
    for signature in (1, "1", "layer_1", "blocks.1", "blocks.1.hook_resid_post", ("resid_post", 1), ("resid_post", -2)):
        point = lm.layers.find(signature)
        assert point.name == "blocks.1.hook_resid_post" and point.layer() == 1
        assert lm.model.get_submodule(point.module) is block
    assert lm.layers.find(block).name == "transformer.h.1"
    assert lm.layers.find("embed").name == "hook_embed"
    assert lm.layers[1] is block and len(lm.layers) == LAYERS and list(lm.layers)[1] is block


def test_an_unknown_point_is_refused_with_its_nearest_names() -> None:
    lm = model_of("gpt2")
    with pytest.raises(UsageError, match=r"blocks\.1\.hook_resid_pots") as raised:
        lm.layers.find("blocks.1.hook_resid_pots")
    assert "blocks.1.hook_resid_post" in str(raised.value.hint)
    with pytest.raises(UsageError) as raised:
        lm.layers.find("transformer.h.1.attn.c_atn")
    assert "transformer.h.1.attn.c_attn" in str(raised.value.hint)
    for wrong in (3, "layer_7", -1, "blocks.9"):
        with pytest.raises(UsageError):
            lm.layers.find(wrong)
    with pytest.raises(UsageError, match="matches no hook point"):
        lm.run_with_hooks(PROMPT, [(lambda name: "nothing" in name, lambda activation, hook: activation)])
    with pytest.raises(UsageError, match="no module of the model"):
        lm.layers.find(torch.nn.Linear(1, 1))


def test_listing_points_leaves_the_model_as_it_was() -> None:
    lm = model_of("qwen3")
    before = lm(PROMPT)
    lm.layers._where._whole = None
    with lm.hooks([(1, lambda activation, hook: activation * 2)]):
        assert lm.hook_points["blocks.0.hook_resid_mid"].available
        assert not torch.equal(lm(PROMPT), before)
    assert torch.equal(lm(PROMPT), before) and is_clean(lm)


def test_sizes_are_named_as_transformerlens_names_them() -> None:
    lm = model_of("llama")
    assert (lm.cfg.n_layers, lm.cfg.n_heads, lm.cfg.n_key_value_heads) == (3, 4, 2)
    assert (lm.cfg.d_model, lm.cfg.d_head, lm.cfg.d_mlp, lm.cfg.n_ctx) == (32, 8, 48, 64)
    assert lm.W_U.shape == (32, lm.cfg.d_vocab) and lm.W_E.shape == (lm.cfg.d_vocab, 32)
    assert lm.W_O[0].shape == (4, 8, 32) and torch.equal(lm.W_O[0][2], lm.W_O[0, 2])
    for wrong in ((0, 4), (3, 0), (0, -1)):
        with pytest.raises(UsageError):
            lm.W_O[wrong]
