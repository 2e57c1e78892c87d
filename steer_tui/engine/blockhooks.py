"""One forward hook per block that a run steers or watches, put on once and taken off whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.structure import Structure, block_tensor, with_block_tensor

BlockFunction = Callable[[int, Tensor], Tensor]
"""(block index, output (B, T, D)) -> the output to go on with; the same tensor leaves the pass as it is."""


class BlockHooks:
    """Runs a function on block outputs while the context lasts."""

    def __init__(self, structure: Structure, function: BlockFunction) -> None:
        self._structure = structure
        self._function = function
        self._handles: dict[int, RemovableHandle] = {}

    def __enter__(self) -> BlockHooks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cover(())

    def cover(self, layers: Iterable[int]) -> None:
        """Be on exactly these blocks from now on."""
        wanted = set(layers)
        for layer in set(self._handles) - wanted:
            self._handles.pop(layer).remove()
        for layer in wanted - set(self._handles):
            self._handles[layer] = self._structure.blocks[layer].register_forward_hook(self._hook(layer))

    def _hook(self, layer: int) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            hidden = block_tensor(output)
            changed = self._function(layer, hidden)
            return None if changed is hidden else with_block_tensor(output, changed)

        return hook
