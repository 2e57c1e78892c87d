"""A vector optimised at one layer: added, it makes the positive texts likelier; taken away, the negative ones.

Both ways at once (as in Cao et al. 2024), so that what makes any text likelier cancels out. The vector is never longer
than the class means are apart, and stays among the directions that point from the negative to the positive mean, so
that the concept scale keeps its sense. Needs the model, and gradients through it; the weights stay as they are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from steer_tui.engine.inference import forward
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.passages import Examples, Passage
from steer_tui.engine.place import Place, PlaceHooks
from steer_tui.engine.prompt import pad_left
from steer_tui.engine.readings import Progress
from steer_tui.errors import UsageError

STEPS = 40
_FIRST_STEP = 0.2
"""Length of the first step as a share of the bound; the last one is next to nothing."""
_PAIRS_PER_STEP = 16
_LEAST_COSINE = 0.1
"""With the difference of the class means."""
_LOGIT_BYTES = 256 * 2**20
_MOST_PASSAGES = 64
"""Texts on a side by which the loss is told before and after."""


@dataclass(frozen=True)
class Optimised:
    """What came of one layer."""

    direction: Tensor
    """(D,) float32 on the CPU."""
    loss_before: float
    """Mean surprise of a text's read tokens with nothing added, in nats; the mean of both sides."""
    loss_after: float


def optimise(
    lm: LanguageModel, examples: Examples, place: Place, difference: Tensor, progress: Progress, seed: int = 0
) -> Optimised:
    """Return the direction that serves a concept's texts best at the one layer of `place`.

    Args:
        lm: The model.
        examples: Texts; the tokens that are read are made likelier.
        place: A single layer.
        difference: (D,), positive minus negative class mean there.
        progress: Told of `STEPS` steps.
        seed: Of the draws of texts.

    Raises:
        UsageError: The class means are the same, or no text has a token that can be foretold.
        Cancelled: `progress` says so between steps.
    """
    bound = float(difference.norm())
    if bound == 0.0:
        raise UsageError(f"both sides of {examples.concept.name!r} are the same at layer {place.layers[0]}")
    sides = [_foretold(side) for side in (examples.positive, examples.negative)]
    if not all(sides):
        raise UsageError(f"the texts of {examples.concept.name!r} are too short", hint="give texts of several tokens")
    toward = (difference / bound).clone().to(lm.device)  # a clone takes part in gradients, whatever it came from
    told = [side[:_MOST_PASSAGES] for side in sides]
    before = _evaluate(lm, told, place, torch.zeros_like(toward))
    draw = random.Random(seed)
    best = 0.5 * toward
    for step in range(STEPS):
        progress.check()
        drawn = [side if len(side) <= _PAIRS_PER_STEP else draw.sample(side, _PAIRS_PER_STEP) for side in sides]
        slope = _slope(lm, drawn, place, best, bound)
        # Steps of a set length along the slope: on the sphere of the bound its direction is what counts.
        length = _FIRST_STEP * (1 - step / STEPS)
        best = _bounded(best - length * torch.nn.functional.normalize(slope, dim=0), toward)
        progress.add(1)
    after = _evaluate(lm, told, place, best * bound)
    return Optimised(best.float().cpu(), before, after)


def _foretold(side: Sequence[Passage]) -> list[Passage]:
    """Return the texts with a token that another one comes before; the very first one of a text cannot be foretold."""
    return [one if one.start > 0 else replace(one, start=1) for one in sorted(side, key=lambda p: p.ids) if one.end > 1]


def _bounded(share: Tensor, toward: Tensor) -> Tensor:
    """Return a vector brought into the cone around `toward` (unit length), then to length 1 at most."""
    along, length = share @ toward, share.norm()
    if along < _LEAST_COSINE * length:
        share = share + (_LEAST_COSINE * length - along) * toward
    return share / share.norm().clamp_min(1.0)


def _slope(lm: LanguageModel, sides: Sequence[Sequence[Passage]], place: Place, at: Tensor, bound: float) -> Tensor:
    """Return the gradient (D,) of the loss with respect to the vector as a share of the bound."""
    share = at.clone().requires_grad_(True)
    for sign, side in zip((1.0, -1.0), sides, strict=True):
        total = sum(one.end - one.start for one in side)
        for part in _parts(lm, side):
            # A hook that makes a graph of its own needs a fresh one for each part.
            with torch.enable_grad():
                loss = _surprise(lm, part, place, sign * bound * share) / (2 * total)
                loss.backward()
    return torch.zeros_like(at) if share.grad is None else share.grad


def _evaluate(lm: LanguageModel, sides: Sequence[Sequence[Passage]], place: Place, vector: Tensor) -> float:
    """Return the loss of a vector (D,)."""
    losses = []
    with torch.no_grad():
        for sign, side in zip((1.0, -1.0), sides, strict=True):
            surprise = sum(float(_surprise(lm, part, place, sign * vector)) for part in _parts(lm, side))
            losses.append(surprise / sum(one.end - one.start for one in side))
    return sum(losses) / len(losses)


def _parts(lm: LanguageModel, side: Sequence[Passage]) -> list[list[Passage]]:
    """Return texts in batches whose logits fit in the budget."""
    words = next(lm.structure.unembed.parameters()).shape[0]
    most = max(1, _LOGIT_BYTES // (4 * words * max(len(one.ids) for one in side)))
    return [list(side[start : start + most]) for start in range(0, len(side), most)]


def _surprise(lm: LanguageModel, rows: Sequence[Passage], place: Place, vector: Tensor) -> Tensor:
    """Return the summed surprise of the tokens that are read, with a vector added at every token."""
    ids, mask = pad_left([row.ids for row in rows], lm.pad_id, lm.device)
    read = torch.zeros(ids.shape, dtype=torch.bool)
    for index, row in enumerate(rows):
        offset = ids.shape[1] - len(row.ids)
        read[index, offset + row.start : offset + row.end] = True
    read = read.to(ids.device)

    def add(layer: int, hidden: Tensor) -> Tensor:
        return hidden + vector.to(hidden)

    with lm.layers.alone(), PlaceHooks(lm, place, add):
        logits = forward(lm, ids, mask).logits
    told = read[:, 1:]
    return torch.nn.functional.cross_entropy(
        logits[:, :-1][told.to(logits.device)].float(), ids[:, 1:][told].to(logits.device), reduction="sum"
    )
