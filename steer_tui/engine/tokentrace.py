"""Statistics of each token's activation, row by row, also while text is generated: what a watched point shows.

The hook itself only copies; the arithmetic is done for many tokens, or many points, at once, so that watching costs
little. Padding is never counted, and keys that a cache holds are counted once, when they are new.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import compress, islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from steer_tui.engine.detectors import ReadyDetector
from steer_tui.engine.hooks import HookType
from steer_tui.engine.hookvalues import TokenStatistics
from steer_tui.engine.moment import Moment

_AT_ONCE = 64
"""Tokens that wait before they are counted."""


class _Waiting(NamedTuple):
    """One pass that is not counted yet."""

    rows: tuple[int, ...]
    tokens: Tensor
    """(B, T, features)."""
    valid: Tensor | None
    """False on padding; None where there is none."""
    has_gaps: bool = False
    """Whether NaN stands for what is not there."""

    def is_like(self, other: _Waiting) -> bool:
        """Say whether both can be counted as one tensor."""
        mine, its = self.tokens, other.tokens
        is_bare = self.valid is None and other.valid is None
        return is_bare and mine.shape == its.shape and mine.device == its.device and self.has_gaps == other.has_gaps

    def goes_on_in(self, other: _Waiting) -> bool:
        """Say whether another pass holds the next tokens of the same rows, so that both are counted together."""
        shapes = [(one.tokens.shape[0], one.tokens.shape[2], one.has_gaps, one.rows) for one in (self, other)]
        return self.valid is None and other.valid is None and shapes[0] == shapes[1]


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
        self._waiting: list[_Waiting] = []
        self._waiting_tokens = 0
        self._rows: dict[int, deque[TokenStatistics]] = {}
        self._shape: tuple[int, ...] = ()
        self._new: dict[int, int] = {}
        """Row -> tokens counted since `take_new`."""

    def read(self, activation: Tensor) -> None:
        """Take the new tokens, (B, T, ...); of scores and pattern, every query's values over heads and keys.

        At a module whose axes are not known, each row is taken as one token, padding included.
        """
        activation = activation.detach() if activation.requires_grad else activation
        moment = self.now(activation)
        axes = moment.axes
        self._shape = activation.shape
        if "pos" in axes and "key" in axes:
            self._take_queries(activation, moment)
            return
        if not axes or axes[1] not in ("pos", "key"):
            self._take_whole(activation, moment)
            return
        valid = moment.valid(1)
        if axes[1] == "key" and moment.now is not None:
            newest = moment.now.length
            activation, valid = activation[:, -newest:], None if valid is None else valid[:, -newest:]
        self._take(_Waiting(moment.rows, _flat(activation).clone(), valid))

    def read_plain(self, activation: Tensor, rows: tuple[int, ...]) -> None:
        """Take the new tokens (B, T, D), none of them padding."""
        self._shape = activation.shape
        self._take(_Waiting(rows, activation.detach() if activation.requires_grad else activation, None))

    def _take_queries(self, activation: Tensor, moment: Moment) -> None:
        """Take scores or a pattern, (B, H, T, K), without padding and keys that a query cannot see."""
        whole = moment.mask() is None
        cuts: list[Any] = [...] if whole else moment.pieces()
        is_scores = moment.point is not None and moment.point.side == "attn_scores"
        for rows, cut in zip([moment.rows] if whole else [(row,) for row in moment.rows], cuts, strict=True):
            tokens = activation[cut].movedim(2, 1).flatten(2).clone()
            if is_scores:
                tokens.masked_fill_(tokens <= torch.finfo(tokens.dtype).min / 2, torch.nan)
            self._take(_Waiting(rows, tokens, None, has_gaps=is_scores))

    def _take_whole(self, activation: Tensor, moment: Moment) -> None:
        """Take each row's activation as if it were one token: which axis has the tokens is not known."""
        rows = len(moment.rows)
        if activation.numel() and (rows == 1 or activation.shape[:1] == (rows,)):
            self._take(_Waiting(moment.rows, activation.reshape(rows, 1, -1).clone(), None))

    def _take(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._waiting_tokens += waiting.tokens.shape[1]
        if self._waiting_tokens >= _AT_ONCE:
            self._fold()

    def trace(self, row: int = 0) -> tuple[TokenStatistics, ...]:
        """Return the statistics of a row's tokens, the oldest first: plain numbers, safe to hand to another thread."""
        self._fold()
        return tuple(self._rows.get(row, ()))

    def take_new(self) -> dict[int, tuple[TokenStatistics, ...]]:
        """Return row -> its tokens since the last call, the oldest first; rows without a new one are left out."""
        if self._waiting:
            self._fold()
        new, self._new = self._new, {}
        return {row: _last(self._rows[row], count) for row, count in new.items() if count}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the newest activation; empty before the first."""
        return tuple(self._shape)

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

    @torch.inference_mode()
    def _fold(self) -> None:
        """Count what waits, passes of one shape together, and bring it to the host."""
        waiting, self._waiting, self._waiting_tokens = self._waiting, [], 0
        while waiting:
            first, count = waiting[0], 1
            while count < len(waiting) and first.goes_on_in(waiting[count]):
                count += 1
            group, waiting = waiting[:count], waiting[count:]
            table = _table(torch.cat([one.tokens for one in group], dim=1), first.has_gaps).tolist()
            if first.valid is not None:
                table = [list(compress(*row)) for row in zip(table, first.valid.tolist(), strict=True)]
            for row, tokens in zip(first.rows, table, strict=True):
                self._keep(row, tokens)

    def _keep(self, row: int, tokens: list[Any]) -> None:
        """Add a row's tokens, five numbers each."""
        kept = self._rows.get(row)
        if kept is None:
            kept = self._rows[row] = deque(maxlen=self._limit)
        kept.extend(map(TokenStatistics._make, tokens))
        self._new[row] = self._new.get(row, 0) + len(tokens)


@torch.inference_mode()
def fold_together(detectors: Iterable[TokenTraceDetector]) -> None:
    """Count what waits in several detectors at once: activations of one shape together, one transfer for all."""
    alike: list[list[tuple[TokenTraceDetector, _Waiting]]] = []
    for detector in detectors:
        waiting = detector._waiting
        if not waiting:
            continue
        first = waiting[0]
        if first.valid is not None or (len(waiting) > 1 and not all(first.is_like(one) for one in waiting)):
            detector._fold()  # padding, or passes of several shapes, which would lose their order
            continue
        detector._waiting, detector._waiting_tokens = [], 0
        for group in alike:
            if first.is_like(group[0][1]):
                break
        else:
            alike.append(group := [])
        for one in waiting:
            group.append((detector, one))
    tables = [_table(torch.stack([one.tokens for _, one in group]), group[0][1].has_gaps) for group in alike]
    if not tables:
        return
    parts = [table.flatten(0, -2).to(tables[0].device) for table in tables]
    flat = (parts[0] if len(parts) == 1 else torch.cat(parts)).tolist()
    begin = 0
    for group, table in zip(alike, tables, strict=True):
        length = table.shape[-2]
        for detector, one in group:
            for row in one.rows:
                detector._keep(row, flat[begin : begin + length])
                begin += length


def _flat(activation: Tensor) -> Tensor:
    """Return (B, T, features), one feature where a token has a single value."""
    if activation.dim() == 3:
        return activation
    return activation.flatten(2) if activation.dim() > 3 else activation.unsqueeze(-1)


def _table(activation: Tensor, has_gaps: bool) -> Tensor:
    """Return the five statistics over the last axis, float32 (..., 5); with gaps, NaN is left out."""
    values = activation.float()
    if has_gaps:
        return _table_of_some(values)
    mean = values.mean(dim=-1, keepdim=True)
    # Few operations, and none of those that are slow over the last axis on a CPU: var_mean, aminmax.
    std = torch.linalg.vector_norm(values - mean, dim=-1) / math.sqrt(values.shape[-1])
    norm = torch.linalg.vector_norm(values, dim=-1)
    return torch.stack([mean.squeeze(-1), std, norm, values.amin(dim=-1), values.amax(dim=-1)], dim=-1)


def _table_of_some(values: Tensor) -> Tensor:
    is_gap = values.isnan()
    mean = values.nanmean(dim=-1)
    spread = (values - mean.unsqueeze(-1)).square().nanmean(dim=-1)
    low, high = values.masked_fill(is_gap, torch.inf).amin(dim=-1), values.masked_fill(is_gap, -torch.inf).amax(dim=-1)
    norm = values.masked_fill(is_gap, 0.0).norm(dim=-1)
    return torch.stack([mean, spread.sqrt(), norm, low, high], dim=-1)


def _last(tokens: deque[TokenStatistics], count: int) -> tuple[TokenStatistics, ...]:
    """Return the newest few, which are one for each generated token, without a walk over all."""
    return tuple(islice(tokens, max(0, len(tokens) - count), None)) if count > 1 else (tokens[-1],)
