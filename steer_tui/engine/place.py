"""Where in a model a vector is read and acts: block outputs, what attention or the MLP writes, or modules by path.

Promises that every place named deals in tensors as wide as the residual stream, one per token. `PlaceHooks` is on the
model for the length of a context and no longer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.activation import input_of, tensor_of, with_input, with_tensor
from steer_tui.engine.extractchoices import BLOCK_OUT
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.points import HookPoint
from steer_tui.errors import ShapeMismatch, UsageError
from steer_tui.text import one_line

_NAMES = {
    BLOCK_OUT: "blocks.*.hook_resid_post",
    "attn_out": "blocks.*.hook_attn_out",
    "mlp_out": "blocks.*.hook_mlp_out",
}
_STAR = "*"
_SIDES = ("output", "input")

PlaceFunction = Callable[[int, Tensor], Tensor]
"""(layer, activation (B, T, D)) -> what to go on with; the same tensor leaves the pass as it is."""


@dataclass(frozen=True)
class Place:
    """One site at some layers."""

    site: str
    """`block_out`, `attn_out`, `mlp_out`, or the path as it was given."""
    points: dict[int, HookPoint]
    """Layer -> where it is there."""

    @property
    def layers(self) -> list[int]:
        """Block indices, ascending."""
        return sorted(self.points)


def find_place(lm: LanguageModel, site: str, layers: Sequence[int] | None = None) -> Place:
    """Return where a site is.

    Args:
        lm: The model.
        site: A name of `extractchoices.SITES`, a module path or hook point; `*` in a path stands for every block.
        layers: Blocks wanted; None for all that the site has.

    Raises:
        UsageError: There is no such layer, module or point, or it cannot be had in this model.
    """
    count = lm.info.layers
    wanted = list(range(count)) if layers is None else sorted(set(layers))
    outside = [layer for layer in wanted if not 0 <= layer < count]
    if outside or not wanted:
        problem = f"no layer {outside[0]}" if outside else "no layer to read"
        raise UsageError(problem, hint=f"the model has layers 0-{count - 1}")
    name = _NAMES.get(site, site)
    if _STAR in name:
        points = {layer: lm.layers.find(name.replace(_STAR, str(layer))) for layer in wanted}
    else:
        point = lm.layers.find(name)
        points = {_layer_of(point, lm): point}
        if layers is not None and not set(points) <= set(wanted):
            raise UsageError(
                f"{one_line(site)} lies in block {min(points)}", hint=f"write `{_STAR}` for the number to read others"
            )
    for point in points.values():
        if point.side not in _SIDES:
            raise UsageError(f"vectors cannot be read at {point.name}", hint="name a module, or attn_out, mlp_out")
    return Place(site, points)


def is_block_output(site: str) -> bool:
    """Say whether a site is the output of blocks."""
    return site in (BLOCK_OUT, _NAMES[BLOCK_OUT])


def _layer_of(point: HookPoint, lm: LanguageModel) -> int:
    """Return the block that a point lies in; a module outside the blocks counts to the nearest one."""
    if point.index is not None:
        return point.index
    module = lm.model.get_submodule(point.module)
    return 0 if module is lm.structure.embed or re.search("emb|wte|wpe", point.module) else lm.info.layers - 1


class PlaceHooks:
    """Runs a function on the activations at a place while the context lasts."""

    def __init__(self, lm: LanguageModel, place: Place, function: PlaceFunction) -> None:
        self._lm, self._place, self._function = lm, place, function
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> PlaceHooks:
        try:
            for layer, point in self._place.points.items():
                self._handles.append(self._put(layer, point))
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _put(self, layer: int, point: HookPoint) -> RemovableHandle:
        module: nn.Module = self._lm.model.get_submodule(point.module)

        def after(module: nn.Module, args: Any, output: Any) -> Any:
            changed = self._act(layer, point, tensor_of(output))
            return None if changed is None else with_tensor(output, changed)

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            changed = self._act(layer, point, input_of(args, kwargs))
            return None if changed is None else with_input(args, kwargs, changed)

        if point.side == "input":
            return module.register_forward_pre_hook(before, with_kwargs=True)
        return module.register_forward_hook(after)

    def _act(self, layer: int, point: HookPoint, raw: Tensor | None) -> Tensor | None:
        """Return what to go on with; None where nothing changes."""
        if raw is None or not raw.is_floating_point() or raw.shape[-1] != self._lm.info.width:
            found = "no tensor" if raw is None else f"{raw.shape[-1]} features"
            raise ShapeMismatch(
                f"{point.name} gives {found}, the residual stream has {self._lm.info.width}",
                hint="a steering vector is as wide as the residual stream; read another module",
            )
        changed = self._function(layer, raw)
        return None if changed is raw else changed
