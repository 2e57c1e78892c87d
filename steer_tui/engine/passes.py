"""Follows the passes through one model while hooks are on it, and lets those that only copy act at a pass's end.

By the time a block has been computed, the code of a hook has left the caches of a CPU. What waits for the end of a pass
is run for all blocks at once and costs a third.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.moment import Pass

_FEW = 64
"""Rows x tokens of a pass that may wait: copies of all blocks at once, so not those of a prompt."""


class Passes:
    """The calls of a model, from inside to outside where one runs inside another."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._handles: list[RemovableHandle] = []
        self._outer: list[Pass | None] = []
        self._count = 0
        self.current: Pass | None = None
        """The pass that is running; None between passes."""
        self.batch_rows: Sequence[int] | None = None
        """Names of the rows of the coming passes; None numbers them."""
        self.may_wait = False
        """Whether nothing acts inside a pass that could tell if what is read was read at its end."""

    def follow(self, needed: bool) -> None:
        """Take note of every call of the model while there are hooks."""
        if needed and not self._handles:
            self._handles = [
                self._model.register_forward_pre_hook(self._begin, with_kwargs=True, prepend=True),
                self._model.register_forward_hook(self._end, always_call=True),
            ]
        elif not needed:
            for handle in self._handles:
                handle.remove()
            self._handles = []
            self.current = None
            self._outer.clear()

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._count += 1
        now = Pass(args, kwargs, self._count, self.batch_rows)
        if self.may_wait and 0 < now.batch * now.length <= _FEW:
            now.waiting = []
        self._outer.append(self.current)
        self.current = now

    def _end(self, module: nn.Module, args: Any, output: Any) -> None:
        if self.current is None:
            return
        try:
            for act in self.current.waiting or ():
                act()
        finally:
            self.current = self._outer.pop() if self._outer else None
