"""Which absolute positions of a row a term acts on.

Positions count the row's own tokens from 0, padding excluded, so a scope means the same with and without a KV cache and
in any batch. Knows nothing of models; tensors are only passed through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steer_tui.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("all", "prompt", "generated", "last", "first", "after", "pos")
"""In the order in which a key walks through them."""

_LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of positions.

    `all`: every token. `prompt`: the prompt's. `generated`: those after the prompt. `last`: the prompt's last token.
    `first`: the first `start` tokens. `after`: all from position `start` on. `pos`: `start` to `stop`, both included.
    """

    kind: str = "all"
    start: int = 0
    stop: int = 0

    def __str__(self) -> str:
        if self.kind in ("first", "after"):
            return f"{self.kind}={self.start}"
        return f"pos={self.start}..{self.stop}" if self.kind == "pos" else self.kind

    def bounds(self, prompt_length: int) -> tuple[int, int]:
        """Return the half-open range of positions for a prompt of that many tokens."""
        return {
            "all": (0, _LIMIT),
            "prompt": (0, prompt_length),
            "generated": (prompt_length, _LIMIT),
            "last": (prompt_length - 1, prompt_length),
            "first": (0, self.start),
            "after": (self.start, _LIMIT),
            "pos": (self.start, self.stop + 1),
        }[self.kind]

    def contains(self, position: int, prompt_length: int) -> bool:
        """Say whether the term acts at `position`."""
        low, high = self.bounds(prompt_length)
        return low <= position < high

    def touches(self, low: int, high: int, prompt_length: int) -> bool:
        """Say whether any position of `low <= p < high` is in the scope."""
        start, stop = self.bounds(prompt_length)
        return max(low, start) < min(high, stop)

    def mask(self, positions: Tensor, prompt_length: int) -> Tensor:
        """Return which of `positions` (any integer shape, negative for padding) are in the scope, as bools."""
        low, high = self.bounds(prompt_length)
        return (positions >= max(low, 0)) & (positions < high)


ALL = Scope()


def parse_scope(text: str) -> Scope:
    """Return the scope that `text` names.

    Raises:
        RecipeError: `text` is none.
    """
    if text in ("all", "prompt", "generated", "last"):
        return Scope(text)
    if match := re.fullmatch(r"(first|after)=(\d{1,9})", text):
        return Scope(match[1], int(match[2]))
    if match := re.fullmatch(r"pos=(\d{1,9})\.\.(\d{1,9})", text):
        start, stop = int(match[1]), int(match[2])
        if start <= stop:
            return Scope("pos", start, stop)
        raise RecipeError(f"scope pos={start}..{stop} runs backwards", hint=f"write pos={stop}..{start}")
    raise RecipeError(f"no scope {text!r}", hint="one of all, prompt, generated, last, first=N, after=N, pos=A..B")
