"""Difference of the class means (Turner et al. 2023; Rimsky et al. 2024)."""

from __future__ import annotations

from torch import Tensor


def directions(positive: Tensor, negative: Tensor, seed: int = 0) -> Tensor:
    """Return (L, D) from positive (n, L, D) and negative (m, L, D)."""
    return positive.mean(dim=0) - negative.mean(dim=0)
