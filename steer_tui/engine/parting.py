"""Prompts read once up to where rows part: a row leaves the common pass at the first block that steers it.

Below its first steered block a row is what every other row is, so it is computed for all of them together; the batch
grows from block to block. Promises the numbers of plain rows; whether a model's blocks take a batch that grew is tried
once, not believed.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.blockhooks import BlockHooks
from steer_tui.engine.cache import new_cache
from steer_tui.engine.groups import group
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.normmeter import NormMeter
from steer_tui.engine.plan import Plan

_TRIAL_TOKENS = 5
_CLOSE = 1e-3
"""Of the largest logit; a wrong row is off by far more."""


class Parting:
    """Says for every block which rows of the batch stand for which rows, and grows the batch."""

    def __init__(
        self, plan: Plan, rows: Sequence[int], layer_count: int, positions: Tensor, meter: NormMeter | None
    ) -> None:
        """Lay out the pass of one prompt that all rows share.

        Args:
            plan: What steers the rows, at blocks' outputs only.
            rows: Their indices, by which the meter knows them.
            layer_count: Blocks of the model.
            positions: (1, T) absolute positions of the prompt.
            meter: Measures how much steering adds.
        """
        self._rows, self._meter = rows, meter
        terms = [plan.on_prompt(row) for row in range(len(rows))]
        self.places: list[list[int]] = []
        """For each block, the place of every row in the batch that the block sees."""
        self._grown: dict[int, tuple[Tensor, Plan]] = {}
        self.place = [0] * len(rows)
        """The place of every row in the batch that leaves the last block."""
        for layer in range(layer_count):
            self.places.append(self.place)
            if not any(layer in term.layers for row in terms for term in row):
                continue
            read, place = group(
                tuple(term for term in row if min(term.layers, default=layer_count) <= layer) for row in terms
            )
            index = torch.tensor([self.place[row] for row in read])
            own = plan.some(read)
            own.at([int(positions[0, -1])] * len(read), positions.expand(len(read), -1))
            self._grown[layer] = (index, own)
            self.place = place

    def pass_on(self, layer: Any, hidden: Tensor) -> Tensor:
        """Return a block's output (B, T, D) with the rows that part there, as steered."""
        if layer not in self._grown:
            return hidden
        index, plan = self._grown[layer]
        before = hidden if len(index) == len(hidden) else hidden[index.to(hidden.device)]
        after = plan.apply(layer, before)
        if self._meter is not None and after is not before:
            self._meter.at(self._rows, self.places[layer + 1] if layer + 1 < len(self.places) else self.place)
            self._meter.note(before, after)
        return after

    def spread(self, cache: Any) -> None:
        """Give every row its own keys and values."""
        for layer, place in zip(cache.layers, self.places, strict=True):
            layer.batch_select_indices(torch.tensor(place))


def can_part(lm: LanguageModel) -> bool:
    """Say whether a model's blocks take a batch that grew on the way; tried once per model."""
    known: bool | None = getattr(lm, "_can_part", None)
    if known is None:
        known = _try(lm)
        lm._can_part = known  # type: ignore[attr-defined]
    return known


@torch.inference_mode()
def _try(lm: LanguageModel) -> bool:
    """Compare two rows that part in the middle with the same two rows from the start."""
    middle = (len(lm.structure.blocks) - 1) // 2
    source = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 50, (1, _TRIAL_TOKENS), generator=source).to(lm.device)
    nudge = torch.randn(2, 1, lm.info.width, generator=source)

    def moved(hidden: Tensor) -> Tensor:
        size = hidden.float().norm(dim=-1, keepdim=True) / lm.info.width**0.5
        return (hidden.float() + size * nudge.to(hidden.device)).to(hidden.dtype)

    try:
        wanted, _ = _pass(lm, ids.expand(2, -1), middle, moved)
        found, cache = _pass(lm, ids, middle, lambda hidden: moved(hidden[torch.tensor([0, 0])]))
        if len(cache.layers) != len(lm.structure.blocks) or found.shape != wanted.shape:
            return False
        sizes = [layer.keys.shape[0] for layer in cache.layers]
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError):
        return False
    grown = [1 if layer <= middle else 2 for layer in range(len(sizes))]
    limit = (_CLOSE if lm.dtype == torch.float32 else 0.05) * float(wanted.abs().max())
    return sizes == grown and bool((found - wanted).abs().max() <= limit)


def _pass(lm: LanguageModel, ids: Tensor, middle: int, act: Any) -> tuple[Tensor, Any]:
    """Return the last position's logits (R, V) and the cache of a pass that is changed after one block."""
    cache = new_cache(lm.model.config)
    options: dict[str, Any] = {"past_key_values": cache, "use_cache": True, "return_dict": True}
    if "position_ids" in inspect.signature(lm.model.forward).parameters:
        options["position_ids"] = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape[0], -1)
    with lm.layers.paused(), BlockHooks(lm.structure, lambda layer, hidden: act(hidden)) as hooks:
        hooks.cover([middle])
        logits: Tensor = lm.model(input_ids=ids, **options).logits
    return logits[:, -1].float(), cache


def parts(plan: Plan, prompts: Sequence[tuple[int, ...]]) -> bool:
    """Say whether there is something to win: one prompt, rows that are steered on it, at blocks' outputs only."""
    if len(set(prompts)) != 1 or not all(isinstance(one, int) for one in plan.layers):
        return False
    return len({plan.on_prompt(row) for row in range(len(prompts))}) > 1
