"""Contrast pairs that point another way than the rest: found at extraction, kept with the vector. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from steer_tui.errors import LibraryError
from steer_tui.text import one_line, truncate

MOST_ODD = 20
_CELLS = 80
_KEY = "'disagreeing'"


class Sides(Protocol):
    """Two lists of texts; pairs where there are as many on both sides."""

    @property
    def positive(self) -> Sequence[str]:
        """Texts that show the concept."""

    @property
    def negative(self) -> Sequence[str]:
        """Texts that do not."""


@dataclass(frozen=True, slots=True)
class OddPair:
    """A pair whose difference points away from the mean of the others'."""

    pair: int
    """From 0, in the order of the examples."""
    positive: str
    """One line, cut."""
    negative: str
    agreement: float
    """How far its difference goes the way of the others', at the best layer: 1 is the average pair; below 0."""

    def to_json(self) -> dict[str, object]:
        """Return the entry of a vector file."""
        return {
            "pair": self.pair,
            "positive": self.positive,
            "negative": self.negative,
            "agreement": self.agreement,
        }


def odd_pairs(examples: Sides, agreement: Sequence[float]) -> tuple[OddPair, ...]:
    """Return the pairs with an agreement below 0, the worst first, `MOST_ODD` at most."""
    worst = sorted((value, place) for place, value in enumerate(agreement) if value < 0)[:MOST_ODD]
    return tuple(
        OddPair(place, _cut(examples.positive[place]), _cut(examples.negative[place]), value) for value, place in worst
    )


def odd_pairs_from_json(value: object) -> tuple[OddPair, ...]:
    """Return what `to_json` gave.

    Raises:
        LibraryError: Something is of a wrong type.
    """
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise LibraryError(f"{_KEY} is not a list of pairs")
    return tuple(_from_json(entry) for entry in value[:MOST_ODD])


def _from_json(entry: Mapping[str, object]) -> OddPair:
    match entry:
        case {
            "pair": int(pair),
            "positive": str(positive),
            "negative": str(negative),
            "agreement": int(agreement) | float(agreement),
        } if not isinstance(pair, bool) and 0 <= pair < 2**53 and math.isfinite(agreement):
            return OddPair(pair, _cut(positive), _cut(negative), float(agreement))
    raise LibraryError(f"{_KEY} holds something that is no pair")


def _cut(text: str) -> str:
    return truncate(one_line(text), _CELLS)
