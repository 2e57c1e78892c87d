"""Ready-made controllers: functions, scaling, adding, projecting out, clamping, normalising.

Promises for all of them: padding is neither read nor changed, a row's result does not depend on its neighbours, the
dtype stays, and what they are given is not written to. Each can be called with a tensor, to serve as a pipeline's step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from steer_tui.engine.hookerror import checked
from steer_tui.engine.hooks import Controller, HookType, function_name
from steer_tui.engine.moment import Moment
from steer_tui.errors import ShapeMismatch, UsageError

Edit = Callable[[Tensor], Tensor | None]
"""Activation of one row (1, T, ...) -> what takes its place; None leaves it."""


class ReadyController(Controller):
    """A controller whose work is one method: `edit(activation, moment)`."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        hook_id: str | None = None,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make a controller.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            hook_type: Side of the module, where the signature is a module.
            hook_id: Its id; None makes one.
            rows: Rows of a batch that it acts on; None for all.
        """
        super().__init__(hook_type, hook_id, layer_signature, rows)

    def modify_activations(self, module: nn.Module, inputs: Any, output: Tensor | None) -> Tensor | None:
        """Return the edited activation, padding as it was; None is passed on."""
        activation = output if output is not None else inputs
        if not isinstance(activation, Tensor):
            return None
        moment = self.now(activation)
        new = self.edit(activation, moment)
        if new is activation:
            return activation
        new, mask = new.to(activation.dtype), moment.mask()
        return new if mask is None else torch.where(mask, new, activation)

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the edited activation, the very same where nothing is to change; padding may hold anything."""
        raise NotImplementedError

    def __call__(self, activation: Tensor) -> Tensor:
        """Return a tensor edited as if it were an activation without padding."""
        return self.edit(activation, Moment(None, activation, None)).to(activation.dtype)


def row_by_row(function: Edit, activation: Tensor, moment: Moment) -> Tensor:
    """Return what a function makes of each row without its padding, so that no row sees another.

    Raises:
        WrongActivation: It returned something that cannot take the row's place.
    """

    def asked(piece: Tensor) -> Tensor:
        new = function(piece.clone())  # which it may write to, and still return None
        return piece if new is None else checked(new, piece)

    if moment.is_single:
        return asked(activation)
    whole = activation.clone()
    for cut in moment.pieces():
        piece = activation[cut]
        if piece.numel():
            whole[cut] = asked(piece)
    return whole


def let(step: Edit, activation: Tensor, moment: Moment) -> Tensor:
    """Return what a function, or another ready-made controller, makes of an activation."""
    if isinstance(step, ReadyController):
        return step.edit(activation, moment).to(activation.dtype)
    return row_by_row(step, activation, moment)


class FunctionController(ReadyController):
    """Applies a function of the activation; in a batch, to each row on its own and without its padding."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        function: Edit | None = None,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        hook_id: str | None = None,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make a controller; `function` takes (1, T, ...) and returns the same shape, or None to change nothing."""
        super().__init__(layer_signature, hook_type=hook_type, hook_id=hook_id, rows=rows)
        self.function = called(function)

    @property
    def name(self) -> str:
        """Class and function."""
        return f"{type(self).__name__}({function_name(self.function)})"

    @property
    def user_code(self) -> Callable[..., Any]:
        """The function."""
        return self.function

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return what the function makes of it."""
        return row_by_row(self.function, activation, moment)


class ScalingController(ReadyController):
    """Multiplies by a factor: 0 takes the activation away, 1 leaves it."""

    def __init__(self, layer_signature: str | int | None = None, scale_factor: float = 1.0, **options: Any) -> None:
        super().__init__(layer_signature, **options)
        self.scale_factor = finite("scale_factor", scale_factor)

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the activation times the factor."""
        return activation * self.scale_factor


