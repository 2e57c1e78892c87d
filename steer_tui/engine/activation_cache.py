"""Activations of one run by name, as `run_with_cache` gives them; and how much memory they will take.

`cache["blocks.3.hook_resid_post"]`, `cache["resid_post", 3]` and `cache["layer_3"]` are the same tensor. Knows nothing
of how activations are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from steer_tui.engine.hooks import Detector
from steer_tui.engine.memory import device_free, human
from steer_tui.engine.points import HookPoint, unknown
from steer_tui.errors import OutOfMemory, UsageError

_SHARE = 0.8
"""Of the free memory, what a cache may take."""


class ActivationCache(Mapping[str, Tensor]):
    """Name -> activation, (B, T, ...) as the point's axes say; keys are in order of execution."""

    def __init__(self, blocks: int, find: Any, mask: Tensor) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._blocks = blocks
        self._find = find
        self.mask = mask
        """1 on tokens and 0 on padding, int64 (B, T)."""

    def __getitem__(self, key: Any) -> Tensor:
        if isinstance(key, str) and key in self._tensors:
            return self._tensors[key]
        try:
            name = self._find(key).name
        except (UsageError, TypeError):
            name = str(key)
        if name not in self._tensors:
            raise _missing(name, self._tensors)
        return self._tensors[name]

    def __contains__(self, key: object) -> bool:
        try:
            self[key]
        except (KeyError, UsageError):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"ActivationCache({len(self)} activations, {human(self.nbytes)})"

    @property
    def nbytes(self) -> int:
        """Memory that the activations take, in bytes."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._tensors.values())

    @property
    def starts(self) -> list[int]:
        """Index of every row's first token; 0 where it is not padded."""
        return [int(start) for start in self.mask.argmax(dim=-1)]

    def put(self, name: str, activation: Tensor) -> None:
        """Keep an activation under a name; of several calls of one module in a pass the last one stays."""
        self._tensors[name] = activation

    def arrange(self, names: Sequence[str]) -> None:
        """Put the activations in the order of these names, which is that of the model whatever was seen first."""
        self._tensors = {name: self._tensors[name] for name in names if name in self._tensors}

    def to(self, device: str | torch.device) -> ActivationCache:
        """Move every activation to a device, and return self."""
        self._tensors = {name: tensor.to(device) for name, tensor in self._tensors.items()}
        return self

    def stack(self, short: str) -> Tensor:
        """Return one activation of all blocks that have it, (blocks, B, T, ...): `cache.stack("resid_post")`."""
        from steer_tui.engine.points import full_name

        names = [full_name(short, layer, self._blocks) for layer in range(self._blocks)]
        found = [self._tensors[name] for name in names if name in self._tensors]
        if not found:
            raise _missing(names[0], self._tensors)
        return torch.stack(found)


class CacheWriter(Detector):
    """Keeps what it sees at each point in a cache."""

    def __init__(self, cache: ActivationCache, *, device: str | torch.device | None, keep_graph: bool) -> None:
        super().__init__()
        self._cache = cache
        self._device = device
        self._keep_graph = keep_graph

    def process_activations(self, module: nn.Module, input: Any, output: Tensor | None) -> None:
        """Keep a copy of the activation."""
        if output is None or self.moment is None or self.moment.point is None:
            return
        kept = output.clone() if self._keep_graph else output.detach().clone()
        self._cache.put(self.moment.point.name, kept if self._device is None else kept.to(self._device))


def predicted_bytes(points: Sequence[HookPoint], rows: int, tokens: int, element_size: int) -> int:
    """Return the memory that activations at these points will take; points of unknown shape count nothing."""
    words = {"batch": rows, "pos": tokens, "key": tokens}
    total = 0
    for point in points:
        numbers = [words.get(size, 0) if isinstance(size, str) else size for size in point.shape]
        if numbers:
            size = 1
            for number in numbers:
                size *= number
            total += size * (8 if point.name == "hook_tokens" else element_size)
    return total


def check_room(wanted: int, device: torch.device, limit: int | None) -> None:
    """Refuse a cache that will not fit.

    Args:
        wanted: Bytes it will take.
        device: Where it will lie.
        limit: Most bytes allowed; None for most of what is free.

    Raises:
        OutOfMemory: It will not fit.
    """
    room = limit if limit is not None else device_free(device)
    if room is not None and wanted > (room if limit is not None else room * _SHARE):
        raise OutOfMemory(
            f"these activations take {human(wanted)}, {human(room)} are free",
            hint="ask for fewer with names_filter, shorten the prompt, or keep them on the CPU with device='cpu'",
        )


def _missing(name: str, kept: Mapping[str, Tensor]) -> KeyError:
    error = unknown(name, kept)
    return KeyError(f"{name} is not in this cache; {error.hint}")
