"""One operation at one block for the rows of a batch: an addition held ready in a tensor, or an exact operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from steer_tui.engine.operators import OPERATORS
from steer_tui.engine.resolve import ActiveTerm

Active = Mapping[tuple[int, int], bool]
"""(row, slot of the term in the row's recipe) -> whether it acts on the row's newest position."""


@dataclass(frozen=True)
class Entry:
    """One term of one row at one block."""

    row: int
    slot: int
    term: ActiveTerm
    layer: int


class Stage(Protocol):
    """A step of what happens to a block's output."""

    def refresh(self, active: Active) -> None:
        """Take note of which terms act on the newest positions."""

    def step(self, hidden: Tensor) -> Tensor:
        """Return the newest position (R, 1, D) as steered."""

    def span(self, hidden: Tensor, positions: Tensor, prompt_lengths: Sequence[int]) -> Tensor:
        """Return several positions (R, T, D) as steered; `positions` (R, T) is -1 on padding."""


class AddStage:
    """Adds one vector per row, summed over its terms."""

    def __init__(self, entries: Sequence[Entry], buffer: Tensor, device: torch.device) -> None:
        self._entries = entries
        self._current = buffer
        """(R, D) in the model's dtype: what is added to the newest positions."""
        self._deltas = [entry.term.strength * entry.term.vectors[entry.layer].raw.to(device) for entry in entries]
        self._any = False

    def refresh(self, active: Active) -> None:
        """Write what acts into the buffer, in place."""
        total = torch.zeros_like(self._current, dtype=torch.float32)
        self._any = False
        for entry, delta in zip(self._entries, self._deltas, strict=True):
            if active[entry.row, entry.slot]:
                total[entry.row] += delta
                self._any = True
        self._current.copy_(total)

    def step(self, hidden: Tensor) -> Tensor:
        """Return `hidden` plus the buffer: one addition."""
        return hidden + self._current.to(hidden.device).unsqueeze(1) if self._any else hidden

    def span(self, hidden: Tensor, positions: Tensor, prompt_lengths: Sequence[int]) -> Tensor:
        """Return `hidden` with every term added where its scope holds."""
        total: Tensor | None = None
        for entry, delta in zip(self._entries, self._deltas, strict=True):
            mask = entry.term.mask(positions[entry.row], prompt_lengths[entry.row])
            if not bool(mask.any()):
                continue
            total = torch.zeros(hidden.shape, device=positions.device) if total is None else total
            total[entry.row] += mask.unsqueeze(-1) * delta
        return hidden if total is None else hidden + total.to(hidden)


class OperatorStage:
    """Applies one exact operator to the rows that ask for it; float32 inside."""

    def __init__(self, op: str, entries: Sequence[Entry], device: torch.device) -> None:
        self._op = OPERATORS[op]
        self._entries = entries
        self._acting: list[int] = []
        vectors = [entry.term.vectors[entry.layer] for entry in entries]
        self._unit = torch.stack([vector.unit for vector in vectors]).to(device)
        self._length = self._column([vector.length for vector in vectors])
        self._origin = self._column([vector.origin for vector in vectors])
        self._strength = self._column([entry.term.strength for entry in entries])

    def refresh(self, active: Active) -> None:
        """Remember which entries act."""
        self._acting = [index for index, entry in enumerate(self._entries) if active[entry.row, entry.slot]]

    def step(self, hidden: Tensor) -> Tensor:
        """Return `hidden` with the acting rows operated on."""
        return self._operate(hidden, self._acting, None) if self._acting else hidden

    def span(self, hidden: Tensor, positions: Tensor, prompt_lengths: Sequence[int]) -> Tensor:
        """Return `hidden` operated on where each term's scope holds."""
        masks = [entry.term.mask(positions[entry.row], prompt_lengths[entry.row]) for entry in self._entries]
        return self._operate(hidden, list(range(len(masks))), torch.stack(masks).unsqueeze(-1))

    def _operate(self, hidden: Tensor, chosen: list[int], masks: Tensor | None) -> Tensor:
        index = torch.tensor([self._entries[entry].row for entry in chosen], device=hidden.device)
        pick = torch.tensor(chosen, device=self._unit.device)
        before = hidden[index]
        parts = (self._unit, self._length, self._origin, self._strength)
        after = self._op(before.float(), *(part[pick].to(hidden.device) for part in parts)).to(hidden.dtype)
        if masks is not None:
            after = torch.where(masks.to(hidden.device), after, before)
        return hidden.index_copy(0, index, after)

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._unit.device).view(-1, 1, 1)