class AddController(ReadyController):
    """Adds a vector at every token."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        vector: Tensor | None = None,
        strength: float = 1.0,
        **options: Any,
    ) -> None:
        """Make a controller; the vector has the activation's width, or (heads, d_head) where heads lie apart."""
        super().__init__(layer_signature, **options)
        self.vector = told("vector", vector)
        self.strength = finite("strength", strength)

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the activation with strength times the vector added."""
        return activation + (self.strength * fitted(self.vector, activation)).to(activation.dtype)


class ProjectOutController(ReadyController):
    """Takes away the component along a direction: strength 1 all of it, 0.5 half."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        direction: Tensor | None = None,
        strength: float = 1.0,
        **options: Any,
    ) -> None:
        """Make a controller; the direction has the activation's width, its length does not matter.

        Raises:
            UsageError: The direction has length 0.
        """
        super().__init__(layer_signature, **options)
        self.direction = told("direction", direction)
        self.strength = finite("strength", strength)
        if not self.direction.norm() > 0:
            raise UsageError("a direction of length 0 cannot be projected out")

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return h - strength * (h.u) u, in float32 inside."""
        unit = fitted(self.direction, activation).float()
        unit = unit / unit.norm()
        hidden = activation.float()
        axes = tuple(range(-unit.dim(), 0))
        along = (hidden * unit).sum(dim=axes, keepdim=True)
        return (hidden - self.strength * along * unit).to(activation.dtype)


class ClampController(ReadyController):
    """Holds every value between two bounds; None for no bound."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        low: float | None = None,
        high: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(layer_signature, **options)
        if low is None and high is None:
            raise UsageError("a clamp needs a bound", hint="give low, high or both")
        if low is not None and high is not None and low > high:
            raise UsageError(f"the lower bound {low} lies above the upper bound {high}")
        if any(bound is not None and math.isnan(bound) for bound in (low, high)):
            raise UsageError("a bound is NaN")
        self.low, self.high = low, high

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the activation within the bounds."""
        return activation.clamp(self.low, self.high)


class NormaliseController(ReadyController):
    """Gives every token mean 0 and std 1 over its features, or a length."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        kind: Literal["standard", "length"] = "standard",
        length: float = 1.0,
        eps: float = 1e-8,
        **options: Any,
    ) -> None:
        """Make a controller.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            kind: "standard" for mean 0 and std 1, "length" for the norm `length`.
            length: Norm of every token, for kind "length".
            eps: Added to the std or norm that is divided by.
            options: As for every ready-made controller: hook_type, hook_id, rows.
        """
        super().__init__(layer_signature, **options)
        if kind not in ("standard", "length"):
            raise UsageError(f"kind {kind!r} is unknown", hint="standard or length")
        self.kind, self.length, self.eps = kind, finite("length", length), finite("eps", eps)

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the activation normalised, in float32 inside."""
        hidden = activation.float()
        if self.kind == "length":
            return hidden * (self.length / (hidden.norm(dim=-1, keepdim=True) + self.eps))
        spread, mean = torch.var_mean(hidden, dim=-1, keepdim=True, correction=0)
        return (hidden - mean) / (spread.sqrt() + self.eps)


def called(function: Edit | None) -> Edit:
    """Return the function, refusing what cannot be called."""
    if not callable(function):
        raise UsageError(f"{type(function).__name__} cannot be called", hint="give a function of the activation")
    return function


def finite(name: str, value: float) -> float:
    """Return a number, refusing NaN and infinity."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(f"{name} {value!r} is no finite number")
    return float(value)


def told(name: str, vector: Tensor | None) -> Tensor:
    """Return a vector, refusing none and NaN."""
    if not isinstance(vector, Tensor) or vector.dim() == 0:
        raise UsageError(f"{name} is no tensor with an axis")
    if not bool(torch.isfinite(vector.detach()).all()):
        raise UsageError(f"{name} holds NaN or infinity")
    return vector


def fitted(vector: Tensor, activation: Tensor) -> Tensor:
    """Return a vector on the activation's device with the shape of its last axes.

    Raises:
        ShapeMismatch: It has another width.
    """
    width = activation.shape[-vector.dim() :] if vector.dim() <= activation.dim() else ()
    if vector.shape != width and vector.dim() == 1 and activation.dim() >= 4:
        heads = activation.shape[-2:]
        if vector.shape[0] == heads[0] * heads[1]:
            return vector.reshape(heads).to(activation.device)
    if vector.shape != width:
        raise ShapeMismatch(
            f"the vector has shape {tuple(vector.shape)}, the activation {tuple(activation.shape)}",
            hint="it belongs to another point or model",
        )
    return vector.to(activation.device)
