"""One torch hook at a hook point through which residual-wide activations can be read and replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.activation import input_of, tensor_of, with_input, with_tensor
from steer_tui.engine.points import HookPoint
from steer_tui.errors import ShapeMismatch, UsageError

_SIDES = ("output", "input")


def check_side(point: HookPoint) -> None:
    """Refuse points that are not what a module takes or returns."""
    if point.side not in _SIDES:
        raise UsageError(f"vectors cannot act at {point.name}", hint="name a module, or attn_out, mlp_out")


def put_hook(model: Any, width: int, point: HookPoint, function: Callable[[Tensor], Tensor]) -> RemovableHandle:
    """Run a function on a point's activation, (B, T, D) or (B * T, D), until the handle is removed.

    Args:
        model: The transformers model.
        width: D; an activation of another width is refused when it comes.
        point: Where; an output or input.
        function: Returns what to go on with; the same tensor leaves the pass as it is.
    """
    module: nn.Module = model.get_submodule(point.module)

    def act(raw: Tensor | None) -> Tensor | None:
        if raw is None or not raw.is_floating_point() or raw.shape[-1] != width:
            found = "no tensor" if raw is None else f"{raw.shape[-1]} features"
            raise ShapeMismatch(
                f"{point.name} gives {found}, the residual stream has {width}",
                hint="a steering vector is as wide as the residual stream; choose another module",
            )
        changed = function(raw)
        return None if changed is raw else changed

    def after(module: nn.Module, args: Any, output: Any) -> Any:
        changed = act(tensor_of(output))
        return None if changed is None else with_tensor(output, changed)

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        changed = act(input_of(args, kwargs))
        return None if changed is None else with_input(args, kwargs, changed)

    if point.side == "input":
        return module.register_forward_pre_hook(before, with_kwargs=True)
    return module.register_forward_hook(after)


def by_row(hidden: Tensor, rows: int) -> Tensor:
    """Return an activation as (rows, T, D), whether its rows and tokens are apart or one axis."""
    return hidden.unflatten(0, (rows, -1)) if hidden.dim() == 2 else hidden
