"""Changes of a model's weights that can be seen beforehand and taken back bit for bit.

The old tensors are kept, not recomputed. Knows nothing of why weights change: `bias` and `orthogonal` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from steer_tui.errors import UsageError


@dataclass(frozen=True)
class WeightChange:
    """What becomes of one parameter; plain values."""

    parameter: str
    """Path, such as `model.layers.3.mlp.down_proj.bias`."""
    is_new: bool
    """Whether the module had no such parameter before: a bias where there was none."""
    size: float
    """Norm of the change."""
    relative: float | None
    """Norm of the change as a share of the parameter's norm; None where there was none, or it was zero."""

    def __str__(self) -> str:
        share = "new" if self.is_new else f"{self.relative:.2%}" if self.relative is not None else "was zero"
        return f"{self.parameter}: changes by {self.size:.4g} ({share})"


@dataclass
class Change:
    """One parameter's new value, ready to be put in place."""

    module: nn.Module
    name: str
    """Of the parameter in the module."""
    path: str
    value: Tensor
    _before: Any = field(default=None, repr=False)

    def describe(self) -> WeightChange:
        """Return what it does, in plain values."""
        old = getattr(self.module, self.name)
        if old is None:
            return WeightChange(self.path, True, float(self.value.float().norm()), None)
        size, whole = float((self.value.float() - old.float()).norm()), float(old.float().norm())
        return WeightChange(self.path, False, size, size / whole if whole else None)

    def do(self) -> None:
        """Put the new value in place; the old parameter is kept as it is."""
        self._before = self.module._parameters.get(self.name)
        self.module._parameters[self.name] = nn.Parameter(self.value, requires_grad=False)

    def undo(self) -> None:
        """Put the old parameter back, the very same object."""
        self.module._parameters[self.name] = self._before
        self._before = None


class WeightEdit:
    """Changes that are made and taken back together."""

    def __init__(self, title: str, changes: Sequence[Change], log: list[WeightEdit]) -> None:
        """Prepare an edit.

        Args:
            title: What it does, for lists and exports.
            changes: Of the weights as they are now.
            log: The model's edits in force, the newest last; it is kept up to date.
        """
        self.title = title
        self._changes = list(changes)
        self._log = log
        self.preview: tuple[WeightChange, ...] = tuple(change.describe() for change in changes)
        """What becomes of each parameter."""

    @property
    def is_applied(self) -> bool:
        """Whether the model has it now."""
        return self in self._log

    def apply(self) -> WeightEdit:
        """Change the weights, and return self.

        Raises:
            UsageError: It is applied already, or weights were edited since it was prepared.
        """
        if self.is_applied:
            raise UsageError(f"{self.title} is applied already")
        for change in self._changes:
            change.do()
        self._log.append(self)
        return self

    def undo(self) -> None:
        """Restore every weight bit for bit; nothing happens where it is not applied.

        Raises:
            UsageError: A later edit stands on it.
        """
        if not self.is_applied:
            return
        if self._log[-1] is not self:
            raise UsageError(f"{self._log[-1].title} came later", hint="undo the newest edit first")
        for change in reversed(self._changes):
            change.undo()
        self._log.pop()

    def __enter__(self) -> WeightEdit:
        return self if self.is_applied else self.apply()

    def __exit__(self, *raised: object) -> None:
        self.undo()
