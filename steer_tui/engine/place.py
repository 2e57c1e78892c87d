"""Where in a model a vector is read and acts: block outputs, what attention or the MLP writes, or modules by path.

Promises that every place named deals in tensors as wide as the residual stream, one per token. `PlaceHooks` is on the
model for the length of a context and no longer.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.extractchoices import SITES
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.pointhook import check_side, put_hook
from steer_tui.engine.points import HookPoint
from steer_tui.engine.spot import STAR, point_name
from steer_tui.errors import UsageError
from steer_tui.text import one_line

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
    if STAR in site or site in SITES:
        points = {layer: lm.layers.find(point_name(site, layer)) for layer in wanted}
    else:
        point = lm.layers.find(site)
        points = {_layer_of(point, lm): point}
        if layers is not None and not set(points) <= set(wanted):
            raise UsageError(
                f"{one_line(site)} lies in block {min(points)}", hint=f"write `{STAR}` for the number to read others"
            )
    for point in points.values():
        check_side(point)
    return Place(site, points)


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
                act = functools.partial(self._function, layer)
                self._handles.append(put_hook(self._lm.model, self._lm.info.width, point, act))
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
