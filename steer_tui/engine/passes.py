"""Follows the passes through one model while hooks are on it, and lets those that only copy act at a pass's end.

By the time a block has been computed, the code of a hook has left the caches of a CPU. What waits for the end of a pass
is run for all blocks at once and costs less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.moment import Pass

_FEW = 64
"""Rows x tokens of a pass that may wait: copies of all blocks at once, so not those of a long prompt."""


class Passes:
    """The calls of a model, from inside to outside where one runs inside another."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._handles: list[RemovableHandle] = []
        self._outer: list[Pass] = []
        self._rows: Sequence[int] | None = None
        self._count = 0
        self.current: Pass | None = None
        """The pass that is running; None between passes."""
        self.paused = 0
        """How many ask that the model runs as if no hook were on."""
        self.may_wait = False
        """Whether every hook that is on only copies what a module returns."""

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
            self._handles, self._outer, self.current = [], [], None

    @contextmanager
    def run(self, rows: Sequence[int] | None = None) -> Iterator[None]:
        """Run the model inside; a call that is broken off leaves nothing behind.

        Args:
            rows: Names of the batch's rows; None numbers them.
        """
        before = self.current, list(self._outer), self._rows
        self._rows = rows
        try:
            yield
        finally:
            self.current, self._outer, self._rows = before
            if not self._handles:  # an error took every hook off: the end of an outer pass will not be told
                self.current, self._outer = None, []

    def settle(self) -> None:
        """Let what waits act at once, and nothing wait any more in the passes that are running."""
        for one in (*self._outer, self.current):
            if one is not None:
                one.settle()

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._count += 1
        if self.current is not None:
            self.current.settle()  # what it has read comes before what the pass inside it will
            self._outer.append(self.current)
        self.current = Pass(args, kwargs, self._count, self._rows)
        if self.may_wait and 0 < self.current.batch * self.current.length <= _FEW:
            self.current.waiting = []

    def _end(self, module: nn.Module, args: Any, output: Any) -> None:
        try:
            if self.current is not None and output is not None:  # None is what a pass that failed returns
                self.current.settle()
        finally:
            self.current = self._outer.pop() if self._outer else None
