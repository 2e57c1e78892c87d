"""A recipe for every row of a batch, as device tensors that the block hooks read.

Promises: rows differ freely in terms, layers, operations, scopes and strengths; a change acts on the next forward pass;
rows, layers and positions that no term touches are left bit for bit. Knows nothing of models, tokenizers or hooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from steer_tui.engine.pointhook import by_row
from steer_tui.engine.resolve import ActiveTerm
from steer_tui.engine.spot import Spot, spot_order
from steer_tui.engine.stages import AddStage, Entry, OperatorStage, Stage


class Plan:
    """What to do to the block outputs of a batch.

    `at` tells the positions of the coming forward pass; `apply` is then called once per block with its output.
    """

    def __init__(self, prompt_lengths: Sequence[int], width: int, device: torch.device, dtype: torch.dtype) -> None:
        self._prompt_lengths = list(prompt_lengths)
        self._terms: list[tuple[ActiveTerm, ...]] = [() for _ in prompt_lengths]
        self._width = width
        self._device = device
        self._dtype = dtype
        self._stages: dict[Spot, list[Stage]] = {}
        self._pairs: list[tuple[int, int]] = []
        self._active: dict[tuple[int, int], bool] | None = None
        self._positions: Tensor | None = None
        self._buffers: dict[tuple[Spot, int], Tensor] = {}

    @property
    def layers(self) -> frozenset[Spot]:
        """Blocks, and other spots, that any term of any row acts on."""
        return frozenset(self._stages)

    def set_rows(self, terms: Mapping[int, Sequence[ActiveTerm]]) -> None:
        """Put other terms in force for some rows."""
        for row, row_terms in terms.items():
            self._terms[row] = tuple(row_terms)
        self._compile()

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order."""
        self._terms = [self._terms[row] for row in rows]
        self._prompt_lengths = [self._prompt_lengths[row] for row in rows]
        self._buffers.clear()
        self._compile()

    def some(self, rows: Sequence[int]) -> Plan:
        """Return a plan of its own for these rows, in this order."""
        plan = Plan([self._prompt_lengths[row] for row in rows], self._width, self._device, self._dtype)
        plan.set_rows({place: self._terms[row] for place, row in enumerate(rows)})
        return plan

    def on_prompt(self, row: int) -> tuple[ActiveTerm, ...]:
        """Return the terms that change a row's prompt."""
        length = self._prompt_lengths[row]
        return tuple(term for term in self._terms[row] if term.touches(0, length, length))

    def acts(self, row: int) -> bool:
        """Say whether any term acts on the newest position of a row, as told by the last `at`."""
        active = self._active or {}
        return any(active.get((row, slot), False) for slot in range(len(self._terms[row])))

    def at(self, positions: Sequence[int], grid: Tensor | None = None) -> None:
        """Tell where the next forward pass stands.

        Args:
            positions: Absolute position of the last token of every row.
            grid: (R, T) absolute positions, -1 on padding, for passes of several tokens; None for one token a row.
        """
        self._positions = grid if grid is not None and grid.shape[1] > 1 else None
        active = {
            (row, slot): self._terms[row][slot].contains(positions[row], self._prompt_lengths[row])
            for row, slot in self._pairs
        }
        if active != self._active:
            self._active = active
            for stages in self._stages.values():
                for stage in stages:
                    stage.refresh(active)

    def apply(self, layer: Spot, hidden: Tensor) -> Tensor:
        """Return the output of block `layer`, or what passes at another spot, (R, T, D) or (R * T, D), as steered.

        It is the very same tensor where nothing acts.
        """
        if hidden.dim() == 2:
            return self.apply(layer, by_row(hidden, len(self._terms))).flatten(0, 1)
        for stage in self._stages.get(layer, ()):
            if self._positions is None:
                hidden = stage.step(hidden)
            else:
                hidden = stage.span(hidden, self._positions, self._prompt_lengths)
        return hidden

    def _compile(self) -> None:
        self._pairs = [(row, slot) for row, terms in enumerate(self._terms) for slot in range(len(terms))]
        self._active = None
        groups = [_groups(terms) for terms in self._terms]
        spots = {one for terms in self._terms for term in terms for one in term.spots}
        self._stages = {one: self._spot_stages(one, groups) for one in sorted(spots, key=spot_order)}

    def _spot_stages(self, one: Spot, groups: Sequence[Sequence[Sequence[tuple[int, ActiveTerm]]]]) -> list[Stage]:
        """Return the stages of one spot: the n-th group of every row acts in the n-th place."""
        layer = one if isinstance(one, int) else one[1]
        stages: list[Stage] = []
        for place in range(max(map(len, groups), default=0)):
            by_op: dict[str, list[Entry]] = {}
            for row, row_groups in enumerate(groups):
                for slot, term in row_groups[place] if place < len(row_groups) else ():
                    if one in term.spots:
                        by_op.setdefault(term.op, []).append(Entry(row, slot, term, layer))
            for op, entries in by_op.items():
                if op == "add":
                    stages.append(AddStage(entries, self._buffer(one, len(stages)), self._device))
                else:
                    stages.append(OperatorStage(op, entries, self._device))
        return stages

    def _buffer(self, one: Spot, place: int) -> Tensor:
        """Return the (R, D) tensor that an addition lives in; the same one after every change of the recipe."""
        key = (one, place)
        if key not in self._buffers:
            self._buffers[key] = torch.zeros(len(self._terms), self._width, device=self._device, dtype=self._dtype)
        return self._buffers[key]


def _groups(terms: Sequence[ActiveTerm]) -> list[list[tuple[int, ActiveTerm]]]:
    """Return terms in order with their slots, neighbouring additions together, as their order does not matter."""
    groups: list[list[tuple[int, ActiveTerm]]] = []
    for slot, term in enumerate(terms):
        if groups and term.op == "add" and groups[-1][-1][1].op == "add":
            groups[-1].append((slot, term))
        else:
            groups.append([(slot, term)])
    return groups
