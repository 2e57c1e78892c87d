"""Attention written out, so that q, k, v, scores and pattern can be read and changed; for models that let it be chosen.

Registered with transformers beside its mask; switched on only while such a point is hooked, and always switched back.
Models that do not use that interface are `attention_trace`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from steer_tui.errors import ModelError

IMPLEMENTATION = "steer_tui_taps"
_TAP = "_steer_tui_tap"

Tap = Callable[[str, Tensor], Tensor]
"""(side, tensor with the axes of its point) -> what attention goes on with."""


def tapped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor]:
    """Return (z (B, T, heads, head_dim), pattern (B, heads, T, S)) as transformers' eager attention does.

    Args:
        module: The attention module.
        query: (B, heads, T, head_dim), rotated already.
        key, value: (B, key heads, S, head_dim); fewer heads than the query's are repeated.
        attention_mask: (B, 1, T, S), added to the scores; None for none.
        scaling: Factor of the scores; None for 1 / sqrt(head_dim).
        softcap: Scores are held within plus and minus this; None for no cap (Gemma 2).
        s_aux: Learnt scores of a sink per head, which takes its share of the pattern (gpt-oss).
        dropout, kwargs: Ignored; models are in eval mode.
    """
    tap: Tap = module.__dict__.get(_TAP, _untouched)
    query, key, value = (
        tap(side, tensor.transpose(1, 2)).transpose(1, 2) for side, tensor in (("q", query), ("k", key), ("v", value))
    )
    key, value = (_repeated(tensor, query.shape[1]) for tensor in (key, value))
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    scores = tap("attn_scores", scores + _mask(attention_mask, scores, module))
    if s_aux is not None:
        sinks = s_aux.reshape(1, -1, 1, 1).expand(scores.shape[0], -1, scores.shape[2], 1).to(scores)
        pattern = torch.softmax(torch.cat([scores, sinks], dim=-1), dim=-1, dtype=torch.float32)[..., :-1]
    else:
        pattern = torch.softmax(scores, dim=-1, dtype=torch.float32)
    pattern = tap("pattern", pattern.to(value.dtype))
    return (pattern @ value).transpose(1, 2).contiguous(), pattern


AttentionInterface.register(IMPLEMENTATION, tapped_attention)
AttentionMaskInterface.register(IMPLEMENTATION, eager_mask)


class InterfaceTaps:
    """Switches a model to `tapped_attention` and back."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._before: list[tuple[Any, Any]] = []
        self._open: dict[int, list[nn.Module]] = {}

    def open(self, block: int, attn: nn.Module, tap: Tap) -> None:
        """Tap a block's attention; the first one switches the model.

        Raises:
            ModelError: transformers does not let the attention of this model be chosen.
        """
        if not self._open:
            self._switch()
        self._open[block] = list(attn.modules())
        for module in self._open[block]:
            module.__dict__[_TAP] = tap

    def close(self, block: int) -> None:
        """Let a block's attention be; the last one switches the model back."""
        for module in self._open.pop(block, ()):
            module.__dict__.pop(_TAP, None)
        if not self._open:
            for config, implementation in self._before:
                config._attn_implementation_internal = implementation
            self._before = []

    def _switch(self) -> None:
        configs = {id(m.config): m.config for m in self._model.modules() if isinstance(m, PreTrainedModel)}
        for config in list(configs.values()):
            parts = (getattr(config, name, None) for name in getattr(config, "sub_configs", {}))
            configs.update({id(part): part for part in parts if part is not None})
        self._before = [(config, getattr(config, "_attn_implementation_internal", None)) for config in configs.values()]
        self._model.set_attn_implementation(IMPLEMENTATION)
        if self._model.config.get_text_config()._attn_implementation != IMPLEMENTATION:
            self.close(-1)
            raise ModelError(
                f"the attention of {type(self._model).__name__} cannot be opened",
                hint="hook_z and the modules of attention can be hooked",
            )


def _untouched(side: str, tensor: Tensor) -> Tensor:
    return tensor


def _repeated(tensor: Tensor, heads: int) -> Tensor:
    """Return (B, heads, S, head_dim) from fewer key heads, each repeated for its group of query heads."""
    groups = heads // tensor.shape[1]
    return tensor if groups == 1 else tensor.repeat_interleave(groups, dim=1)


def _mask(mask: Tensor | None, scores: Tensor, module: nn.Module) -> Tensor:
    """Return what is added to the scores: the model's mask, or a causal one where it gave none."""
    if mask is not None:
        mask = mask[..., : scores.shape[-1]]
        low = torch.finfo(scores.dtype).min
        return torch.where(mask, 0.0, low).to(scores.dtype) if mask.dtype == torch.bool else mask
    count, keys = scores.shape[-2:]
    if count == 1 or not getattr(module, "is_causal", True):
        return scores.new_zeros(())
    later = torch.ones(count, keys, dtype=torch.bool, device=scores.device).triu(keys - count + 1)
    return scores.new_zeros(count, keys).masked_fill(later, torch.finfo(scores.dtype).min)
