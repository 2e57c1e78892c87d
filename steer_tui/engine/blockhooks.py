"""One hook per block or other spot that a run steers or watches, put on once and taken off whatever happens."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.pointhook import check_side, put_hook
from steer_tui.engine.spot import Spot, point_name
from steer_tui.engine.structure import Structure, block_tensor, with_block_tensor

BlockFunction = Callable[[Any, Tensor], Tensor]
"""(block index, output (B, T, D)) -> the output to go on with; the same tensor leaves the pass as it is. Where other
spots are covered, it gets the spot in place of the index, and may get (B * T, D)."""


class BlockHooks:
    """Runs a function on block outputs, and on what passes at other spots, while the context lasts."""

    def __init__(self, structure: Structure, function: BlockFunction, lm: Any = None) -> None:
        """Begin with none; `lm` is needed for spots that are no block's output."""
        self._structure = structure
        self._function = function
        self._lm = lm
        self._handles: dict[Spot, RemovableHandle] = {}

    def __enter__(self) -> BlockHooks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cover(())

    def cover(self, spots: Iterable[Spot]) -> None:
        """Be on exactly these blocks and other spots from now on.

        Raises:
            UsageError: The model has no such spot.
        """
        wanted = set(spots)
        for one in set(self._handles) - wanted:
            self._handles.pop(one).remove()
        for one in wanted - set(self._handles):
            self._handles[one] = self._put(one)

    def _put(self, one: Spot) -> RemovableHandle:
        if isinstance(one, int):
            return self._structure.blocks[one].register_forward_hook(self._hook(one))
        point = self._lm.layers.find(point_name(*one))
        check_side(point)
        return put_hook(self._lm.model, self._structure.width, point, functools.partial(self._function, one))

    def _hook(self, layer: int) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            hidden = block_tensor(output)
            changed = self._function(layer, hidden)
            return None if changed is hidden else with_block_tensor(output, changed)

        return hook
