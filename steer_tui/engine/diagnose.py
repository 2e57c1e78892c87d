"""Figures that foretell whether a vector will work, free at extraction: from the texts' activations at one layer.

`diagnose` has all activations at hand; the parts are for those who only have projections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

FEWEST_FOR_HALVES = 4
"""Texts on a side below which halves of them say nothing."""
FEWEST_FOR_REST = 3
"""Pairs below which there is no rest that one of them could disagree with."""


def diagnose(
    positive: Tensor, negative: Tensor, vector: Tensor | None = None, halves: Sequence[Tensor] | None = None
) -> dict[str, float]:
    """Return separation, consistency, split_half, auroc and reversed of two classes of texts.

    What cannot be had is left out.

    Args:
        positive: (n, D), a text's mean activation each; `negative` (m, D) likewise.
        negative: See `positive`.
        vector: (D,), the direction; None for the difference of means.
        halves: The directions found in the even and in the odd texts; None for differences of means.

    separation is d' along the direction; consistency the mean cosine of the pair differences with each other, where
    there are pairs; split_half the cosine of the directions of even and odd texts; auroc that of held-out texts, each
    half scored by the direction of the other; reversed the share of pairs whose difference points away from the mean of
    the others', without pairs of held-out texts on the wrong side (Tan et al. 2024).
    """
    found: dict[str, float] = {}
    direction = positive.mean(dim=0) - negative.mean(dim=0) if vector is None else vector
    apart = separation(positive @ direction, negative @ direction)
    if apart is not None:
        found["separation"] = apart
    if len(positive) == len(negative) > 1:
        unit = torch.nn.functional.normalize(positive - negative, dim=-1)
        found["consistency"] = mean_cosine(unit.sum(dim=0), unit.square().sum(), len(unit))
    if len(positive) == len(negative) >= FEWEST_FOR_REST:
        found["reversed"] = float((agreement(positive, negative) < 0).float().mean())
    if min(len(positive), len(negative)) >= FEWEST_FOR_HALVES:
        if halves is None:
            halves = [positive[start::2].mean(dim=0) - negative[start::2].mean(dim=0) for start in (0, 1)]
        scores = [(positive @ half, negative @ half) for half in halves]
        found |= held_out(torch.cosine_similarity(halves[0], halves[1], dim=0), scores)
        if len(positive) != len(negative):
            found["reversed"] = wrong_side(scores)
    return found


def separation(above: Tensor, below: Tensor) -> float | None:
    """Return d' of two classes of projections (n,) and (m,); None where it cannot be had."""
    if len(above) < 2 or len(below) < 2:
        return None
    spread = ((above.var() + below.var()) / 2).sqrt()
    return float((above.mean() - below.mean()) / spread) if spread > 0 else None


def mean_cosine(total: Tensor, squares: Tensor, count: int) -> float:
    """Return the mean cosine of pairs of unit vectors from their sum (D,) and the sum of their squared lengths."""
    return float((total.square().sum() - squares) / (count * (count - 1)))


def agreement(positive: Tensor, negative: Tensor) -> Tensor:
    """Return how far each pair's difference goes the way of the others', (n,); 1 is the average pair, below 0 away.

    Args:
        positive: (n, D), at least two; `negative` (n, D) pairs with it.
        negative: See `positive`.
    """
    differences = positive - negative
    along = differences @ differences.sum(dim=0) - differences.square().sum(dim=-1)
    return relative(along)


def relative(along: Tensor) -> Tensor:
    """Return lengths as multiples of their mean, kept in sign where the mean is not above zero."""
    return along / along.mean().abs().clamp_min(1e-12)


def held_out(cosine: Tensor, scores: Sequence[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Return split_half and auroc.

    Args:
        cosine: Of the directions of the even and the odd texts.
        scores: For either direction, the projections of both classes on it.
    """
    parts = [auroc(above[1 - start :: 2], below[1 - start :: 2]) for start, (above, below) in enumerate(scores)]
    return {"split_half": float(cosine), "auroc": sum(parts) / 2}


def wrong_side(scores: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Return the share of held-out texts on the wrong side of the point halfway between the other half's means."""
    wrong, count = 0.0, 0
    for start, (above, below) in enumerate(scores):
        middle = (above[start::2].mean() + below[start::2].mean()) / 2
        rest = above[1 - start :: 2], below[1 - start :: 2]
        wrong += float((rest[0] < middle).sum() + (rest[1] > middle).sum())
        count += len(rest[0]) + len(rest[1])
    return wrong / count


def auroc(positive: Tensor, negative: Tensor) -> float:
    """Return the share of (positive, negative) pairs of scores in the right order, ties counting half."""
    ordered = negative.contiguous().sort().values
    below = torch.searchsorted(ordered, positive.contiguous(), right=False)
    up_to = torch.searchsorted(ordered, positive.contiguous(), right=True)
    return float((below + up_to).double().mean() / (2 * len(ordered)))


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
