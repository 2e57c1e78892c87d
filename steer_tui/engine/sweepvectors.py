"""The vectors of a sweep's controls: as long as the real one at every layer, and without its meaning."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from steer_tui.engine.extract import extract
from steer_tui.engine.extractchoices import BLOCK_OUT
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.oddpairs import Sides
from steer_tui.engine.vector import SteeringVector

MOST_EXAMPLES = 64
"""Texts of each side that a label-shuffled vector is made from."""


class Example(Sides, Protocol):
    """What a sweep needs of a concept beside its vector."""

    @property
    def words(self) -> Sequence[str]:
        """Words whose presence shows it in a text of the demo model; empty where no words do."""

    @property
    def instruction(self) -> str:
        """What asks for it in words; empty for none."""


@dataclass(frozen=True)
class _Shuffled:
    """The same texts, half of each side on the other one."""

    name: str
    positive: Sequence[str]
    negative: Sequence[str]
    group: str = ""
    description: str = ""


def random_vector(vector: SteeringVector, seed: int) -> SteeringVector:
    """Return one random direction, the same at every layer, as long there as the vector is."""
    source = torch.Generator().manual_seed(_seed(vector.name, seed))
    direction = normalize(torch.randn(vector.width, generator=source), dim=0)
    return _as_long(vector, {layer: direction for layer in vector.layers})


def can_shuffle(vector: SteeringVector, example: Example) -> bool:
    """Say whether there are texts enough to put half of each side on the other one, for a vector of block outputs."""
    return min(len(example.positive), len(example.negative)) >= 2 and vector.meta.site == BLOCK_OUT


def shuffled_vector(
    lm: LanguageModel, vector: SteeringVector, example: Example, should_stop: Callable[[], bool] | None = None
) -> SteeringVector:
    """Return the difference of means of the examples with their labels shuffled, as long as the vector at every layer.

    Each side gets half of both, so that the concept cancels out; two texts a side are the least.

    Raises:
        Cancelled: `should_stop` said so.
        OutOfMemory: The examples do not fit.
    """
    source = random.Random(_seed(vector.name, 0))
    sides = [list(side) for side in (example.positive, example.negative)]
    for side in sides:
        source.shuffle(side)
        del side[MOST_EXAMPLES:]
    cuts = [len(side) // 2 for side in sides]
    first = [text for side, cut in zip(sides, cuts, strict=True) for text in side[:cut]]
    second = [text for side, cut in zip(sides, cuts, strict=True) for text in side[cut:]]
    shuffled = _Shuffled(vector.name, first, second)
    made = extract(lm, [shuffled], layers=sorted(vector.layers), should_stop=should_stop)[vector.name]
    return _as_long(vector, made.layers)


def _as_long(vector: SteeringVector, directions: Mapping[int, Tensor]) -> SteeringVector:
    layers = {layer: normalize(directions[layer], dim=0) * raw.norm() for layer, raw in vector.layers.items()}
    return replace(vector, layers=layers)


def _seed(name: str, number: int) -> int:
    return zlib.crc32(f"{name} {number}".encode())
