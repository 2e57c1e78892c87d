"""What a term does to the residual stream: pure functions of tensors, exact in float32.

All take the same arguments, so that rows of one batch may differ in everything but the operation:

    hidden    (N, T, D) float32, the residual stream
    unit      (N, D) float32, unit direction of each row's vector
    length    (N, 1, 1) float32, distance between the class means along it
    origin    (N, 1, 1) float32, projection of the negative mean on it
    strength  (N, 1, 1) float32

and return a new (N, T, D). `add` and `rotate` are the usual activation addition (Turner et al. 2023) and angular
steering; `ablate` is directional ablation (Arditi et al. 2024), `set` and `cap` work on the concept scale of the
contract.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Operator = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]

_TINY = 1e-12


def add(hidden: Tensor, unit: Tensor, length: Tensor, origin: Tensor, strength: Tensor) -> Tensor:
    """Return `hidden + strength * length * unit`."""
    return hidden + strength * length * unit.unsqueeze(1)


def keepnorm(hidden: Tensor, unit: Tensor, length: Tensor, origin: Tensor, strength: Tensor) -> Tensor:
    """Add, then scale every position back to the norm it had."""
    added = add(hidden, unit, length, origin, strength)
    return added * (hidden.norm(dim=-1, keepdim=True) / added.norm(dim=-1, keepdim=True).clamp_min(_TINY))


def ablate(hidden: Tensor, unit: Tensor, length: Tensor, origin: Tensor, strength: Tensor) -> Tensor:
    """Take away `strength` (0 to 1) of the component along the direction."""
    return hidden - strength * _component(hidden, unit) * unit.unsqueeze(1)


def set_place(hidden: Tensor, unit: Tensor, length: Tensor, origin: Tensor, strength: Tensor) -> Tensor:
    """Move the component along the direction to the point `strength` of the concept scale."""
    return hidden + (origin + strength * length - _component(hidden, unit)) * unit.unsqueeze(1)


def cap(hidden: Tensor, unit: Tensor, length: Tensor, origin: Tensor, strength: Tensor) -> Tensor:
    """Hold the component along the direction at or below the point `strength` of the concept scale."""
    excess = (_component(hidden, unit) - (origin + strength * length)).clamp_min(0)
    return hidden - excess * unit.unsqueeze(1)


def rotate(hidden: Tensor, unit: Tensor, length: Tensor, origin: Tensor, strength: Tensor) -> Tensor:
    """Turn every position by `strength * 90` degrees towards the direction, in the plane of both; the norm stays.

    A position that lies on the direction's line spans no plane with it and stays as it is.
    """
    norm = hidden.norm(dim=-1, keepdim=True)
    own = hidden / norm.clamp_min(_TINY)
    across = unit.unsqueeze(1) - _component(own, unit) * own
    size = across.norm(dim=-1, keepdim=True)
    angle = strength * (math.pi / 2)
    turned = norm * (torch.cos(angle) * own + torch.sin(angle) * across / size.clamp_min(_TINY))
    return torch.where(size > 1e-6, turned, hidden)


def _component(hidden: Tensor, unit: Tensor) -> Tensor:
    """Return `hidden . unit`, (N, T, 1)."""
    return torch.bmm(hidden, unit.unsqueeze(-1))


OPERATORS: dict[str, Operator] = {
    "add": add,
    "keepnorm": keepnorm,
    "ablate": ablate,
    "set": set_place,
    "cap": cap,
    "rotate": rotate,
}
