"""First principal component of the differences of random pairs, classes unknown (LAT, Zou et al. 2023).

The texts are shuffled several times, so that the direction hangs little on the luck of the draw.
"""

from __future__ import annotations

import torch
from torch import Tensor

from steer_tui.engine.methods.components import first_component

SHUFFLES = 8


def directions(positive: Tensor, negative: Tensor, seed: int = 0) -> Tensor:
    """Return (L, D) from positive (n, L, D) and negative (m, L, D); the same seed draws the same pairs."""
    pool = torch.cat([positive, negative])
    source = torch.Generator().manual_seed(seed)
    even = len(pool) - len(pool) % 2
    orders = torch.stack([torch.randperm(len(pool), generator=source)[:even] for _ in range(SHUFFLES)])
    found = []
    for layer in range(pool.shape[1]):
        drawn = pool[:, layer][orders]
        found.append(first_component((drawn[:, 0::2] - drawn[:, 1::2]).flatten(0, 1)))
    return torch.stack(found)
