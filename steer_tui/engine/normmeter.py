"""How much steering adds: ||after - before|| / ||before||, summed over steered positions and blocks for every row.

The sums stay on the device until they are read.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class NormMeter:
    """Sums of one batch, by the index that rows were given with."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self._sums = torch.zeros(rows, device=device)
        self._counts = torch.zeros(rows, device=device)
        self._batch = 1
        self._told: tuple[Sequence[int], Sequence[int]] = ((), ())
        self._rows = self._place = torch.zeros(0, dtype=torch.long, device=device)

    def at(self, rows: Sequence[int], place: Sequence[int]) -> None:
        """Tell which rows the next pass is for, and at which place of the batch each of them is."""
        if (rows, place) != self._told:
            self._told = (rows, place)
            self._batch = max(place) + 1
            self._rows = torch.tensor(list(rows), device=self._sums.device)
            self._place = torch.tensor(list(place), device=self._sums.device)

    def note(self, before: Tensor, after: Tensor) -> None:
        """Take a block's output (B, T, D), or (B * T, D), as it was and as it is now.

        Positions that are as they were do not count.
        """
        before, after = (side.float().reshape(self._batch, -1, side.shape[-1]) for side in (before, after))
        added = (after - before).norm(dim=-1)
        ratio = added / before.norm(dim=-1).clamp_min(1e-12)
        steered = added != 0  # NaN counts: a row that broke must not look gentle
        sums = torch.where(steered, ratio, 0.0).sum(dim=-1).to(self._sums.device)
        self._sums.index_add_(0, self._rows, sums[self._place])
        self._counts.index_add_(0, self._rows, steered.sum(dim=-1).to(self._sums)[self._place])

    def read(self) -> list[tuple[float, int]]:
        """Return the sum and the number of steered positions of every row; the one transfer to the host."""
        table = torch.stack([self._sums, self._counts]).tolist()
        return [(total, int(count)) for total, count in zip(*table, strict=True)]
