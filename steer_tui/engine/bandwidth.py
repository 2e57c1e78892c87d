"""The floor under a decode step: every weight is read once, and memory is only so fast.

Knows nothing of decoding. A bound, not a promise: caches, mixtures of experts and several devices fall outside it.
"""

from __future__ import annotations

import time

import torch

from steer_tui.engine.model import LanguageModel

_BYTES = 512 * 2**20
"""More than any cache holds."""
_TRIES = 8


def read_bandwidth(device: torch.device) -> float:
    """Return bytes per second that summing a large float32 tensor reads: the best of a few tries."""
    block = torch.ones(_BYTES // 4, device=device)
    best = float("inf")
    for _ in range(_TRIES):
        synchronize(device)
        start = time.perf_counter()
        block.sum()
        synchronize(device)
        best = min(best, time.perf_counter() - start)
    return _BYTES / best


def bytes_per_token(lm: LanguageModel) -> int:
    """Return the bytes of weights that one decode step reads; of an embedding that is nothing else, one row."""
    embedding = {id(parameter) for parameter in lm.structure.embed.parameters()}
    unembedding = {id(parameter) for parameter in lm.structure.unembed.parameters()}
    skipped = embedding - unembedding
    return sum(p.numel() * p.element_size() for p in lm.model.parameters() if id(p) not in skipped)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
