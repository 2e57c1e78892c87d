"""The activation in what a module takes and returns: a tensor, or the first one of a tuple, a list or a model output.

Promises that nothing it is given is changed. Blocks, which steering reads on every step, have `structure.block_tensor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def tensor_of(value: Any) -> Tensor | None:
    """Return the activation in what a module returned; None where there is none."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)) and value and isinstance(value[0], Tensor):
        return value[0]
    return None


def with_tensor(value: Any, tensor: Tensor) -> Any:
    """Return what a module returned with its activation replaced; `value` is left as it was."""
    if isinstance(value, Tensor):
        return tensor
    if isinstance(value, Mapping):
        first = next(iter(value))
        return type(value)(**{**value, first: tensor})
    rest = (tensor, *value[1:])
    return type(value)(*rest) if hasattr(value, "_fields") else type(value)(rest)


def input_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """Return the first tensor that a module was called with, by position or else by name; None where there is none."""
    if args and isinstance(args[0], Tensor):
        return args[0]
    return next((value for value in kwargs.values() if isinstance(value, Tensor)), None)


def with_input(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], tensor: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with the tensor that `input_of` finds replaced."""
    if args and isinstance(args[0], Tensor):
        return (tensor, *args[1:]), dict(kwargs)
    name = next(name for name, value in kwargs.items() if isinstance(value, Tensor))
    return args, {**kwargs, name: tensor}


def laid_out_as(new: Tensor, raw: Tensor) -> Tensor:
    """Return `new` with the memory layout of `raw`: some kernels round differently on another one."""
    if new.shape != raw.shape or new.stride() == raw.stride() or 0 in raw.stride():
        return new
    return torch.empty_strided(raw.shape, raw.stride(), dtype=raw.dtype, device=raw.device).copy_(new)
