"""Hook points: places in a model where an activation is read or changed, named as TransformerLens names them.

A point knows its name, its module, which side of the module it is and what the axes mean. Knows nothing of hooks;
`pointfinder` says where a given model keeps its points.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from steer_tui.errors import UsageError

Side = Literal["output", "input", "residual", "q", "k", "v", "attn_scores", "pattern"]
"""Which activation of the module: what it returns, what it takes, the residual stream that it takes, or a tensor
inside attention."""

TAPS: tuple[Side, ...] = ("q", "k", "v", "attn_scores", "pattern")
"""Sides that lie inside the attention function."""

_LAYER = re.compile(r"(?:layer_|blocks\.)?(\d+)")
_ATTENTION_PARTS = frozenset({"q", "k", "v", "attn_scores", "pattern", "z"})
_MLP_PARTS = frozenset({"pre", "post", "pre_linear"})


@dataclass(frozen=True)
class HookPoint:
    """One place where an activation is read or changed."""

    name: str
    """Such as `blocks.3.hook_resid_post`, or a module path."""
    module: str
    """Path of the module; empty for the model itself."""
    side: Side
    axes: tuple[str, ...] = ()
    """Meaning of each axis: batch, pos, key, head, kv_head, then the features; empty where it is not known."""
    sizes: tuple[int | None, ...] = ()
    """Size of each axis; None where it changes with the batch or is not known."""
    index: int | None = None
    """Block that the point lies in; None outside the blocks."""
    heads: int = 0
    """More than 0: the module's last axis is this many heads side by side."""
    reason: str | None = None
    """Why this architecture cannot give the point; None where it can."""
    note: str = ""
    """What a reader should know of the point in this architecture."""

    @property
    def available(self) -> bool:
        """Whether hooks can be put here."""
        return self.reason is None

    @property
    def is_module(self) -> bool:
        """Whether it is a module by its path; its axes are then seen when it runs."""
        return self.name == self.module

    @property
    def shape(self) -> tuple[str | int, ...]:
        """Axes as words where they change with the batch and as numbers where they do not: ("batch", "pos", 768)."""
        return tuple(axis if size is None else size for axis, size in zip(self.axes, self.sizes, strict=True))

    @property
    def masks(self) -> bool:
        """Whether minus infinity has a meaning here: what is never looked at, or never said."""
        return self.is_module or self.side == "attn_scores" or self.name == "hook_logits"

    def layer(self) -> int:
        """Return the block that the point lies in.

        Raises:
            UsageError: It lies in none.
        """
        if self.index is None:
            raise UsageError(f"{self.name} lies in no block")
        return self.index

    def view(self, raw: Tensor, batch: int, length: int) -> Tensor:
        """Return the module's tensor as the point shows it: rows apart, heads apart.

        Args:
            raw: What the module deals in.
            batch: Rows of the pass; 0 where they are not known.
            length: Tokens per row of the pass.
        """
        if raw.dim() == 2 and len(self.axes) > 2 and batch and self.flat and raw.shape[0] == batch * length:
            raw = raw.unflatten(0, (batch, length))
        if self.heads:
            raw = raw.unflatten(-1, (self.heads, -1))
        if self.spread and raw.shape[0] == 1 and batch > 1:
            raw = raw.expand(batch, *raw.shape[1:])
        return raw

    def unview(self, shown: Tensor, raw: Tensor) -> Tensor:
        """Return `shown` in the shape that the module deals in."""
        if self.heads:
            shown = shown.flatten(-2)
        return shown.flatten(0, 1) if raw.dim() == 2 and shown.dim() == 3 else shown

    @property
    def flat(self) -> bool:
        """Whether a module may give rows and positions as one axis here."""
        return self.axes[:2] == ("batch", "pos")

    @property
    def is_plain(self) -> bool:
        """Whether a module's tensor (B, T, D) is shown as it is."""
        return len(self.axes) == 3 and self.flat and not (self.heads or self.spread or self.is_module)

    @property
    def spread(self) -> bool:
        """Whether a module may give one row for all here."""
        return self.name == "hook_pos_embed"


