"""A steering vector: one direction per layer, in the units of the residual stream.

Promises that its layers fit each other and the model it says it was made for. Knows nothing of files or recipes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import ShapeMismatch, UsageError


@dataclass(eq=False)
class SteeringVector:
    """One concept's directions; compared by identity, since tensors have no plain equality.

    Raises:
        ShapeMismatch: The layers differ in width, or width or layers do not fit `meta.model`.
        UsageError: There is no layer, or a number is not finite.
    """

    name: str
    layers: dict[int, Tensor]
    """Block index -> (D,) float32 on the CPU, raw scale: positive mean minus negative mean.

    Other floating dtypes and devices are converted.
    """
    meta: VectorMeta

    def __post_init__(self) -> None:
        if not self.layers:
            raise UsageError(f"vector {self.name!r} has no layer")
        self.layers = {layer: _checked(self.name, layer, self.layers[layer]) for layer in sorted(self.layers)}
        widths = sorted({int(tensor.shape[0]) for tensor in self.layers.values()})
        if widths != [self.meta.model["width"]]:
            found = ", ".join(map(str, widths))
            raise ShapeMismatch(f"vector {self.name!r} has width {found}, its model has {self.meta.model['width']}")
        last = max(self.layers)
        if last >= self.meta.model["layers"]:
            raise ShapeMismatch(
                f"vector {self.name!r} has layer {last}, its model has {self.meta.model['layers']} layers"
            )
        if self.meta.name != self.name:
            self.meta = replace(self.meta, name=self.name)

    @property
    def width(self) -> int:
        """Width of the residual stream it acts on."""
        return self.meta.model["width"]


def _checked(name: str, layer: int, tensor: Tensor) -> Tensor:
    if layer < 0:
        raise ShapeMismatch(f"vector {name!r} has a layer {layer}")
    if tensor.ndim != 1 or tensor.numel() == 0:
        raise ShapeMismatch(f"vector {name!r} has shape {tuple(tensor.shape)} at layer {layer}, not (width,)")
    tensor = tensor.detach().to("cpu", torch.float32).contiguous()
    if not bool(torch.isfinite(tensor).all()):
        raise UsageError(f"vector {name!r} holds numbers that are not finite at layer {layer}", hint="extract it again")
    return tensor
