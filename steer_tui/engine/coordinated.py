"""Controllers that know more than their own activation: another point's, another run's, or what they did so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.activation_cache import ActivationCache
from steer_tui.engine.controllers import Edit, ReadyController, called, let
from steer_tui.engine.detectors import LayerActivationDetector
from steer_tui.engine.hookerror import checked
from steer_tui.engine.hookmeter import Meter
from steer_tui.engine.hooks import Detector, user_code_of
from steer_tui.engine.moment import Moment
from steer_tui.engine.selective import among, places
from steer_tui.errors import ShapeMismatch, UsageError


def _by_its_mean(reference: Tensor, activation: Tensor) -> Tensor:
    return activation * (1.0 + 0.1 * reference.float().mean()).to(activation.dtype)


class CoordinatedController(ReadyController):
    """Changes an activation by what a detector has just seen at an earlier point of the same pass."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        reference_detector: Detector | None = None,
        function: Callable[[Tensor, Tensor], Tensor] = _by_its_mean,
        **options: Any,
    ) -> None:
        """Make a controller.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            reference_detector: On an earlier point; a `LayerActivationDetector` is read row by row without padding.
            function: (reference of the row, activation of the row) -> what takes its place; by default the activation
                times 1 + a tenth of the reference's mean.
            options: As for every ready-made controller: hook_type, hook_id, rows.
        """
        super().__init__(layer_signature, **options)
        if not isinstance(reference_detector, Detector):
            raise UsageError("the reference is no detector", hint="give a LayerActivationDetector")
        self.reference_detector = reference_detector
        self.function = function

    @property
    def user_code(self) -> Callable[..., Any]:
        """The function."""
        return self.function

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return what the function makes of each row and its reference.

        Raises:
            UsageError: The detector has not seen this pass.
        """
        reference = self.reference_detector.get_captured()
        seen = getattr(self.reference_detector, "seen", None)
        if reference is None or (seen is not None and seen.now is not moment.now):
            raise UsageError(
                "the reference detector has not seen this pass", hint="put it on an earlier point, and enable it"
            )
        if not isinstance(self.reference_detector, LayerActivationDetector) or seen is None or moment.is_single:
            return checked(self.function(reference, activation), activation)
        lines = dict(zip(seen.rows, seen.pieces(), strict=True))
        whole = activation.clone()
        for row, cut in zip(moment.rows, moment.pieces(), strict=True):
            if row not in lines:
                raise UsageError(f"the reference detector does not read row {row}")
            whole[cut] = checked(self.function(reference[lines[row]], activation[cut]), activation[cut])
        return whole


class StatisticsController(ReadyController):
    """Lets another controller, or a function, act, and counts how often and how much it changed."""

    def __init__(
        self, layer_signature: str | int | None = None, controller: ReadyController | Edit | None = None, **options: Any
    ) -> None:
        """Make a controller; without one to watch it changes nothing and counts passes."""
        super().__init__(layer_signature, **options)
        self.controller = called(controller) if controller is not None else None
        self._meter = Meter()

    @property
    def user_code(self) -> Callable[..., Any] | None:
        """The function or the controller's own user code; None where all of it is ours."""
        if isinstance(self.controller, ReadyController):
            return user_code_of(self.controller)
        return self.controller

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return what the other one makes of the activation."""
        if self.controller is None:
            self._meter.note(activation, activation, moment)
            return activation
        before = activation.clone()
        new = let(self.controller, activation, moment)
        self._meter.note(before, new, moment)
        return new

    @property
    def modification_count(self) -> int:
        """Passes in which something changed."""
        return int(self._meter.read()["modifications"])

    def get_stats(self) -> dict[str, float]:
        """Return how often and how much, as `Meter.read` says it."""
        return self._meter.read()


class PatchController(ReadyController):
    """Puts another run's activation in place: the whole of it, some positions, some heads."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        cache: ActivationCache | Mapping[str, Tensor] | Tensor | None = None,
        positions: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        """Make a controller.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            cache: A cache that holds this point, or the tensor itself; of one row, or of as many rows as the batch.
            positions: From the start of the text; None for all that the cache holds. Later ones are left as they are.
            heads: Heads to patch, where heads lie apart; None for all.
            options: As for every ready-made controller: hook_type, hook_id, rows.
        """
        super().__init__(layer_signature, **options)
        if cache is None:
            raise UsageError("there is nothing to patch from", hint="give a cache of run_with_cache or a tensor")
        self.cache = cache
        self.positions = set(places("position", positions)) if positions is not None else None
        self.heads = places("head", heads) if heads is not None else None

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the activation with the other run's in its place.

        Raises:
            ShapeMismatch: They do not fit.
        """
        source, starts = self._source(moment)
        if moment.token_axis != 1 and "key" in moment.axes:
            return self._keep_heads(self._whole(source, activation), activation, moment)
        if source.shape[2:] != activation.shape[2:]:
            raise _unlike(source, activation)
        rows = torch.tensor(self._rows(source, moment))
        positions = moment.positions.cpu()
        begin = torch.tensor(starts)[rows].unsqueeze(1)
        index = positions + begin
        usable = (positions >= 0) & (index < source.shape[1])
        if self.positions is not None:
            usable &= torch.isin(positions, torch.tensor(sorted(self.positions)))
        taken = source[rows.unsqueeze(1), index.clamp(0, source.shape[1] - 1)].to(activation)
        new = torch.where(moment.along(usable, 1).to(activation.device), taken, activation)
        return self._keep_heads(new, activation, moment)

    def _source(self, moment: Moment) -> tuple[Tensor, list[int]]:
        if isinstance(self.cache, Tensor):
            return self.cache, [0] * self.cache.shape[0]
        name = moment.point.name if moment.point is not None else str(self.layer_signature)
        try:
            source = self.cache[name]
        except KeyError as error:
            raise UsageError(f"the cache does not hold {name}", hint="add it to names_filter") from error
        starts = self.cache.starts if isinstance(self.cache, ActivationCache) else [0] * source.shape[0]
        return source, starts

    def _rows(self, source: Tensor, moment: Moment) -> list[int]:
        """Return the source's row for each row of the activation."""
        if source.shape[0] == 1:
            return [0] * moment.shape[0]
        if max(moment.rows) >= source.shape[0]:
            raise ShapeMismatch(f"the cache has {source.shape[0]} rows, the batch row {max(moment.rows)}")
        return list(moment.rows)

    def _whole(self, source: Tensor, activation: Tensor) -> Tensor:
        if source.shape[-3:] != activation.shape[-3:] or self.positions is not None:
            raise _unlike(source, activation)
        return source.to(activation).expand_as(activation)

    def _keep_heads(self, new: Tensor, old: Tensor, moment: Moment) -> Tensor:
        if self.heads is None:
            return new
        axis = moment.head_axis
        if axis is None:
            raise UsageError("this point has no heads", hint="use attn.hook_z")
        chosen = among("head", self.heads, old.shape[axis], old.device)
        return torch.where(chosen.reshape([-1 if place == axis else 1 for place in range(old.dim())]), new, old)


def _unlike(source: Tensor, activation: Tensor) -> ShapeMismatch:
    return ShapeMismatch(
        f"the cache has shape {tuple(source.shape)} here, the activation {tuple(activation.shape)}",
        hint="patch between prompts of one length, or at a point with one activation per token",
    )
