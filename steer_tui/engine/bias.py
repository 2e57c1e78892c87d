"""Steering folded into biases: a vector added at a point, always, as part of the weights.

Adding v to what a linear layer takes is adding W v to its bias; adding v to what it returns is adding v to its bias.
The residual stream is no linear layer's input, but what the block's last layer writes is added to it: there the bias of
that layer takes v. Whether the edited model gives the logits of the hooked one is tried before an edit is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from steer_tui.engine.activation import tensor_of
from steer_tui.engine.controllers import AddController, told
from steer_tui.engine.inference import forward
from steer_tui.engine.pointfinder import linear_sizes
from steer_tui.engine.points import HookPoint
from steer_tui.engine.weightedit import Change, WeightEdit
from steer_tui.errors import ShapeMismatch, UsageError

_TRIAL = 7
"""Tokens of the trial pass."""


def bias_edit(lm: Any, point: Any, vector: Tensor, strength: float = 1.0) -> WeightEdit:
    """Prepare an edit that adds `strength * vector` at a point for every token; nothing is changed yet.

    Args:
        lm: The model.
        point: As for `register_hook`: attn.hook_z, mlp.hook_post, hook_attn_out, hook_mlp_out, the residual stream, a
            linear layer, or a norm that linear layers read.
        vector: Of the point's width; (heads, d_head) or flat at attn.hook_z.
        strength: Factor.

    Raises:
        UsageError: No bias can stand for it here; the hint says what can.
        ShapeMismatch: The vector has another width.
    """
    place = lm.layers.find(point)
    added = strength * told("vector", vector).detach().float().flatten()
    changes = _changes(lm, place, added)
    edit = WeightEdit(f"bias {strength:g} * vector at {place.name}", changes, lm.edits)
    _require_same(lm, edit, [(place, AddController(None, vector, strength))])
    return edit


@dataclass(frozen=True, slots=True)
class Trial:
    """Logits of the edited model beside those of the hooked one."""

    gap: float
    """Greatest difference between the two."""
    moved: float
    """Greatest change that the hooks make."""
    scale: float
    """Greatest logit."""
    layers: int
    dtype: torch.dtype

    @property
    def is_same(self) -> bool:
        """Whether they differ by rounding alone.

        In half precision rounding is too coarse to ask for equal digits: there, an edit that does what the hooks do is
        off by up to 1.3 eps of the logits in three blocks, or by a seventh of what a weak vector moves, and one that
        does something else by more than a quarter (twenty architectures, vectors of 0.1 to 8 per neuron).
        """
        eps = torch.finfo(self.dtype).eps
        if self.dtype.itemsize >= 4:
            return self.gap <= 64 * eps * max(1.0, self.moved) * self.layers
        return self.gap <= max(self.moved / 5, 1.5 * eps * self.scale * math.sqrt(max(1.0, self.layers / 3)))


def try_edit(lm: Any, edit: WeightEdit, hooks: list[tuple[HookPoint, Any]]) -> Trial:
    """Run a few tokens through the edited model and through the hooked one."""
    words = lm.structure.embed.weight.shape[0]
    ids = (torch.arange(_TRIAL, device=lm.device) * 7919 % words).unsqueeze(0)
    mask = torch.ones_like(ids)
    with torch.inference_mode(), lm.layers.paused():
        plain = forward(lm, ids, mask).logits.float()
        with edit:
            edited = forward(lm, ids, mask).logits.float()
    with torch.inference_mode(), lm.layers.alone(), lm.layers.hooked([(point.name, hook) for point, hook in hooks]):
        hooked = forward(lm, ids, mask).logits.float()
    gap, moved = float((edited - hooked).abs().max()), float((plain - hooked).abs().max())
    return Trial(gap, moved, float(hooked.abs().max()), len(lm.layers), lm.dtype)


def _require_same(lm: Any, edit: WeightEdit, hooks: list[tuple[HookPoint, Any]]) -> None:
    if not try_edit(lm, edit, hooks).is_same:
        raise UsageError(
            f"no bias can stand for a vector at {hooks[0][0].name}: the block does more to it than add it",
            hint="use attn.hook_z, mlp.hook_post, hook_attn_out or hook_mlp_out",
        )


def _changes(lm: Any, point: HookPoint, added: Tensor) -> list[Change]:
    writer = _writer(lm, point)
    if writer is not None:
        return [_change(lm, writer, added)]
    return [_change(lm, reader, _times(reader, added)) for reader in _readers(lm, point)]


def _writer(lm: Any, point: HookPoint) -> nn.Module | None:
    """Return the linear layer whose output, or the stream it is added to, is the point; None where there is none."""
    structure, name = lm.structure, point.name.rpartition(".")[2]
    if name == "hook_resid_post":
        found = structure.mlp_out(point.layer())
    elif name == "hook_resid_mid":
        found = structure.attn_out(point.layer())
    elif name == "hook_resid_pre" and point.layer() > 0:
        found = structure.mlp_out(point.layer() - 1)
    elif name == "hook_mlp_out":
        found = structure.mlp_out(point.layer())
    elif point.side == "output":
        found = lm.model.get_submodule(point.module)
    else:
        return None
    if found is None:
        raise _refused(point, "the MLP is a mixture of experts, without one layer that writes for every token")
    return found if linear_sizes(found) is not None else None


def _readers(lm: Any, point: HookPoint) -> list[nn.Module]:
    """Return the linear layers that take the point's activation, seen in one pass."""
    if point.side not in ("input", "output"):
        raise _refused(point, "it lies inside attention")
    module = lm.model.get_submodule(point.module)
    if point.side == "input" and linear_sizes(module) is not None:
        return [module]
    if point.side == "input" or point.name in ("hook_embed", "hook_pos_embed", "hook_logits"):
        raise _refused(point, "no linear layer reads it")
    taken: dict[int, Tensor] = {}
    seen: list[Tensor] = []
    linears = [child for child in lm.model.modules() if linear_sizes(child) is not None]
    handles = [child.register_forward_pre_hook(_note_input(taken)) for child in linears]
    handles.append(module.register_forward_hook(lambda m, a, output: seen.append(tensor_of(output))))  # type: ignore[arg-type]
    try:
        with torch.inference_mode(), lm.layers.paused():
            ids = torch.zeros(1, 2, dtype=torch.long, device=lm.device)
            forward(lm, ids, torch.ones_like(ids))
    finally:
        for handle in handles:
            handle.remove()
    given = seen[-1] if seen else None
    readers = [child for child in linears if given is not None and _is_same(taken.get(id(child)), given)]
    if not readers:
        raise _refused(point, "no linear layer reads it")
    return readers


