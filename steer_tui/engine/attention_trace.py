"""Reads and changes q, k, v, scores and pattern where attention is a product, a softmax and a product of its own.

GPT-Neo, GPT-J, BLOOM, Falcon and MPT write attention out themselves. While such a module runs, its torch functions are
watched: the first product is q with k, what enters the softmax are the scores, the product after it is the pattern
with v; a fused attention call is taken apart. Other modules run as they were, and nothing is watched while nothing is
hooked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from steer_tui.engine.attention import Tap

_PRODUCTS = (torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm)
_SUMMED = (torch.baddbmm, Tensor.baddbmm)
_SOFTMAX = (F.softmax, torch.softmax, Tensor.softmax)


class TraceTaps:
    """Watches the attention of the blocks that are tapped."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[nn.Module, Any]] = {}

    def open(self, block: int, attn: nn.Module, tap: Tap) -> None:
        """Tap a block's attention."""
        before = attn.__dict__.get("forward")
        plain = attn.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            taken = next((a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), None)
            with _Watch(tap, taken.shape[0] if taken is not None else 1):
                return plain(*args, **kwargs)

        self._open[block] = (attn, before)
        attn.__dict__["forward"] = forward

    def close(self, block: int) -> None:
        """Let a block's attention be."""
        attn, before = self._open.pop(block)
        if before is None:
            attn.__dict__.pop("forward", None)
        else:
            attn.__dict__["forward"] = before


class _Watch(TorchFunctionMode):
    """Follows one call of an attention module."""

    def __init__(self, tap: Tap, batch: int) -> None:
        super().__init__()
        self._tap = tap
        self._batch = batch
        self._scored = False
        self._weighed = False
        self._done = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if self._done:
            return func(*args, **options)
        if func is F.scaled_dot_product_attention:
            self._done = True
            return self._fused(*args, **options)
        if func in _SOFTMAX and self._scored:
            return self._softmax(func, args, options)
        if func in _PRODUCTS and _is_product(args):
            return self._product(func, list(args), options, 0)
        if func in _SUMMED:
            named = [options.pop(name) for name in ("batch1", "batch2") if name in options]
            return self._product(func, [*args, *named], options, 1)
        return func(*args, **options)

    def _product(self, func: Callable[..., Any], args: list[Any], options: dict[str, Any], first: int) -> Any:
        """Take q @ k.T before the softmax and pattern @ v after it; one of three axes has rows and heads together."""
        left, right = args[first], args[first + 1]
        if not self._scored:
            self._scored = True
            args[first] = self._heads("q", left)
            args[first + 1] = self._heads("k", right.transpose(-1, -2)).transpose(-1, -2)
        elif self._weighed:
            self._done = True
            args[first + 1] = self._heads("v", right)
        return func(*args, **options)

    def _softmax(self, func: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
        self._weighed = True
        scores, rest = args[0], args[1:]
        shown = scores.reshape(self._batch, -1, *scores.shape[-2:])
        pattern = func(self._tap("attn_scores", shown), *rest, **options)
        return self._tap("pattern", pattern).reshape(scores.shape)

    def _heads(self, side: str, tensor: Tensor) -> Tensor:
        """Show (B, heads, T, head_dim), or rows and heads in one axis, as (B, T, heads, head_dim)."""
        shown = tensor.reshape(self._batch, -1, *tensor.shape[-2:]).transpose(1, 2)
        changed = self._tap(side, shown)
        return tensor if changed is shown else changed.transpose(1, 2).reshape(tensor.shape)

    def _fused(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Return what the fused attention returns, taken apart; (B, heads, T, head_dim)."""
        query, key, value = self._heads("q", query), self._heads("k", key), self._heads("v", value)
        if enable_gqa:
            groups = query.shape[1] // key.shape[1]
            key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = query @ key.transpose(-1, -2) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        low = torch.finfo(scores.dtype).min
        if is_causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(later, low)
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, low) if attn_mask.dtype == torch.bool else scores + attn_mask
        scores = self._tap("attn_scores", scores)
        pattern = self._tap("pattern", torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype))
        return pattern @ value


def _is_product(args: tuple[Any, ...]) -> bool:
    """Say whether these are the operands of a batched product of activations."""
    return len(args) == 2 and all(isinstance(a, Tensor) and a.dim() >= 3 for a in args)
