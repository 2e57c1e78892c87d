"""First principal component of the pair differences.

The pairs are centred at their midpoints, so that the component is that of the differences around zero: the mean
difference counts, where ordinary centring would take it away (repeng's `pca_center`; Zou et al. 2023).
"""

from __future__ import annotations

import torch
from torch import Tensor

from steer_tui.engine.methods.components import first_component


def directions(positive: Tensor, negative: Tensor, seed: int = 0) -> Tensor:
    """Return (L, D) from pairs, (n, L, D) each."""
    differences = positive - negative
    return torch.stack([first_component(differences[:, layer]) for layer in range(differences.shape[1])])
