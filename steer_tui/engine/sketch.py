"""The first principal component of more rows than can be kept: frequent directions (Liberty 2013).

A sketch of `size` rows stands for all rows seen; what it says of the variance along any direction is off by at most the
sum of all squares / `size`.
"""

from __future__ import annotations

import torch
from torch import Tensor

SIZE = 32


class Sketch:
    """A running sketch of rows (N, L, D), one for each of the L layers."""

    def __init__(self, layers: int, width: int, size: int = SIZE) -> None:
        self._rows = torch.zeros(layers, 2 * size, width)
        self._size, self._used = size, 0

    def add(self, rows: Tensor) -> None:
        """Take in rows (B, L, D)."""
        for row in rows:
            if self._used == self._rows.shape[1]:
                self._shrink()
            self._rows[:, self._used] = row
            self._used += 1

    def merged(self, other: Sketch) -> Sketch:
        """Return a sketch of the rows of both."""
        made = Sketch(self._rows.shape[0], self._rows.shape[2], self._size)
        for part in (self, other):
            made.add(part.rows.transpose(0, 1))
        return made

    @property
    def rows(self) -> Tensor:
        """(L, used, D)."""
        return self._rows[:, : self._used]

    def first_component(self, count: int = 0, offset: Tensor | None = None) -> Tensor:
        """Return (L, D): the direction along which the rows spread most.

        Args:
            count: How many rows were taken in; only matters with `offset`.
            offset: (L, D), the mean of the rows; with it they are taken around their mean instead of around zero.
        """
        rows = self.rows.double()
        if offset is not None:
            rows = torch.cat([rows, offset.double().unsqueeze(1)], dim=1)
        basis = torch.linalg.qr(rows.transpose(1, 2))[0]  # (L, D, r)
        inside = rows @ basis
        signs = rows.new_ones(rows.shape[1])
        if offset is not None:
            signs[-1] = -count
        spread = (inside * signs.unsqueeze(-1)).transpose(1, 2) @ inside
        top = torch.linalg.eigh(spread)[1][..., -1:]
        return (basis @ top).squeeze(-1).float()

    def _shrink(self) -> None:
        """Keep `size` rows that spread as all did, each a little less."""
        rows = self.rows.double()
        squares, vectors = torch.linalg.eigh(rows @ rows.transpose(1, 2))  # ascending
        squares, vectors = squares[:, -self._size :], vectors[..., -self._size :]
        least = squares[:, :1].clamp_min(0)
        share = ((squares - least).clamp_min(0) / squares.clamp_min(1e-30)).sqrt()
        self._rows.zero_()
        self._rows[:, : self._size] = ((vectors * share.unsqueeze(1)).transpose(1, 2) @ rows).float()
        self._used = self._size
