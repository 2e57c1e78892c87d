"""Controllers of a part of an activation: some neurons, or some heads of attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from steer_tui.engine.controllers import ReadyController, finite
from steer_tui.engine.hookkinds import MOST_INDEX
from steer_tui.engine.hookstatistics import RunningStatsDetector
from steer_tui.engine.moment import Moment
from steer_tui.errors import ShapeMismatch, UsageError


class SelectiveController(ReadyController):
    """Scales, zeroes or sets some neurons, which are indices of the last axis; the others stay bit for bit."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        neuron_indices: Sequence[int] = (),
        scale: float = 1.0,
        *,
        action: Literal["scale", "zero", "set"] = "scale",
        value: float = 0.0,
        **options: Any,
    ) -> None:
        """Make a controller.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            neuron_indices: From 0; one beyond the width is refused when the model runs.
            scale: Factor, for the action "scale".
            action: What to do to them.
            value: What they become, for the action "set".
            options: As for every ready-made controller: hook_type, hook_id, rows.
        """
        super().__init__(layer_signature, **options)
        if action not in ("scale", "zero", "set"):
            raise UsageError(f"action {action!r} is unknown", hint="scale, zero or set")
        self.neuron_indices = places("neuron", neuron_indices)
        self.scale, self.action, self.value = finite("scale", scale), action, finite("value", value)

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the activation with these neurons changed."""
        chosen = among("neuron", self.neuron_indices, activation.shape[-1], activation.device)
        if self.action == "scale":
            return torch.where(chosen, activation * self.scale, activation)
        return torch.where(chosen, self.value if self.action == "set" else 0.0, activation)


class HeadController(ReadyController):
    """Zeroes, scales or mean-ablates heads at q, k, v, z, scores or pattern."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        heads: Sequence[int] = (),
        action: Literal["zero", "scale", "mean"] = "zero",
        scale: float = 1.0,
        *,
        mean: Tensor | RunningStatsDetector | None = None,
        **options: Any,
    ) -> None:
        """Make a controller.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            heads: From 0; key heads at k and v.
            action: What to do to them.
            scale: Factor, for the action "scale".
            mean: For the action "mean": (heads, d_head), or a detector that has seen many tokens at this point. None
                takes the mean over the row's own prompt, and keeps it while text is generated.
            options: As for every ready-made controller: hook_type, hook_id, rows.
        """
        super().__init__(layer_signature, **options)
        if action not in ("zero", "scale", "mean"):
            raise UsageError(f"action {action!r} is unknown", hint="zero, scale or mean")
        self.heads, self.action, self.scale = places("head", heads), action, finite("scale", scale)
        self.mean = mean
        self._own: dict[int, Tensor] = {}

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the activation with these heads changed."""
        axis = 2 if moment.point is None and activation.dim() == 4 else moment.head_axis
        if axis is None:
            raise UsageError("this point has no heads", hint="use attn.hook_z, hook_q, hook_k, hook_v or hook_pattern")
        chosen = among("head", self.heads, activation.shape[axis], activation.device)
        chosen = chosen.reshape([-1 if place == axis else 1 for place in range(activation.dim())])
        if self.action == "scale":
            return torch.where(chosen, activation * self.scale, activation)
        other = self._mean(activation, moment) if self.action == "mean" else activation.new_zeros(())
        return torch.where(chosen, other.to(activation), activation)

    def _mean(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return what stands for the heads, broadcastable to the activation."""
        if self.mean is not None:
            known = self.mean.mean if isinstance(self.mean, RunningStatsDetector) else self.mean
            if known.shape != activation.shape[2:]:
                raise ShapeMismatch(f"the mean has shape {tuple(known.shape)}, heads {tuple(activation.shape[2:])}")
            return known
        if moment.token_axis != 1:
            raise UsageError("heads have a mean only where each token has one", hint="use attn.hook_z")
        for row, cut in zip(moment.rows, moment.pieces(), strict=True):
            if moment.begins or row not in self._own:
                self._own[row] = activation[cut].mean(dim=1, keepdim=True)
        return torch.cat([self._own[row] for row in moment.rows])


def places(what: str, indices: Sequence[int]) -> tuple[int, ...]:
    """Return indices from 0, refusing none, negative ones and those that no tensor has."""
    found = tuple(sorted({int(index) for index in indices}))
    if not found:
        raise UsageError(f"no {what} is named", hint=f"give at least one {what}")
    if found[0] < 0:
        raise UsageError(f"{what} {found[0]} is negative", hint="they are numbered from 0")
    if found[-1] > MOST_INDEX:
        raise UsageError(f"{what} {found[-1]} is out of range")
    return found


def among(what: str, indices: Sequence[int], count: int, device: torch.device) -> Tensor:
    """Return bool (count,): whether each index is named.

    Raises:
        UsageError: One is not there.
    """
    if indices[-1] >= count:
        raise UsageError(f"{what} {indices[-1]} is out of range", hint=f"this point has {count}, numbered from 0")
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[list(indices)] = True
    return chosen.to(device)
