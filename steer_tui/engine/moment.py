"""Where an activation stands: which rows of the batch, which tokens, which absolute positions, what is padding.

Read off the call of the model itself, so that it holds for every way of running it, with and without a cache. Costs
next to nothing until a hook asks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.points import HookPoint

_TOKENS = ("pos", "key")


class Pass:
    """One forward pass through the model."""

    def __init__(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], number: int, rows: Sequence[int] | None
    ) -> None:
        """Take note of a call of the model.

        Args:
            args: Positional arguments of the call.
            kwargs: Named ones.
            number: Counts the passes of this model.
            rows: What the rows of the batch are called; None, or names for another number of rows, numbers them.
        """
        ids, embedded = kwargs.get("input_ids", args[0] if args else None), kwargs.get("inputs_embeds")
        self.ids: Tensor | None = ids if isinstance(ids, Tensor) and ids.dim() == 2 else None
        """Token ids, int64 (B, T); None where the model was given something else."""
        shape = self.ids.shape if self.ids is not None else embedded.shape[:2] if embedded is not None else (0, 0)
        self.batch, self.length = int(shape[0]), int(shape[1])
        self.number = number
        is_named = rows is not None and len(rows) == (self.batch or len(rows))
        self.rows: tuple[int, ...] = tuple(rows if rows is not None and is_named else range(self.batch))
        mask, given = kwargs.get("attention_mask"), kwargs.get("position_ids")
        self._mask: Tensor | None = mask if isinstance(mask, Tensor) and mask.dim() == 2 else None
        self._given: Tensor | None = given if isinstance(given, Tensor) and given.dim() == 2 else None
        cache: Any = kwargs.get("past_key_values")
        self.past: int = int(cache.get_seq_length()) if hasattr(cache, "get_seq_length") else 0
        """Positions, padding included, that a cache held before this pass."""
        self._whole: tuple[Tensor | None] | None = None
        self.plain_shape: tuple[int, ...] | None = None
        """The last shape that `fits` found to fit, for what asks at every block."""
        self.waiting: list[Callable[[], object]] | None = None
        """What acts when the pass ends, on copies; None where hooks act inside it."""
        self._places: dict[Collection[int], list[int] | None] = {}

    @property
    def positions(self) -> Tensor | None:
        """Absolute positions, int64 (B, T), -1 on padding; None where the tokens are not known."""
        if self.ids is None:
            return None
        valid = self.valid(self.length)
        if valid is not None and self._mask is not None:
            return torch.where(valid, self._mask.long().cumsum(-1)[:, -self.length :] - 1, -1)
        if self._given is not None:
            return self._given.expand(self.batch, -1)
        return (torch.arange(self.length, device=self.ids.device) + self.past).expand(self.batch, -1)

    def key_positions(self, count: int) -> Tensor | None:
        """Return the absolute positions of the newest `count` keys, int64 (B, count), -1 on padding; None as above."""
        if self.ids is None:
            return None
        valid = self.valid(count)
        if valid is not None and self._mask is not None:
            return torch.where(valid, self._mask.long().cumsum(-1)[:, -count:] - 1, -1)
        first = max(0, self.past + self.length - count)  # a sliding window forgets the first ones
        return (torch.arange(count, device=self.ids.device) + first).expand(self.batch, -1)

    def valid(self, count: int) -> Tensor | None:
        """Say which of the newest `count` tokens are no padding, bool (B, count); None where all are."""
        if self._whole is None:
            whole = self._mask.bool() if self._mask is not None else None
            self._whole = (None if whole is None or bool(whole.all()) else whole,)
        known = self._whole[0]
        return None if known is None or known.shape[1] < count else known[:, -count:]

    def settle(self) -> None:
        """Let what waits act, and nothing wait any more."""
        waiting = self.waiting
        if waiting is None:
            return
        self.waiting = []
        try:
            for act in waiting:
                act()
        finally:
            self.waiting = None

    def fits(self, activation: Tensor) -> bool:
        """Say whether an activation has three axes, the first two those of this pass, and no padding."""
        shape = activation.shape
        if shape[:2] != (len(self.rows), self.length) or len(shape) != 3 or self.valid(self.length) is not None:
            return False
        self.plain_shape = shape
        return True

    def places(self, wanted: Collection[int]) -> list[int] | None:
        """Return the indices of the rows with these names, a tuple or a frozenset; None for all."""
        if wanted not in self._places:
            self._places[wanted] = places_of(wanted, self.rows)
        return self._places[wanted]


def places_of(wanted: Collection[int], names: Sequence[int]) -> list[int] | None:
    """Return the indices of the rows with the wanted names; None for all."""
    found = [place for place, name in enumerate(names) if name in wanted]
    return None if len(found) == len(names) else found


class Moment:
    """An activation's place in a pass, for the rows that a hook was given."""

    __slots__ = ("_axes", "_chosen", "device", "now", "point", "shape")

    def __init__(
        self, point: HookPoint | None, activation: Tensor, now: Pass | None, chosen: Sequence[int] | None = None
    ) -> None:
        """Describe an activation.

        Args:
            point: Where it was taken; None where that is not known.
            activation: What was taken.
            now: The pass; None where it is not known.
            chosen: Indices in the batch of the rows that it holds; None for all.
        """
        self.point = point
        self.shape = tuple(activation.shape)
        self.device = activation.device
        self.now = now
        self._chosen = list(chosen) if chosen is not None else None
        self._axes: tuple[str, ...] | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes; rows and tokens are "batch", and "pos" or "key"; empty where they are not known."""
        if self._axes is None:
            self._axes = self._find_axes()
        return self._axes

    @property
    def rows(self) -> tuple[int, ...]:
        """What the rows are called: a row keeps its name while others leave the batch."""
        names = self.now.rows if self.now is not None else tuple(range(self.shape[0] if self.shape else 0))
        return names if self._chosen is None else tuple(names[row] for row in self._chosen)

    @property
    def head_axis(self) -> int | None:
        """Index of the axis of heads; None where there is none."""
        return next((place for place, name in enumerate(self.axes) if name in ("head", "kv_head")), None)

    @property
    def token_axis(self) -> int | None:
        """Index of the axis of tokens, of the reading ones where there are two; None where there is none."""
        return next((place for place, name in enumerate(self.axes) if name in _TOKENS), None)

    @property
    def positions(self) -> Tensor:
        """Absolute positions, int64 (B, T) along `token_axis`, -1 on padding."""
        axis = self.token_axis
        count = self.shape[axis] if axis is not None else 1
        counted = torch.arange(count, device=self.device).expand(max(len(self.rows), 1), -1)
        if axis is None or self.now is None:
            return counted
        known = self.now.key_positions(count) if self.axes[axis] == "key" else self.now.positions
        picked = None if known is None else self._picked(known[:, -count:])
        return counted if picked is None else picked

    @property
    def ids(self) -> Tensor | None:
        """Token ids, int64 (B, T) along the axis "pos"; None where they are not known."""
        if self.now is None or self.now.ids is None or "pos" not in self.axes:
            return None
        return self._picked(self.now.ids[:, -self.shape[self.axes.index("pos")] :])

    @property
    def begins(self) -> bool:
        """Whether the pass begins its texts, instead of going on with cached ones."""
        return self.now is None or self.now.past == 0

    @property
    def is_single(self) -> bool:
        """Whether the activation is one row without padding, or its rows are not known."""
        return not self.axes or (self.shape[0] == 1 and self.mask() is None)

    def valid(self, axis: int) -> Tensor | None:
        """Say which tokens along an axis are no padding, bool (B, T); None where all are."""
        return self._picked(self.now.valid(self.shape[axis])) if self.now is not None else None

    def mask(self) -> Tensor | None:
        """Say what is no padding, bool, broadcastable to the activation; None where all is."""
        whole: Tensor | None = None
        for axis, name in enumerate(self.axes):
            part = self.valid(axis) if name in _TOKENS else None
            if part is not None:
                shaped = self.along(part, axis)
                whole = shaped if whole is None else whole & shaped
        return whole

    def along(self, grid: Tensor, axis: int | None = None) -> Tensor:
        """Return a (B, T) tensor shaped so that it broadcasts along the axis of tokens, or another one."""
        axis = self.token_axis if axis is None else axis
        assert axis is not None
        shape = [grid.shape[0], *([1] * (len(self.shape) - 1))]
        shape[axis] = grid.shape[1]
        return grid.reshape(shape)

    def pieces(self) -> list[tuple[slice, ...]]:
        """Return for every row where it lies in the activation, its padding cut away."""
        masks = {axis: self.valid(axis) for axis, name in enumerate(self.axes) if name in _TOKENS}
        lines = {axis: mask.cpu().tolist() for axis, mask in masks.items() if mask is not None}
        found = []
        for row in range(self.shape[0]):
            cut = [slice(row, row + 1), *([slice(None)] * (len(self.shape) - 1))]
            for axis, line in lines.items():
                cut[axis] = _span(line[row])
            found.append(tuple(cut))
        return found

    def _picked(self, grid: Tensor | None) -> Tensor | None:
        return grid if grid is None or self._chosen is None else grid[self._chosen]

    def _find_axes(self) -> tuple[str, ...]:
        point, shape = self.point, self.shape
        if point is not None and not point.is_module:
            return point.axes if len(point.axes) == len(shape) else ()
        rest = tuple(f"axis_{place}" for place in range(2, len(shape)))
        if self.now is None:
            return ("batch", "pos", *rest) if len(shape) >= 3 else ()
        rows = self.now.batch if self._chosen is None else len(self._chosen)
        # One token where a model was asked for the newest logits alone.
        fits = len(shape) >= 2 and rows and shape[0] == rows and shape[1] in (1, self.now.length)
        is_other = point is not None and point.axes and "pos" not in point.axes
        return ("batch", "pos", *rest) if fits and not is_other else ()


def _span(line: list[bool]) -> slice:
    """Return where a row's tokens lie between its padding."""
    if True not in line:
        return slice(0, 0)
    return slice(line.index(True), len(line) - line[::-1].index(True))
