"""Running statistics of activations over all tokens seen, feature by feature.

The hook itself only copies; the arithmetic is done for many tokens at once, so that watching costs little. Padding is
never counted, and keys that a cache holds are counted once, when they are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steer_tui.engine.detectors import ReadyDetector
from steer_tui.engine.hooks import HookType
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
        if moment.point is not None and moment.point.side == "attn_scores":
            kept = kept & (activation > torch.finfo(activation.dtype).min / 2)  # what no query looks at has no score
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
        self._take(tokens_of(self, activation.detach()))

    def read_plain(self, activation: Tensor, rows: tuple[int, ...]) -> None:
        """Take the tokens (B, T, D), none of them padding."""
        self._take(activation.detach().flatten(0, 1))

    def _take(self, tokens: Tensor) -> None:
        known = self._waiting[0].shape[1:] if self._waiting else self._moments.mean.shape if self._moments else None
        if known is not None and known != tokens.shape[1:]:
            raise UsageError(
                f"a token's features were of shape {tuple(known)} and are of shape {tuple(tokens.shape[1:])}",
                hint="take a detector for each point, at points whose features stay",
            )
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
