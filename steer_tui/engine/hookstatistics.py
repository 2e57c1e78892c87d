"""Running statistics of activations: over all tokens seen, and token by token while text is generated.

The hook itself only copies; the arithmetic is done for many tokens at once, so that watching costs little. Padding is
never counted, and keys that a cache holds are counted once, when they are new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.detectors import ReadyDetector
from steer_tui.engine.hooks import HookType
from steer_tui.engine.hookvalues import TokenStatistics
from steer_tui.engine.moment import Moment
from steer_tui.errors import UsageError

_AT_ONCE = 64
"""Tokens that wait before they are counted."""


def tokens_of(detector: ReadyDetector, activation: Tensor) -> Tensor:
    """Return (n, ...features) of the tokens that are new and no padding; a pattern becomes (n, heads)."""
    moment = detector.now(activation)
    axes = moment.axes
    if "pos" in axes and "key" in axes:
        mask = moment.mask()
        kept = activation.new_ones(()).bool().expand(activation.shape) if mask is None else mask.expand_as(activation)
        return activation.movedim(1, -1)[kept.movedim(1, -1)[..., 0]]
    if not axes:
        return activation.reshape(-1, activation.shape[-1]) if activation.dim() else activation.reshape(1, 1)
    valid = moment.valid(1)
    if axes[1] == "key" and moment.now is not None:
        newest = moment.now.length
        activation, valid = activation[:, -newest:], None if valid is None else valid[:, -newest:]
    return activation.flatten(0, 1).clone() if valid is None else activation[valid]


class RunningStatsDetector(ReadyDetector):
    """Mean, std, min and max of every feature over all tokens seen, in constant memory.

    Batches are merged as Welford's method does (Chan et al. 1979), in float64 where the device has it.
    """

    def __init__(
        self,
        layer_signature: str | int | None = None,
        hook_id: str | None = None,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        rows: Sequence[int] | None = None,
    ) -> None:
        super().__init__(layer_signature, hook_id, hook_type=hook_type, rows=rows)
        self._waiting: list[Tensor] = []
        self._waiting_tokens = 0
        self._moments: _Moments | None = None

    @property
    def count(self) -> int:
        """Tokens seen."""
        return self._folded().count if self._moments or self._waiting else 0

    @property
    def mean(self) -> Tensor:
        """Mean of each feature, float32."""
        return self._folded().mean.float()

    @property
    def std(self) -> Tensor:
        """Standard deviation of each feature over the tokens seen (divided by their number), float32."""
        known = self._folded()
        return (known.spread / known.count).sqrt().float()

    @property
    def min(self) -> Tensor:
        """Least value of each feature, float32."""
        return self._folded().low.float()

    @property
    def max(self) -> Tensor:
        """Greatest value of each feature, float32."""
        return self._folded().high.float()

    def read(self, activation: Tensor) -> None:
        """Take the new tokens."""
        tokens = tokens_of(self, activation.detach())
        if self._waiting and self._waiting[0].shape[1:] != tokens.shape[1:]:
            raise UsageError("one detector takes the statistics of one point", hint="make one for each point")
        self._waiting.append(tokens)
        self._waiting_tokens += tokens.shape[0]
        if self._waiting_tokens >= _AT_ONCE:
            self._fold()

    def get_captured(self) -> dict[str, Tensor | int] | None:
        """Return count, mean, std, min and max; None before the first token."""
        if not self.count:
            return None
        return {"count": self.count, "mean": self.mean, "std": self.std, "min": self.min, "max": self.max}

    def clear_captured(self) -> None:
        """Begin again."""
        super().clear_captured()
        self._waiting, self._waiting_tokens, self._moments = [], 0, None

    def _folded(self) -> _Moments:
        self._fold()
        if self._moments is None:
            raise UsageError("no token has been seen yet", hint="run a prompt first")
        return self._moments

    def _fold(self) -> None:
        tokens = torch.cat(self._waiting) if self._waiting else None
        self._waiting, self._waiting_tokens = [], 0
        if tokens is not None and tokens.shape[0]:
            tokens = tokens.float() if tokens.device.type == "mps" else tokens.double()
            new = _Moments.of(tokens)
            self._moments = new if self._moments is None else self._moments.merged(new)


@dataclass
class _Moments:
    """Count, mean, sum of squared distances from it, least and greatest value, per feature."""

    count: int
    mean: Tensor
    spread: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, tokens: Tensor) -> _Moments:
        mean = tokens.mean(dim=0)
        return cls(tokens.shape[0], mean, (tokens - mean).square().sum(dim=0), tokens.amin(dim=0), tokens.amax(dim=0))

    def merged(self, other: _Moments) -> _Moments:
        count = self.count + other.count
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        spread = self.spread + other.spread + shift.square() * (self.count * other.count / count)
        return _Moments(count, mean, spread, torch.minimum(self.low, other.low), torch.maximum(self.high, other.high))


class TokenTraceDetector(ReadyDetector):
    """Mean, std, norm, min and max of each token's activation, row by row, also of generated tokens as they come."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        hook_id: str | None = None,
        *,
        limit: int = 4096,
        hook_type: HookType | str = HookType.FORWARD,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make a detector.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            hook_id: Its id; None makes one.
            limit: Tokens kept per row; older ones are forgotten.
            hook_type: Side of the module, where the signature is a module.
            rows: Rows of a batch that it reads; None for all.
        """
        super().__init__(layer_signature, hook_id, hook_type=hook_type, rows=rows)
        self._limit = limit
        self._waiting: list[tuple[tuple[int, ...], Tensor, Tensor | None]] = []
        self._waiting_tokens = 0
        self._rows: dict[int, deque[TokenStatistics]] = {}
        self._shape: tuple[int, ...] = ()
        self._new: dict[int, int] = {}
        """Row -> tokens counted since `take_new`."""

    def read(self, activation: Tensor) -> None:
        """Take the new tokens, (B, T, ...); of scores and pattern, every query's values over heads and keys."""
        moment = self.now(activation)
        axes = moment.axes
        self._shape = tuple(activation.shape)
        if "pos" in axes and "key" in axes:
            self._take_queries(activation.detach(), moment)
            return
        if not axes or axes[1] not in ("pos", "key"):
            return
        valid = moment.valid(1)
        if axes[1] == "key" and moment.now is not None:
            newest = moment.now.length
            activation, valid = activation[:, -newest:], None if valid is None else valid[:, -newest:]
        self._take(moment.rows, activation.detach().flatten(2).clone(), valid)

    def _take_queries(self, activation: Tensor, moment: Moment) -> None:
        """Take scores or a pattern, (B, H, T, K), padding cut away row by row."""
        if moment.mask() is None:
            self._take(moment.rows, activation.movedim(2, 1).flatten(2).clone(), None)
            return
        for row, cut in zip(moment.rows, moment.pieces(), strict=True):
            self._take((row,), activation[cut].movedim(2, 1).flatten(2).clone(), None)

    def _take(self, rows: tuple[int, ...], tokens: Tensor, valid: Tensor | None) -> None:
        self._waiting.append((rows, tokens, valid))
        self._waiting_tokens += tokens.shape[1]
        if self._waiting_tokens >= _AT_ONCE:
            self._fold()

    def trace(self, row: int = 0) -> tuple[TokenStatistics, ...]:
        """Return the statistics of a row's tokens, the oldest first: plain numbers, safe to hand to another thread."""
        self._fold()
        return tuple(self._rows.get(row, ()))

    def take_new(self) -> dict[int, tuple[TokenStatistics, ...]]:
        """Return row -> its tokens since the last call, the oldest first; rows without a new one are left out."""
        self._fold()
        new, self._new = self._new, {}
        return {row: _last(self._rows[row], count) for row, count in new.items() if count}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the newest activation; empty before the first."""
        return self._shape

    def get_captured(self) -> dict[int, tuple[TokenStatistics, ...]] | None:
        """Return row -> statistics of its tokens; None before the first token."""
        self._fold()
        return {row: tuple(tokens) for row, tokens in self._rows.items()} or None

    def clear_captured(self) -> None:
        """Forget them."""
        super().clear_captured()
        self._waiting, self._waiting_tokens = [], 0
        self._rows.clear()
        self._new.clear()

    def _fold(self) -> None:
        """Count what waits, passes of one shape together, and bring it to the host."""
        waiting, self._waiting, self._waiting_tokens = self._waiting, [], 0
        while waiting:
            rows, first, valid = waiting[0]
            count = 1
            while valid is None and count < len(waiting) and _continues(waiting[count], rows, first):
                count += 1
            group, waiting = waiting[:count], waiting[count:]
            whole = torch.cat([activation for _, activation, _ in group], dim=1)
            self._keep(rows, _table(whole).tolist(), valid.tolist() if valid is not None else None)

    def _keep(self, rows: Sequence[int], table: list[Any], lines: list[list[bool]] | None) -> None:
        """Add tokens, as numbers [row][token]; `lines` is False on padding."""
        for place, row in enumerate(rows):
            kept = self._rows.setdefault(row, deque(maxlen=self._limit))
            shown = table[place] if lines is None else compress(table[place], lines[place])
            tokens = [TokenStatistics._make(numbers) for numbers in shown]
            kept.extend(tokens)
            self._new[row] = self._new.get(row, 0) + len(tokens)


def fold_together(detectors: Iterable[TokenTraceDetector]) -> None:
    """Count what waits in several detectors at once: activations of one shape together, one transfer for all."""
    alike: dict[tuple[int, ...], list[tuple[TokenTraceDetector, tuple[int, ...], Tensor]]] = {}
    for detector in detectors:
        if len(detector._waiting) != 1 or detector._waiting[0][2] is not None:
            detector._fold()  # several passes, or padding
            continue
        rows, activation, _ = detector._waiting[0]
        detector._waiting, detector._waiting_tokens = [], 0
        alike.setdefault((*activation.shape, activation.device.index or 0), []).append((detector, rows, activation))
    tables = [_table(torch.stack([one[2] for one in ones])) for ones in alike.values()]
    if not tables:
        return
    flat = torch.cat([table.flatten(0, -2).to(tables[0].device) for table in tables]).tolist()
    for table, ones in zip(tables, alike.values(), strict=True):
        _, batch, length, _ = table.shape
        for detector, rows, _ in ones:
            mine, flat = flat[: batch * length], flat[batch * length :]
            detector._keep(rows, [mine[row * length : (row + 1) * length] for row in range(batch)], None)


def _table(activation: Tensor) -> Tensor:
    """Return the five statistics over the last axis, float32 (..., 5)."""
    values = activation.float()
    mean = values.mean(dim=-1)
    # On a CPU this takes a quarter of the time of var_mean and aminmax over the last axis.
    spread = (values - mean.unsqueeze(-1)).square().mean(dim=-1)
    low, high = values.amin(dim=-1), values.amax(dim=-1)
    return torch.stack([mean, spread.sqrt(), values.norm(dim=-1), low, high], dim=-1)


def _last(tokens: deque[TokenStatistics], count: int) -> tuple[TokenStatistics, ...]:
    """Return the newest few, which are one for each generated token, without a walk over all."""
    return tuple(islice(tokens, max(0, len(tokens) - count), None)) if count > 1 else (tokens[-1],)


def _continues(entry: tuple[tuple[int, ...], Tensor, Tensor | None], rows: tuple[int, ...], first: Tensor) -> bool:
    same = entry[1].shape[0] == first.shape[0] and entry[1].shape[2] == first.shape[2]
    return entry[2] is None and entry[0] == rows and same
