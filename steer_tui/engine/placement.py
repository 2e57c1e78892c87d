"""Where a model goes and in which dtype its numbers are kept.

Promises an error with a hint for a device that is not there. Moves nothing itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import util

import torch

from steer_tui.errors import ModelError, UsageError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_AUTO_DTYPE = {"cuda": torch.bfloat16, "mps": torch.float16, "cpu": torch.float32}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model goes."""

    device: torch.device
    """Of the whole model; of its first part where `spread`."""
    dtype: torch.dtype
    spread: bool
    """Whether blocks are spread over several GPUs and main memory."""


def choose_placement(device: str = "auto", dtype: str = "auto", device_map: str | None = None) -> Placement:
    """Turn the user's words into a placement; `auto` takes cuda, then mps, then cpu.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        dtype: `auto`, `float32`, `bfloat16` or `float16`; auto is bfloat16 on cuda, float16 on mps, float32 on cpu.
        device_map: `auto` spreads the model over several GPUs; None does not.

    Raises:
        UsageError: A word is not one of these, or names a device that is not there.
        ModelError: A device map is wanted and accelerate is not installed.
    """
    chosen = choose_device(device)
    if dtype != "auto" and dtype not in DTYPES:
        raise UsageError(f"there is no dtype {dtype!r}", hint=f"use auto, {', '.join(DTYPES)}")
    if device_map not in (None, "auto"):
        raise UsageError(f"there is no device map {device_map!r}", hint="use --device-map auto")
    if device_map == "auto" and not has_accelerate():
        raise ModelError(
            "a device map needs the package accelerate", hint="install it with: pip install 'steer-tui[multi-gpu]'"
        )
    number_kind = _AUTO_DTYPE[chosen.type] if dtype == "auto" else DTYPES[dtype]
    return Placement(chosen, number_kind, device_map == "auto")


def has_accelerate() -> bool:
    """Return whether the package accelerate is installed."""
    return util.find_spec("accelerate") is not None


def choose_device(device: str) -> torch.device:
    """Return the device that a name means.

    Raises:
        UsageError: It is not here.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if device == "cpu":
        return torch.device("cpu")
    if device == "mps":
        if not torch.backends.mps.is_available():
            raise UsageError("there is no Apple GPU (mps) that this torch can use", hint="use --device auto")
        return torch.device("mps")
    match = re.fullmatch(r"cuda(?::(\d{1,3}))?", device, re.ASCII)
    if match is None:
        raise UsageError(f"there is no device {device!r}", hint="use auto, cpu, cuda, cuda:N or mps")
    return _cuda_device(int(match[1] or 0))


def _cuda_device(index: int) -> torch.device:
    if not torch.cuda.is_available():
        built = torch.version.cuda is not None
        hint = "use --device auto" if built else "this torch was built without CUDA; use --device auto"
        raise UsageError("there is no NVIDIA GPU (cuda) that this torch can use", hint=hint)
    if index >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise UsageError(f"there is no device cuda:{index}", hint=f"the last one here is cuda:{last}")
    return torch.device("cuda", index)
