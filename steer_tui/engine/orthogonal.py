"""A direction taken out of all weights that write the residual stream, so that the model cannot write along it.

The edited model is the model with the direction projected out of every embedding, attention output and MLP output
(Arditi et al. 2024). Whether that holds is tried before an edit is kept: where a norm stands between a write and the
stream (Gemma 2, OLMo 2, BLOOM's embedding) it does not, and the edit is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from steer_tui.engine.bias import try_edit
from steer_tui.engine.controllers import ProjectOutController, told
from steer_tui.engine.pointfinder import linear_sizes
from steer_tui.engine.points import HookPoint
from steer_tui.engine.weightedit import Change, WeightEdit
from steer_tui.errors import ShapeMismatch, UsageError

_MOST_LEFT = 0.01
"""Share of a block's output that may lie along the direction: rounding in bfloat16, and no more."""


def orthogonal_edit(lm: Any, direction: Tensor) -> WeightEdit:
    """Prepare an edit that takes a direction out of what writes the residual stream; nothing is changed yet.

    An unembedding that shares the embedding's weights keeps them as they were, in a tensor of its own.

    Args:
        lm: The model.
        direction: (width,), of any length but 0.

    Raises:
        UsageError: The direction has no length, or the architecture norms what it writes.
        ShapeMismatch: The direction has another width.
    """
    width = lm.structure.width
    if tuple(told("direction", direction).shape) != (width,):
        raise ShapeMismatch(f"the direction has shape {tuple(direction.shape)}, the residual stream width {width}")
    if not direction.norm() > 0:
        raise UsageError("a direction of length 0 cannot be taken out")
    unit = direction.detach().float().cpu()
    unit = unit / unit.norm()
    edit = WeightEdit("direction taken out of what writes the residual stream", list(_changes(lm, unit)), lm.edits)
    trial = try_edit(lm, edit, [(point, ProjectOutController(None, unit)) for point in writing_points(lm)])
    if not trial.is_same or _share_left(lm, edit, unit) > _MOST_LEFT:
        raise UsageError(
            "this architecture does more to what it writes than add it to the residual stream, so that no change of "
            "weights takes a direction out",
            hint="use the recipe's `ablate`, or a ProjectOutController at every block",
        )
    return edit


def _share_left(lm: Any, edit: WeightEdit, unit: Tensor) -> float:
    """Return the greatest share of any block output's length that lies along a direction when the edit is in force."""
    words = lm.structure.embed.weight.shape[0]
    ids = [index * 7919 % words for index in range(7)]
    with lm.layers.alone(), edit:
        _, cache = lm.run_with_cache(ids, lambda name: name.endswith("hook_resid_post"))
    shares = [
        (hidden.float() @ unit.to(hidden.device)).abs() / hidden.float().norm(dim=-1).clamp_min(1e-12)
        for hidden in cache.values()
    ]
    return max(float(share.max()) for share in shares)


def writing_points(lm: Any) -> list[HookPoint]:
    """Return the points of all that is added to the residual stream."""
    wanted = ("hook_embed", "hook_pos_embed", "hook_attn_out", "hook_mlp_out")
    return [point for name, point in lm.hook_dict.items() if name.rpartition(".")[2] in wanted]


def _changes(lm: Any, unit: Tensor) -> Iterator[Change]:
    structure = lm.structure
    paths = {id(module): path for path, module in lm.model.named_modules()}
    if structure.unembed.weight is structure.embed.weight:
        path = f"{paths[id(structure.unembed)]}.weight"
        yield Change(structure.unembed, "weight", path, structure.unembed.weight.detach().clone())
    seen: set[int] = set()
    for module in _writers(lm):
        for name, parameter in module.named_parameters(recurse=False):
            axis = _written_axis(module, name, parameter, structure.width)
            if axis is None or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            yield Change(module, name, f"{paths[id(module)]}.{name}", _without(parameter.detach(), unit, axis))


def _writers(lm: Any) -> Iterator[nn.Module]:
    """Yield every module whose output, or whose experts' output, is added to the residual stream."""
    for point in writing_points(lm):
        module = lm.model.get_submodule(point.module)
        if point.name.endswith("hook_mlp_out"):
            writer = lm.structure.mlp_out(point.layer())
            if writer is not None and not any("expert" in name for name, _ in module.named_modules()):
                yield writer
                continue
            yield from (child for name, child in module.named_modules() if _is_expert_output(name, child))
        else:
            yield module


def _is_expert_output(name: str, module: nn.Module) -> bool:
    last = name.rpartition(".")[2]
    return last in ("down_proj", "w2", "c_proj", "fc2", "output_linear") or (
        "expert" in last and any(part.startswith("down_proj") for part, _ in module.named_parameters(recurse=False))
    )


def _written_axis(module: nn.Module, name: str, parameter: Tensor, width: int) -> int | None:
    """Return the axis of a parameter that lies along the residual stream; None where it does not write there."""
    if isinstance(module, nn.Embedding):
        return -1 if parameter.shape[-1] == width else None
    if linear_sizes(module) is not None:
        return -1 if name == "bias" or type(module).__name__ == "Conv1D" else 0
    if not name.startswith("down_proj"):
        return None
    if parameter.dim() == 2:
        return -1
    # Experts held in one tensor: (experts, width, inner), or (experts, inner, width) where they say it is transposed.
    return -1 if getattr(module, "is_transposed", False) else -2


def _without(weight: Tensor, unit: Tensor, axis: int) -> Tensor:
    """Return a weight with its component along a unit direction taken out of one axis, in float32 inside."""
    moved = weight.float().movedim(axis, -1)
    along = unit.to(moved.device)
    left = moved - (moved @ along).unsqueeze(-1) * along
    return left.movedim(-1, axis).to(weight.dtype).contiguous()
