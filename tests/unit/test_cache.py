"""The growing cache gives what transformers' own cache gives, whatever is done to it between updates."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import DynamicCache, LlamaConfig, MistralConfig
from transformers.cache_utils import DynamicLayer

from steer_tui.engine.cache import GrowingLayer, keep_rows, new_cache

HEADS, DIM = 2, 4

actions = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.integers(1, 200)),
        st.tuples(st.just("update"), st.just(1)),
        st.tuples(st.just("select"), st.integers(0, 2**20)),
        st.tuples(st.just("repeat"), st.integers(1, 3)),
        st.tuples(st.just("crop"), st.integers(1, 5)),
        st.tuples(st.just("reorder"), st.integers(0, 2**20)),
        st.tuples(st.just("reset"), st.just(0)),
    ),
    max_size=12,
)


def both(act: str, amount: int, layers: tuple[DynamicLayer, DynamicLayer], rows: int, source: torch.Generator) -> int:
    """Do one thing to both layers, check what they return, and return the rows they have now."""
    if act == "update":
        keys, values = (torch.randn(rows, HEADS, amount, DIM, generator=source) for _ in range(2))
        for found, wanted in zip(*(layer.update(keys, values) for layer in layers), strict=True):
            assert torch.equal(found, wanted)
        return rows
    if layers[1].get_seq_length() == 0:
        return rows
    if act in ("select", "reorder"):
        count = amount % rows + 1 if act == "select" else rows
        chosen = torch.randint(rows, (count,), generator=torch.Generator().manual_seed(amount))
        for layer in layers:
            layer.batch_select_indices(chosen) if act == "select" else layer.reorder_cache(chosen)
        return count
    if act == "repeat" and rows * amount <= 12:
        for layer in layers:
            layer.batch_repeat_interleave(amount)
        return rows * amount
    if act == "crop" and layers[1].get_seq_length() > amount:
        for layer in layers:
            layer.crop(-amount)
    if act == "reset":
        for layer in layers:
            layer.reset()
    return rows


@settings(max_examples=300)
@given(actions, st.integers(0, 9))
def test_a_growing_layer_equals_a_dynamic_one(todo: list[tuple[str, int]], seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    layers, rows = (GrowingLayer(), DynamicLayer()), 3
    for act, amount in todo:
        rows = both(act, amount, layers, rows, source)
        assert layers[0].get_seq_length() == layers[1].get_seq_length()
        assert layers[0].get_mask_sizes(1) == layers[1].get_mask_sizes(1)


def test_what_was_returned_before_stays_as_it_was() -> None:
    layer, ones = GrowingLayer(), torch.ones(1, HEADS, 3, DIM)
    first, _ = layer.update(ones, ones)
    before = first.clone()
    for place in range(300):
        layer.update(ones[:, :, :1] * place, ones[:, :, :1] * place)
    assert torch.equal(first, before)


def test_single_tokens_are_written_in_place_and_seldom_copied() -> None:
    layer, one = GrowingLayer(), torch.ones(1, HEADS, 1, DIM)
    stores = {layer.update(one, one)[0].data_ptr() for _ in range(512)}
    assert len(stores) <= 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_dtype_is_that_of_the_keys(dtype: torch.dtype) -> None:
    keys, values = GrowingLayer().update(*[torch.ones(1, HEADS, 2, DIM, dtype=dtype)] * 2)
    assert keys.dtype == values.dtype == dtype


def filled(cache: DynamicCache, rows: int = 1) -> list[Tensor]:
    keys = torch.randn(rows, HEADS, 5, DIM, generator=torch.Generator().manual_seed(0))
    return [cache.update(keys, keys, layer)[0] for layer in range(2)]


def test_a_new_cache_grows_where_it_can_and_keeps_sliding_layers() -> None:
    plain = new_cache(LlamaConfig(num_hidden_layers=2))
    filled(plain)
    assert [type(layer) for layer in plain.layers] == [GrowingLayer, GrowingLayer]
    sliding = new_cache(MistralConfig(num_hidden_layers=2, sliding_window=8))
    assert all(layer.is_sliding for layer in sliding.layers)


@pytest.mark.parametrize(
    "config", [LlamaConfig(num_hidden_layers=2), MistralConfig(num_hidden_layers=2, sliding_window=4)]
)
def test_rows_are_repeated_and_kept(config: LlamaConfig) -> None:
    cache = new_cache(config)
    filled(cache)
    keep_rows(cache, [0] * 4)
    assert all(layer.keys.shape[0] == 4 for layer in cache.layers)
    cache = new_cache(config)
    filled(cache, rows=4)
    before = [layer.keys.clone() for layer in cache.layers]
    keep_rows(cache, [2, 0])
    for layer, old in zip(cache.layers, before, strict=True):
        assert torch.equal(layer.keys, old[[2, 0]])
