"""The vector of a concept with more examples than activations can be kept for: the texts are read twice.

The first reading keeps running means, a sketch of what the texts differ in, or a fixed sample of them; the second one
projections. Promises memory that does not grow with the number of texts but by a few numbers for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steer_tui.engine.diagnose import held_out, mean_cosine, relative, separation, wrong_side
from steer_tui.engine.fit import Fit, scaled, with_norms
from steer_tui.engine.methods import find_directions
from steer_tui.engine.readings import Batch
from steer_tui.engine.sketch import Sketch

_SKETCHED = ("pca", "pca-global")


@dataclass
class _Half:
    """What is kept of every other example."""

    sums: list[Tensor]
    """(L, D) float64 of each class."""
    counts: list[int]
    sketch: Sketch | None

    def difference(self) -> Tensor:
        return self.sums[0] / self.counts[0] - self.sums[1] / self.counts[1]


class Stream:
    """Takes in the readings of one concept's texts; the positive ones have the indices 0 to n-1, then the negative."""

    def __init__(self, counts: tuple[int, int], layers: int, width: int, method: str, order: Sequence[int]) -> None:
        """Begin.

        Args:
            counts: Texts of either class, four at least.
            layers: Layers that are read.
            width: Of the activations.
            method: Of `methods`.
            order: Indices of the texts that the methods that need activations are given, ascending.
        """
        self._counts, self._method = counts, method
        self._are_pairs = counts[0] == counts[1]
        self._halves = [
            _Half(
                [torch.zeros(layers, width, dtype=torch.float64) for _ in range(2)],
                [0, 0],
                Sketch(layers, width) if method in _SKETCHED else None,
            )
            for _ in range(2)
        ]
        self._shift: Tensor | None = None
        self._norms = torch.zeros(layers, dtype=torch.float64)
        self._units = torch.zeros(layers, width, dtype=torch.float64)
        self._squares = torch.zeros(layers, dtype=torch.float64)
        self._sample = {index: place for place, index in enumerate(order)} if self._keeps_sample else {}
        self._kept = torch.zeros(len(self._sample), layers, width)

    @property
    def _keeps_sample(self) -> bool:
        return self._method not in ("mean", *_SKETCHED)

    def add(self, batch: Batch) -> None:
        """Take in what was read of some texts; the texts of a pair come in one batch."""
        if self._shift is None:
            self._shift = batch.means.mean(dim=0)
        rows = {index: place for place, index in enumerate(batch.passages)}
        for index, place in rows.items():
            side = int(index >= self._counts[0])
            half = self._halves[(index - side * self._counts[0]) % 2]
            half.sums[side] += batch.means[place]
            half.counts[side] += 1
            if side:
                self._norms += batch.norms[place]
            if index in self._sample:
                self._kept[self._sample[index]] = batch.means[place]
            if self._method == "pca-global" and half.sketch is not None:
                half.sketch.add((batch.means[place] - self._shift).unsqueeze(0))
        for pair, difference in self._pairs_of(batch):
            self._add_pair(pair, difference)

    def _pairs_of(self, batch: Batch) -> Iterator[tuple[int, Tensor]]:
        """Yield the pairs in a batch with their differences (L, D)."""
        if not self._are_pairs:
            return
        rows = {index: place for place, index in enumerate(batch.passages)}
        for index, place in rows.items():
            if index < self._counts[0]:
                yield index, batch.means[place] - batch.means[rows[index + self._counts[0]]]

    def _add_pair(self, index: int, difference: Tensor) -> None:
        unit = torch.nn.functional.normalize(difference, dim=-1)
        self._units += unit
        self._squares += unit.square().sum(dim=-1)
        sketch = self._halves[index % 2].sketch
        if self._method == "pca" and sketch is not None:
            sketch.add(difference.unsqueeze(0))

    def finish(self, again: Iterable[Batch], seed: int = 0) -> Fit:
        """Return the vector, with figures from a second reading of the same texts."""
        sums = [self._halves[0].sums[side] + self._halves[1].sums[side] for side in (0, 1)]
        means = [total / count for total, count in zip(sums, self._counts, strict=True)]
        difference = means[0] - means[1]
        raw = scaled(self._directions(None, seed).double(), difference).float()
        halves = [
            scaled(self._directions(start, seed).double(), self._halves[start].difference()).float() for start in (0, 1)
        ]
        lines = [raw, *halves]
        projections = torch.zeros(len(lines), sum(self._counts), raw.shape[0])
        along = torch.zeros(self._counts[0], raw.shape[0])
        total = self._counts[0] * difference.float()
        for batch in again:
            for number, line in enumerate(lines):
                projections[number, batch.passages] = (batch.means * line).sum(dim=-1)
            for pair, apart in self._pairs_of(batch):
                along[pair] = (apart * (total - apart)).sum(dim=-1)
        norms = (self._norms / self._counts[1]).float()
        figures = [self._figures(projections[..., layer], halves, layer) for layer in range(raw.shape[0])]
        agreed = None
        if self._are_pairs:
            agreed = torch.stack([relative(along[:, layer]) for layer in range(raw.shape[0])], dim=1)
            for layer, known in enumerate(figures):
                known["reversed"] = float((along[:, layer] < 0).float().mean())
        return Fit(raw, means[1].float(), norms, with_norms(figures, raw, norms), agreed, difference.float())

    def _figures(self, lines: Tensor, halves: Sequence[Tensor], layer: int) -> dict[str, float]:
        """Return a layer's figures from the projections (3, texts) on vector and halves."""
        above, below = lines[:, : self._counts[0]], lines[:, self._counts[0] :]
        found: dict[str, float] = {}
        apart = separation(above[0], below[0])
        if apart is not None:
            found["separation"] = apart
        scores = [(above[1 + start], below[1 + start]) for start in (0, 1)]
        if self._are_pairs:
            found["consistency"] = mean_cosine(self._units[layer], self._squares[layer], self._counts[0])
        else:
            found["reversed"] = wrong_side(scores)
        return found | held_out(torch.cosine_similarity(halves[0][layer], halves[1][layer], dim=0), scores)

    def _directions(self, start: int | None, seed: int) -> Tensor:
        """Return (L, D): what the method finds in all texts, or in the even (0) or odd (1) ones."""
        chosen = self._halves if start is None else [self._halves[start]]
        if self._method in _SKETCHED:
            sketches = [half.sketch for half in chosen if half.sketch is not None]
            sketch = sketches[0] if len(sketches) == 1 else sketches[0].merged(sketches[1])
            if self._method == "pca":
                return sketch.first_component()
            count = sum(sum(half.counts) for half in chosen)
            total = torch.stack([half.sums[side] for half in chosen for side in (0, 1)]).sum(dim=0)
            assert self._shift is not None
            return sketch.first_component(count, total / count - self._shift)
        if self._method == "mean":
            return self._sum_difference(chosen)
        sides: list[list[int]] = [[], []]
        for index, place in self._sample.items():
            side = int(index >= self._counts[0])
            if start is None or (index - side * self._counts[0]) % 2 == start:
                sides[side].append(place)
        return find_directions(self._method)(self._kept[sides[0]], self._kept[sides[1]], seed)

    @staticmethod
    def _sum_difference(chosen: Sequence[_Half]) -> Tensor:
        sides = [
            torch.stack([half.sums[side] for half in chosen]).sum(dim=0) / sum(half.counts[side] for half in chosen)
            for side in (0, 1)
        ]
        return sides[0] - sides[1]
