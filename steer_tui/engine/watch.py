"""Live statistics: block outputs of the newest token, kept by the hooks and brought to the host once per step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from steer_tui.engine.resolve import first_spot, layer_vector
from steer_tui.engine.types import Stats
from steer_tui.engine.vector import SteeringVector


class Watch:
    """Room for the block outputs of every row's newest token, before and after steering.

    The hooks copy; the arithmetic is done for all blocks at once, in float32.
    """

    def __init__(self, layers: Sequence[int], rows: int, width: int, device: torch.device, dtype: torch.dtype) -> None:
        self.layers = tuple(layers)
        self._slot = {layer: slot for slot, layer in enumerate(self.layers)}
        self._after = torch.zeros(len(self.layers), rows, width, device=device, dtype=dtype)
        self._before = torch.zeros_like(self._after)
        self._steered: set[int] = set()
        self._names: tuple[str, ...] = ()
        self._units: Tensor | None = None
        self._origins: Tensor | None = None
        self._lengths: Tensor | None = None

    def follow(self, vectors: Mapping[str, SteeringVector]) -> None:
        """Show from now on the place of the residual on each of these concepts."""
        self._names = tuple(vectors)
        shape = (len(vectors), len(self.layers))
        units = torch.zeros(*shape, self._after.shape[-1])
        origins, lengths = torch.zeros(shape), torch.full(shape, math.nan)
        for index, vector in enumerate(vectors.values()):
            # What is read at another site has no place on the residual stream.
            read = vector.layers if isinstance(first_spot(vector), int) else ()
            for layer in set(read) & set(self.layers):
                at, known = self._slot[layer], layer_vector(vector, layer)
                units[index, at], origins[index, at] = known.unit, known.origin
                lengths[index, at] = known.length or math.nan
        device = self._after.device
        self._units = units.transpose(0, 1).contiguous().to(device)  # (L, C, D)
        self._origins, self._lengths = origins.to(device), lengths.to(device)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order; one that is named twice becomes two."""
        self._after = self._after[:, list(rows)].contiguous()
        self._before = self._before[:, list(rows)].contiguous()

    def note(self, layer: int, before: Tensor, after: Tensor) -> None:
        """Keep a block's output, (R, T, D), as it was and as it is now; only the newest token of every row."""
        slot = self._slot.get(layer)
        if slot is None:
            return
        rows = after.shape[0]
        self._after[slot, :rows].copy_(after[:, -1])
        if after is before:
            self._steered.discard(slot)
        else:
            self._steered.add(slot)
            self._before[slot, :rows].copy_(before[:, -1])

    def read(self) -> list[Stats]:
        """Return the statistics of every row; the one transfer to the host."""
        after = self._after.float()
        mean = after.mean(dim=-1)
        norm = after.norm(dim=-1)
        # The mean and the norm give the spread without another pass over the residual.
        std = (norm.square() / after.shape[-1] - mean.square()).clamp_min(0).sqrt()
        parts = [mean, std, norm, self._added(after)]
        if self._names:
            assert self._units is not None and self._origins is not None and self._lengths is not None
            projected = torch.bmm(self._units, after.transpose(1, 2))  # (L, C, R)
            places = (projected.permute(1, 0, 2) - self._origins.unsqueeze(-1)) / self._lengths.unsqueeze(-1)
            parts += list(places)
        table = torch.stack(parts).permute(2, 0, 1).tolist()  # (R, parts, L)
        return [self._row(values) for values in table]

    def _added(self, after: Tensor) -> Tensor:
        """Return ||added|| / ||before||, (L, R); 0 at blocks that nothing changed."""
        ratio = torch.zeros(after.shape[:2], device=after.device)
        for slot in self._steered:
            before = self._before[slot].float()
            ratio[slot] = (after[slot] - before).norm(dim=-1) / before.norm(dim=-1).clamp_min(1e-12)
        return ratio

    def _row(self, values: list[list[float]]) -> Stats:
        mean, std, norm, added = (tuple(part) for part in values[:4])
        places = {name: tuple(part) for name, part in zip(self._names, values[4:], strict=True)}
        return Stats(self.layers, mean, std, norm, places, added)
