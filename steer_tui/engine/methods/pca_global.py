"""First principal component of all texts of both classes around their common mean.

Finds the concept only where it is what the texts differ in most.
"""

from __future__ import annotations

import torch
from torch import Tensor

from steer_tui.engine.methods.components import first_component


def directions(positive: Tensor, negative: Tensor, seed: int = 0) -> Tensor:
    """Return (L, D) from positive (n, L, D) and negative (m, L, D)."""
    rows = torch.cat([positive, negative])
    rows = rows - rows.mean(dim=0)
    return torch.stack([first_component(rows[:, layer]) for layer in range(rows.shape[1])])