def _note_input(taken: dict[int, Tensor]) -> Any:
    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor):
            taken[id(module)] = args[0]

    return note


def _is_same(one: Tensor | None, other: Tensor) -> bool:
    return one is not None and one.data_ptr() == other.data_ptr() and one.numel() == other.numel()


def _times(layer: nn.Module, vector: Tensor) -> Tensor:
    """Return W v, float32 (out,)."""
    weight: Any = layer.weight
    sizes = linear_sizes(layer)
    assert sizes is not None
    if sizes[0] != vector.shape[0]:
        raise ShapeMismatch(f"the vector has width {vector.shape[0]}, the layer takes {sizes[0]}")
    matrix = weight.detach().float()
    moved = vector.to(matrix.device)
    return moved @ matrix if type(layer).__name__ == "Conv1D" else matrix @ moved


def _change(lm: Any, layer: nn.Module, added: Tensor) -> Change:
    """Return the change that adds to a layer's bias, (out,)."""
    weight: Any = layer.weight
    sizes = linear_sizes(layer)
    assert sizes is not None
    if sizes[1] != added.shape[0]:
        raise ShapeMismatch(f"the vector has width {added.shape[0]}, the layer returns {sizes[1]}")
    bias: Any = layer.bias
    total = added.to(weight.device) if bias is None else bias.detach().float() + added.to(weight.device)
    path = next(path for path, module in lm.model.named_modules() if module is layer)
    return Change(layer, "bias", f"{path}.bias", total.to(weight.dtype))


def _refused(point: HookPoint, reason: str) -> UsageError:
    return UsageError(
        f"a vector at {point.name} cannot be folded into a bias: {reason}",
        hint="use attn.hook_z, mlp.hook_post, hook_attn_out, a norm or the residual stream after a block",
    )
