"""How far two rows of next-token logits lie apart, and which tokens rose and fell most."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.hookvalues import LogitDifference, TokenShift
from steer_tui.text import clean


def logit_difference(steered: Tensor, baseline: Tensor, tokenizer: Any, count: int = 5) -> LogitDifference:
    """Compare two rows of logits, (V,); brings a few numbers to the host, once.

    Args:
        steered: With recipe and hooks.
        baseline: Without.
        tokenizer: Names the tokens.
        count: Tokens to name on either side; only those that really rose or fell.
    """
    new, old = steered.float(), baseline.float()
    delta = torch.where(torch.isfinite(new) & torch.isfinite(old), new - old, 0.0)
    count = min(count, delta.shape[0])
    places = torch.cat([delta.topk(count).indices, (-delta).topk(count).indices])
    picked = torch.stack([places.float(), new[places], old[places]])  # ids are exact in float32 up to 2**24
    size = delta.abs()
    numbers = torch.cat([torch.stack([size.max(), size.mean()]), picked.flatten()]).tolist()
    ids, news, olds = (numbers[2 + part * 2 * count :][: 2 * count] for part in range(3))
    shifts = [
        TokenShift(int(token), clean(tokenizer.decode([int(token)])), after, before)
        for token, after, before in zip(ids, news, olds, strict=True)
    ]
    return LogitDifference(
        max=numbers[0],
        mean=numbers[1],
        risen=tuple(shift for shift in shifts[:count] if shift.steered > shift.baseline),
        fallen=tuple(shift for shift in shifts[count:] if shift.steered < shift.baseline),
    )
