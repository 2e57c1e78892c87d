"""One place of a module that hooks are on: takes the activation out of the call, hands it round, puts the result back.

Promises that hooks act in the order of the list, and that nothing of the model is written to, with one exception:
`residual`, where a block holds one tensor that two of its parts go on to use, is written into that very tensor.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.activation import input_of, tensor_of, with_input, with_tensor
from steer_tui.engine.hooks import Hook, ReadPlain
from steer_tui.engine.moment import Pass
from steer_tui.engine.passes import Passes
from steer_tui.engine.points import HookPoint, Side


@dataclass(frozen=True)
class Attached:
    """A hook at a point."""

    id: str
    point: HookPoint
    hook: Hook
    rows: tuple[int, ...] | None
    """Rows that it acts on; None for all that the run allows."""
    read_plain: ReadPlain | None = None
    """The hook's short way, where the point suits it."""

    @property
    def enabled(self) -> bool:
        """Whether it acts."""
        return self.hook.enabled


HandRound = Callable[[Sequence[Attached], nn.Module, Any, Tensor, Pass | None], Tensor]
"""(hooks, module, its inputs, activation, pass) -> what to go on with, the same tensor where no hook changed it."""


@dataclass
class Site:
    """Hooks on one side of one module."""

    module: nn.Module
    side: Side
    passes: Passes
    hand_round: HandRound
    is_last: bool = False
    """Whether it is the model's own output: its hooks come before the one that ends the pass."""
    attached: list[Attached] = field(default_factory=list)
    _handle: RemovableHandle | None = None

    def install(self) -> None:
        """Be on the module from the next pass on; sides inside attention are opened by `Sites`."""
        if self.side == "output":
            self._handle = self.module.register_forward_hook(self._after, with_kwargs=True, prepend=self.is_last)
        elif self.side == "input":
            self._handle = self.module.register_forward_pre_hook(self._before, with_kwargs=True)
        elif self.side == "residual":
            self._handle = self.module.register_forward_pre_hook(self._within, with_kwargs=True)

    def remove(self) -> None:
        """Leave the module as it was."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def tap(self, tensor: Tensor) -> Tensor:
        """Hand round a tensor inside attention."""
        return self._act((), tensor)

    def _act(self, inputs: Any, raw: Tensor) -> Tensor:
        passes = self.passes
        return raw if passes.paused else self.hand_round(self.attached, self.module, inputs, raw, passes.current)

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        raw = output if isinstance(output, Tensor) else tensor_of(output)
        if raw is None:
            return None
        now = self.passes.current
        if now is not None and now.waiting is not None and not self.passes.paused:
            now.waiting.append(functools.partial(self.hand_round, self.attached, module, (), raw.clone(), now))
            return None
        new = self._act(args or tuple(kwargs.values())[:1], raw)
        return None if new is raw else with_tensor(output, new)

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raw = input_of(args, kwargs)
        if raw is None:
            return None
        new = self._act(args, raw)
        return None if new is raw else with_input(args, kwargs, new)

    def _within(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raw = input_of(args, kwargs)
        if raw is None:
            return
        shown = raw.clone()  # what hooks keep must not change with the tensor that is written to
        new = self._act(args, shown)
        if new is not shown:
            raw.copy_(new)
