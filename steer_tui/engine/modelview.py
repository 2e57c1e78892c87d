"""A model's sizes and weights by the names that TransformerLens gives them; views of the model's own tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.pointfinder import head_count, kv_head_count, linear_sizes
from steer_tui.errors import UsageError


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a model; 0 where the architecture has no such thing."""

    model_name: str
    n_layers: int
    n_heads: int
    n_key_value_heads: int
    d_model: int
    d_head: int
    d_mlp: int
    d_vocab: int
    n_ctx: int
    device: str
    dtype: torch.dtype


class OutputWeights:
    """The output projections of attention, cut into heads."""

    def __init__(self, lm: Any) -> None:
        self._lm = lm

    def __getitem__(self, place: int | tuple[int, int]) -> Tensor:
        """Return (d_head, d_model) for [layer, head] and (heads, d_head, d_model) for [layer].

        Raises:
            UsageError: The block has no output projection, or there is no such layer or head.
        """
        layer, head = place if isinstance(place, tuple) else (place, None)
        lm = self._lm
        if not 0 <= layer < len(lm.structure.blocks):
            raise UsageError(f"there is no block {layer}", hint=f"the model has {len(lm.structure.blocks)}")
        writer, heads = lm.structure.attn_out(layer), lm.cfg.n_heads
        sizes = linear_sizes(writer) if writer is not None else None
        if writer is None or sizes is None or not heads or sizes[0] % heads:
            raise UsageError(f"block {layer} has no output projection that heads can be told from")
        weight = writer.weight if type(writer).__name__ == "Conv1D" else writer.weight.T
        whole: Tensor = weight.unflatten(0, (heads, -1))
        if head is not None and not 0 <= head < heads:
            raise UsageError(f"there is no head {head}", hint=f"the model has {heads}")
        return whole if head is None else whole[head]


def unembedding(lm: Any) -> Tensor:
    """Return the unembedding as (d_model, d_vocab)."""
    return lm.structure.unembed.weight.T


def describe(lm: Any) -> ModelConfig:
    """Return the sizes of a loaded model."""
    structure, config = lm.structure, lm.model.config.get_text_config()
    heads = head_count(config)
    attn, writer = structure.attn(0), structure.attn_out(0)
    sizes = linear_sizes(writer) if writer is not None else None
    last = structure.mlp_out(0)
    hidden = linear_sizes(last) if last is not None else None
    return ModelConfig(
        model_name=lm.info.id,
        n_layers=len(structure.blocks),
        n_heads=heads,
        n_key_value_heads=kv_head_count(attn, config, heads) if attn is not None else 0,
        d_model=structure.width,
        d_head=sizes[0] // heads if sizes and heads else 0,
        d_mlp=hidden[0] if hidden else 0,
        d_vocab=int(structure.unembed.weight.shape[0]),
        n_ctx=lm.info.context,
        device=str(lm.device),
        dtype=lm.dtype,
    )
