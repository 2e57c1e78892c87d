"""Activations of one concept's examples to its vector at every layer, with the figures that judge it.

All activations are at hand here; `stream` does the same where there are too many. Knows nothing of models or text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steer_tui.engine.diagnose import FEWEST_FOR_HALVES, FEWEST_FOR_REST, agreement, diagnose
from steer_tui.engine.methods import find_directions


@dataclass(frozen=True)
class Fit:
    """What came of one concept; L layers."""

    raw: Tensor
    """(L, D): what strength 1 adds."""
    mean_below: Tensor
    """(L, D): mean of the negative texts."""
    residual_norm: Tensor
    """(L,)"""
    diagnostics: list[dict[str, float]]
    agreement: Tensor | None
    """(n, L), see `diagnose.agreement`; None where there are no pairs, or too few."""
    mean_difference: Tensor
    """(L, D): positive mean minus negative mean."""

    @property
    def origin(self) -> Tensor:
        """(L,): projection of the negative mean on the direction."""
        unit = self.raw / self.raw.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        return (self.mean_below * unit).sum(dim=-1)


def scaled(directions: Tensor, mean_difference: Tensor) -> Tensor:
    """Return directions (L, D) with the length that the class means lie apart along them, towards the positive mean."""
    unit = torch.nn.functional.normalize(directions, dim=-1, eps=1e-30)
    return (unit * mean_difference).sum(dim=-1, keepdim=True) * unit


def with_norms(diagnostics: list[dict[str, float]], raw: Tensor, norms: Tensor) -> list[dict[str, float]]:
    """Return the figures with relative_norm: the vector's length / the residual stream's."""
    shares = (raw.norm(dim=-1) / norms.clamp_min(1e-12)).tolist()
    return [{**figures, "relative_norm": share} for figures, share in zip(diagnostics, shares, strict=True)]


def fit(
    positive: Tensor, negative: Tensor, norms: Tensor, method: str, order: Sequence[Sequence[int]], seed: int = 0
) -> Fit:
    """Return the vector that a method finds.

    Args:
        positive: (n, L, D) float32.
        negative: (m, L, D) float32; pairs with `positive` where a method needs pairs.
        norms: (L,), norm of the residual stream over the negative texts.
        method: Of `methods`.
        order: An order of either side that hangs on the texts alone, for methods that draw or divide.
        seed: Of the draws.
    """
    find = find_directions(method)
    difference = positive.mean(dim=0) - negative.mean(dim=0)
    raw = scaled(find(positive[list(order[0])], negative[list(order[1])], seed), difference)
    halves: list[Tensor] | None = None
    if min(len(positive), len(negative)) >= FEWEST_FOR_HALVES:
        parts = [(positive[start::2], negative[start::2]) for start in (0, 1)]
        halves = [scaled(find(*part, seed), part[0].mean(dim=0) - part[1].mean(dim=0)) for part in parts]
    figures = [
        diagnose(
            positive[:, layer],
            negative[:, layer],
            raw[layer],
            None if halves is None else [half[layer] for half in halves],
        )
        for layer in range(raw.shape[0])
    ]
    agreed = None
    if len(positive) == len(negative) >= FEWEST_FOR_REST:
        agreed = torch.stack([agreement(positive[:, at], negative[:, at]) for at in range(raw.shape[0])], dim=1)
    return Fit(raw, negative.mean(dim=0), norms, with_norms(figures, raw, norms), agreed, difference)
