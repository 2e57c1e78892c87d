"""A short digest that says whether two models have the same weights.

Promises: the same for a float32 and a bfloat16 load of the same weights, on any device, in any process; changes when a
sampled weight changes. Reads a few elements per tensor, so a change elsewhere goes unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from steer_tui.engine.structure import Structure

SAMPLES = 16
"""Elements read of each tensor."""
_DIGITS = 16

Stored = Callable[[str], Tensor | None]
"""Parameter name -> the tensor as stored on disk; None where the files hold none of that name and shape."""


def fingerprint(model: nn.Module, structure: Structure, stored: Stored | None = None) -> str:
    """Return a hex digest of the model's sizes and of evenly spaced elements of its weights.

    Args:
        model: The loaded model.
        structure: Its parts.
        stored: Where to find weights at the precision they have on disk, for a load that rounded them further
            than bfloat16 allows for (float16 of float32 weights).
    """
    embed_rows = next(int(p.shape[0]) for p in structure.embed.parameters())
    digest = hashlib.sha256(f"{len(structure.blocks)} {structure.width} {embed_rows}".encode())
    for name, parameter in _sampled_parameters(model, structure):
        if parameter.device.type == "meta":  # offloaded to disk: nothing to read without loading it
            continue
        tensor = stored(name) if stored is not None else None
        digest.update(f"{name} {tuple(parameter.shape)}".encode())
        digest.update(_sample(parameter if tensor is None else tensor))
    return digest.hexdigest()[:_DIGITS]


def _sampled_parameters(model: nn.Module, structure: Structure) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, parameter) of embedding and blocks in the model's order; tied weights once."""
    wanted = {id(p) for module in (structure.embed, *structure.blocks) for p in module.parameters()}
    for name, parameter in model.named_parameters():
        if id(parameter) in wanted:
            yield name, parameter.detach()


def _sample(tensor: Tensor) -> bytes:
    """Return evenly spaced elements as bfloat16 bytes, those that float16 cannot hold exactly as 0."""
    flat = tensor.reshape(-1)
    count = min(SAMPLES, flat.numel())
    index = torch.tensor([(2 * k + 1) * flat.numel() // (2 * count) for k in range(count)], device=flat.device)
    values = flat[index].cpu()
    if not values.is_floating_point():
        return values.contiguous().view(torch.uint8).numpy().tobytes()
    values = values.float().to(torch.bfloat16)
    values = torch.where(values.abs() < 2.0**-13, torch.zeros_like(values), values)
    return values.view(torch.int16).numpy().tobytes()
