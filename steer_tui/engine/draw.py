"""Draws the next token of every row from its own random numbers.

A row draws by inverting the cumulative distribution at one uniform number per step: two rows with one seed see the same
numbers, so steered and unsteered text differ only where their distributions do (common random numbers).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from steer_tui.engine.types import Sampling

_COLDEST = 1e-6
"""Below it, float32 cannot tell the temperature from 0."""


class Drawer:
    """The sampling state of the rows of one batch."""

    def __init__(self, samplings: Sequence[Sampling]) -> None:
        self._samplings = list(samplings)
        self._random = [random.Random(sampling.seed) for sampling in samplings]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        self._samplings = [self._samplings[row] for row in rows]
        self._random = [self._random[row] for row in rows]

    def draw(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return the drawn ids (R,) and their log-probabilities (R,) before temperature and filters.

        Args:
            logits: (R, V), any float dtype. A row whose logits are not finite draws its largest finite one.
        """
        logprobs = torch.log_softmax(logits.float(), dim=-1)
        uniform = [source.random() for source in self._random]
        best, ids = logits.max(dim=-1)
        if not bool(torch.isfinite(best).all()):  # NaN wins every comparison
            ids = torch.nan_to_num(logits, nan=-torch.inf).argmax(dim=-1)
        hot = [row for row, sampling in enumerate(self._samplings) if sampling.temperature > 0 and sampling.top_k != 1]
        if hot:
            index = torch.tensor(hot, device=logits.device)
            chosen = _invert(self._filtered(logprobs, hot), [uniform[row] for row in hot])
            sane = torch.isfinite(logprobs[index]).any(dim=-1)
            ids = ids.index_copy(0, index, torch.where(sane, chosen, ids[index]))
        return ids, logprobs.gather(1, ids.unsqueeze(1)).squeeze(1)

    def _filtered(self, logprobs: Tensor, rows: Sequence[int]) -> Tensor:
        """Return the probabilities (len(rows), V) that temperature, top-k and top-p leave, not normalised."""
        chosen = [self._samplings[row] for row in rows]
        heat = logprobs.new_tensor([[max(sampling.temperature, _COLDEST)] for sampling in chosen])
        picked = logprobs if len(rows) == len(self._samplings) else logprobs[list(rows)]
        probs = torch.softmax((picked - picked.amax(dim=-1, keepdim=True)) / heat, dim=-1)
        for slot, sampling in enumerate(chosen):
            if 0 < sampling.top_k < probs.shape[-1]:
                least = probs[slot].topk(sampling.top_k).values[-1]
                probs[slot] = torch.where(probs[slot] >= least, probs[slot], 0.0)
            if sampling.top_p < 1:
                probs[slot] = _nucleus(probs[slot], sampling.top_p)
        return probs


def _nucleus(probs: Tensor, top_p: float) -> Tensor:
    """Keep the fewest likeliest tokens (V,) whose share reaches `top_p`, at least one."""
    ordered, order = probs.sort(descending=True, stable=True)
    before = ordered.cumsum(0) - ordered
    dropped = before >= top_p * probs.sum()
    dropped[0] = False
    return probs.index_fill(0, order[dropped], 0.0)


def _invert(probs: Tensor, uniform: Sequence[float]) -> Tensor:
    """Return for each row the first id whose cumulative share exceeds its uniform number."""
    if probs.device.type == "mps":  # it has no float64
        return _invert(probs.cpu(), uniform).to(probs.device)
    cumulative = probs.double().cumsum(dim=-1)
    target = torch.tensor(uniform, dtype=torch.float64, device=probs.device) * cumulative[:, -1]
    found = torch.searchsorted(cumulative, target.unsqueeze(1), right=True).squeeze(1)
    # Rounding may point one past the end, or at an id that a filter took away: the last id with a share is right then.
    last = (probs > 0).long().mul(torch.arange(probs.shape[-1], device=probs.device)).amax(dim=-1)
    return torch.minimum(found, last)
