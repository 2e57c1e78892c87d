"""A key-value cache that grows in steps instead of being copied for every token.

Works for every model that takes transformers' `DynamicCache`; layers of other kinds (sliding windows, state spaces) are
left as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_SPARE = 128
"""Positions made free each time the store is full."""


class GrowingLayer(DynamicLayer):
    """Keys and values of one layer as views of a larger store.

    Whatever replaces them, such as a choice of rows, makes the next update begin a new store.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._store: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append keys and values, (B, heads, T, head_dim) each, and return all there are."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.get_seq_length()
        end = length + key_states.shape[-2]
        if self._store is None or not self._is_in_store(self._store[0]) or end > self._store[0].shape[-2]:
            self._store = (self._grown(self.keys, key_states, end), self._grown(self.values, value_states, end))
        keys, values = self._store
        keys[..., length:end, :] = key_states
        values[..., length:end, :] = value_states
        self.keys, self.values = keys[..., :end, :], values[..., :end, :]
        return self.keys, self.values

    def _is_in_store(self, store: Tensor) -> bool:
        return self.keys.data_ptr() == store.data_ptr() and self.keys.shape[:-2] == store.shape[:-2]

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every row; the store is made anew."""
        super().batch_repeat_interleave(repeats)
        self._store = None

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some rows; the store is made anew."""
        super().batch_select_indices(indices)
        self._store = None

    @staticmethod
    def _grown(old: Tensor, new: Tensor, end: int) -> Tensor:
        store = new.new_empty((*new.shape[:-2], end + _SPARE, new.shape[-1]))
        if old.numel():
            store[..., : old.shape[-2], :] = old
        return store


def new_cache(config: Any) -> DynamicCache:
    """Return an empty cache for a model of this config."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    if cache.layer_class_to_replicate is DynamicLayer:
        cache.layer_class_to_replicate = GrowingLayer
    return cache


def keep_rows(cache: DynamicCache, rows: list[int]) -> None:
    """Go on with these rows only, in this order; one that is named twice becomes two."""
    cache.batch_select_indices(torch.tensor(rows))  # on the CPU, as with a device map the layers lie on several devices