class PointTable(Mapping[str, HookPoint]):
    """Every point of a model by name: the named ones in order of execution, then every module path."""

    def __init__(self, named: Iterable[HookPoint], modules: Iterable[HookPoint], blocks: int) -> None:
        self.named: dict[str, HookPoint] = {point.name: point for point in named}
        """Points with TransformerLens names, those that this architecture cannot give included."""
        self.modules: dict[str, HookPoint] = {point.name: point for point in modules}
        self._blocks = blocks

    def __getitem__(self, name: str) -> HookPoint:
        return self.named[name] if name in self.named else self.modules[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.named
        yield from (name for name in self.modules if name not in self.named)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def find(self, signature: str | int | tuple[str, int]) -> HookPoint:
        """Return the point that a signature names.

        Args:
            signature: A point's name, a module path, `layer_3`, 3 or "3" (a block's output), a short name with its
                block ("z", 3), or a short name outside the blocks ("embed").

        Raises:
            UsageError: There is no such point, or this architecture cannot give it.
        """
        name = self._name(signature)
        point = self.get(name)
        if point is None:
            raise unknown(str(signature if isinstance(signature, (str, int)) else name), self)
        if point.reason is not None:
            raise UsageError(f"{point.name} cannot be hooked in this model: {point.reason}", hint=self._instead(point))
        return point

    def matching(self, wanted: str | Callable[[str], bool] | Iterable[str]) -> list[HookPoint]:
        """Return the available points that a name, a predicate on names or a list of names asks for.

        Raises:
            UsageError: None is left, or a name is unknown.
        """
        if callable(wanted):
            found = [point for name, point in self.named.items() if point.available and wanted(name)]
            if not found:
                raise UsageError("the filter matches no hook point of this model", hint="see `steer-tui points`")
            return found
        return [self.find(name) for name in ([wanted] if isinstance(wanted, (str, int)) else wanted)]

    def _name(self, signature: str | int | tuple[str, int]) -> str:
        if isinstance(signature, tuple):
            return full_name(signature[0], signature[1] if len(signature) > 1 else None, self._blocks)
        if not isinstance(signature, (str, int)):
            raise UsageError(f"{type(signature).__name__} names no hook point", hint="give a name, `layer_3` or 3")
        layer = _LAYER.fullmatch(str(signature))
        if isinstance(signature, int) or layer is not None:
            index = int(signature) if layer is None else int(layer.group(1))
            if not 0 <= index < self._blocks:
                raise UsageError(f"there is no block {index}", hint=f"the model has blocks 0 to {self._blocks - 1}")
            return f"blocks.{index}.hook_resid_post"
        if signature in self.named or signature in self.modules:
            return signature
        short = full_name(signature, None, self._blocks)
        return short if short in self.named else signature

    def _instead(self, point: HookPoint) -> str:
        ready = [name for name, other in self.named.items() if other.available and other.index == point.index]
        near = difflib.get_close_matches(point.name, ready, n=3, cutoff=0.0)
        return f"points beside it: {', '.join(near)}"


def full_name(short: str, layer: int | None, blocks: int) -> str:
    """Return the name of a point from its short form: ("z", 3) is `blocks.3.attn.hook_z`, ("embed", None) `hook_embed`.

    A negative layer counts from the last block.
    """
    short = short.removeprefix("hook_")
    if short in ("normalized", "ln_final"):
        return "ln_final.hook_normalized"
    if layer is None:
        return f"hook_{short}"
    layer = layer + blocks if layer < 0 else layer
    short = "attn_scores" if short == "scores" else short
    part = "attn." if short in _ATTENTION_PARTS else "mlp." if short in _MLP_PARTS else ""
    return f"blocks.{layer}.{part}hook_{short}"


def unknown(name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a point that does not exist, its nearest names in the hint."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    digits = re.sub(r"\d+", "0", name)
    near = near or difflib.get_close_matches(digits, names, n=3, cutoff=0.3)
    hint = f"nearest: {', '.join(near)}" if near else "see `steer-tui points`"
    return UsageError(f"no hook point is called {name!r}", hint=hint)
