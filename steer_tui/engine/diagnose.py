"""Figures that foretell whether a vector will work, free at extraction: from the texts' activations at one layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def diagnose(positive: Tensor, negative: Tensor) -> dict[str, float]:
    """Return separation, consistency, split_half and auroc of two classes of texts; what cannot be had is left out.

    Args:
        positive: (n, D), a text's mean activation each; `negative` (m, D) likewise.

    separation is d' along the difference of means; consistency the mean cosine of the pair differences with each other,
    where there are pairs; split_half the cosine of the vectors of even and odd texts; auroc that of held-out texts,
    each half scored by the vector of the other.
    """
    found: dict[str, float] = {}
    direction = positive.mean(dim=0) - negative.mean(dim=0)
    above, below = positive @ direction, negative @ direction
    if len(above) > 1 and len(below) > 1:
        spread = ((above.var() + below.var()) / 2).sqrt()
        if spread > 0:
            found["separation"] = float((above.mean() - below.mean()) / spread)
    if len(positive) == len(negative) > 1:
        unit = torch.nn.functional.normalize(positive - negative, dim=-1)
        count = len(unit)
        found["consistency"] = float((unit.sum(dim=0).square().sum() - unit.square().sum()) / (count * (count - 1)))
    if min(len(positive), len(negative)) >= 4:
        halves = [positive[start::2].mean(dim=0) - negative[start::2].mean(dim=0) for start in (0, 1)]
        found["split_half"] = float(torch.cosine_similarity(halves[0], halves[1], dim=0))
        scores = [
            auroc(positive[1 - start :: 2] @ halves[start], negative[1 - start :: 2] @ halves[start])
            for start in (0, 1)
        ]
        found["auroc"] = sum(scores) / 2
    return found


def auroc(positive: Tensor, negative: Tensor) -> float:
    """Return the share of (positive, negative) pairs of scores in the right order, ties counting half."""
    difference = positive.unsqueeze(1) - negative.unsqueeze(0)
    return float(((difference > 0).float() + 0.5 * (difference == 0).float()).mean())


def best_layers(diagnostics: Mapping[int, Mapping[str, float]], count: int) -> tuple[int, ...]:
    """Return two neighbouring layers to steer at, the better one first.

    Separation grows towards the end of most models while late layers have little left to act through, so the choice is
    made between 35% and 75% of the depth, by held-out separation: split-half cosine times d'.
    """
    middle = [layer for layer in diagnostics if 0.35 * (count - 1) <= layer <= 0.75 * (count - 1)] or list(diagnostics)

    def merit(layer: int) -> float:
        figures = diagnostics[layer]
        return figures.get("separation", 0.0) * max(figures.get("split_half", 1.0), 0.0)

    best = max(middle, key=merit)
    beside = [layer for layer in (best - 1, best + 1) if layer in middle]
    return (best, max(beside, key=merit)) if beside else (best,)
