"""Counts how often an activation was changed and by how much; sums stay on the device until they are asked for.

Knows nothing of hooks. Padding is never counted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from steer_tui.engine.moment import Moment

_ADDED = 5
"""Sums that are added up; the last one is a maximum."""


class Meter:
    """Counts of one hook; `read` waits for the device."""

    def __init__(self) -> None:
        self.passes = 0
        """Activations that were shown."""
        self._tokens = 0
        self._sums: Tensor | None = (
            None  # masked tokens, changed ones, changes, scales, changed passes; greatest change
        )

    def pass_by(self, tokens: int) -> None:
        """Count one activation without padding that was only read."""
        self.passes += 1
        self._tokens += tokens

    def note(self, before: Tensor, after: Tensor, moment: Moment) -> None:
        """Count one activation as it was and as it is now; heads of one token count together."""
        self.passes += 1
        mask, is_same = moment.mask(), after is before
        before = _by_token(before, moment)
        if mask is None:
            self._tokens += before.shape[:-1].numel()
            if is_same:
                return
        after = before if is_same else _by_token(after, moment)
        shown = None if mask is None else _by_token(mask.expand(moment.shape), moment).any(dim=-1)
        sums = _sums(before, after, shown)
        if self._sums is not None:
            added = self._sums[:_ADDED] + sums[:_ADDED]
            sums = torch.cat([added, torch.maximum(self._sums[_ADDED:], sums[_ADDED:])])
        self._sums = sums

    def read(self) -> dict[str, float]:
        """Return the counts.

        `passes` seen; `modifications` of them changed something; `tokens` in them, of which `changed_tokens` changed;
        `avg_change` and `max_change` are ||new - old|| / ||old|| over the changed tokens, `avg_scale` is the mean of
        ||new|| / ||old|| over them.
        """
        sums = self._sums.tolist() if self._sums is not None else [0.0] * (_ADDED + 1)
        changed = sums[1] or 1.0
        return {
            "passes": self.passes,
            "modifications": int(sums[4]),
            "tokens": self._tokens + int(sums[0]),
            "changed_tokens": int(sums[1]),
            "avg_change": sums[2] / changed,
            "max_change": sums[5],
            "avg_scale": sums[3] / changed,
        }


def _by_token(activation: Tensor, moment: Moment) -> Tensor:
    """Return (B, T, features), T the queries of scores and pattern; other shapes keep all but their last axis."""
    axis = moment.token_axis
    if axis is None or activation.dim() < 2:
        return activation if activation.dim() else activation.reshape(1)
    activation = activation.movedim(axis, 1)
    return activation.flatten(2) if activation.dim() > 2 else activation.unsqueeze(-1)


def _sums(before: Tensor, after: Tensor, shown: Tensor | None) -> Tensor:
    """Return the sums of one activation, float32 (6,), or float64 where the device has it."""
    old, new = before.detach().float(), after.detach().float()
    length = old.norm(dim=-1).clamp_min(1e-12)
    change = (new - old).norm(dim=-1) / length
    if shown is not None:
        change = torch.where(shown, change, 0.0)
    moved = change > 0
    tokens = change.new_zeros(()) if shown is None else shown.sum().float()
    scales = (new.norm(dim=-1) / length * moved).sum()
    greatest = change.amax() if change.numel() else change.sum()
    sums = torch.stack([tokens, moved.sum().float(), change.sum(), scales, moved.any().float(), greatest])
    return sums if sums.device.type == "mps" else sums.double()
