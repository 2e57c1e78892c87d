"""One pass of two short rows through a model to see what its modules return, and where a block adds attention's output.

Needed only to list points with their shapes and to find `hook_resid_mid`, which no module of its own marks. Promises
that the model is left as it was.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from steer_tui.engine.activation import input_of, tensor_of
from steer_tui.engine.structure import Structure

ROWS, TOKENS = 2, 3


@dataclass(frozen=True)
class Call:
    """One call of a direct child of a block."""

    name: str
    taken: Tensor
    given: Tensor


@dataclass(frozen=True)
class Middle:
    """Where a block holds the residual stream between attention and MLP."""

    module: str = ""
    """Path of the module that takes it, or (side "output") returns it."""
    side: str = "residual"
    reason: str | None = None
    """Why there is none; None where there is one."""


@dataclass
class Probe:
    """What one pass showed."""

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Module path -> shape of its activation for ROWS rows of TOKENS tokens; missing where it was never called."""
    silent: set[str] = field(default_factory=set)
    """Modules that were called and returned no tensor."""
    middles: tuple[Middle, ...] = ()
    """One per block."""


def probe(model: Any, structure: Structure, forward: Callable[[Tensor, Tensor], Any]) -> Probe:
    """Run one pass and say what it showed.

    Args:
        model: The transformers model.
        structure: Its parts.
        forward: (ids, mask), both int64 (B, T) -> runs the model without hooks of ours.
    """
    found = Probe()
    calls: list[list[Call]] = [[] for _ in structure.blocks]
    entries: list[list[Tensor]] = [[] for _ in structure.blocks]
    handles = [module.register_forward_hook(_note_shape(found, path)) for path, module in model.named_modules()]
    for index, block in enumerate(structure.blocks):
        handles.append(block.register_forward_pre_hook(_note_entry(entries[index]), with_kwargs=True))
        for name, child in block.named_children():
            handles.append(child.register_forward_hook(_note_call(calls[index], name), with_kwargs=True))
    ids = torch.zeros(ROWS, TOKENS, dtype=torch.long, device=next(structure.embed.parameters()).device)
    try:
        with torch.inference_mode():
            forward(ids, torch.ones_like(ids))
    finally:
        for handle in handles:
            handle.remove()
    paths = {id(module): path for path, module in model.named_modules()}
    found.middles = tuple(
        _middle(structure, index, entries[index], calls[index], paths) for index in range(len(structure.blocks))
    )
    return found


def _note_shape(found: Probe, path: str) -> Callable[..., None]:
    def note(module: nn.Module, args: Any, output: Any) -> None:
        activation = tensor_of(output)
        if activation is None:
            found.silent.add(path)
        else:
            found.shapes[path] = tuple(activation.shape)

    return note


def _note_entry(entries: list[Tensor]) -> Callable[..., None]:
    def note(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        taken = input_of(args, kwargs)
        if taken is not None:
            entries.append(taken)

    return note


def _note_call(calls: list[Call], name: str) -> Callable[..., None]:
    def note(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        taken, given = input_of(args, kwargs), tensor_of(output)
        if taken is not None and given is not None:
            calls.append(Call(name, taken, given))

    return note


def _middle(
    structure: Structure, index: int, entries: list[Tensor], calls: list[Call], paths: Mapping[int, str]
) -> Middle:
    """Follow a block's tensors: the first new one that a child takes after attention is the stream in the middle."""
    block, attn = structure.blocks[index], structure.attn(index)
    if attn is None or not entries:
        return Middle(reason=f"block {index} has no attention")
    children = dict(block.named_children())
    if takes_residual(attn):
        return Middle(paths[id(attn)], "output")
    before, after = entries[:1], []
    for call in calls:
        if children[call.name] is attn:
            after.append(call.given)
        elif _among(call.taken, before):
            before.append(call.given)
            if after:
                break
        elif _among(call.taken, after):
            after.append(call.given)
        elif after:
            return Middle(paths[id(children[call.name])])
    return Middle(reason="attention and MLP read the same residual stream side by side, so there is none between them")


def takes_residual(module: nn.Module) -> bool:
    """Say whether a part is handed the residual stream and returns it with its own output added, as BLOOM's does."""
    return "residual" in inspect.signature(module.forward).parameters


def _among(tensor: Tensor, others: list[Tensor]) -> bool:
    return any(tensor.data_ptr() == other.data_ptr() and tensor.numel() == other.numel() for other in others)
