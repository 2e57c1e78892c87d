"""Controllers that act one step after the other, or only where something holds.

Functions are asked row by row and never see padding, so that a condition on the activation holds for a row or does not,
whatever its neighbours are. A ready-made controller may stand wherever a function does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.controllers import Edit, ReadyController, called, finite, let, row_by_row
from steer_tui.engine.hooks import function_name
from steer_tui.engine.moment import Moment
from steer_tui.engine.selective import places
from steer_tui.errors import UsageError

_FEW = 32
"""Numbers that are compared one by one: quicker than sorting them."""

Condition = Callable[[Tensor], Any]
"""Activation of one row (1, T, ...) -> whether to act; a tensor of one value or anything else with a truth."""


def _larger(activation: Tensor) -> Tensor:
    return activation * 1.5


def _doubled(activation: Tensor) -> Tensor:
    return activation * 2.0


class PipelineController(ReadyController):
    """Applies functions one after the other."""

    def __init__(
        self, layer_signature: str | int | None = None, transformations: Sequence[Edit] = (), **options: Any
    ) -> None:
        """Make a controller; each function takes (1, T, ...) and returns the same shape."""
        super().__init__(layer_signature, **options)
        self.transformations = [called(function) for function in transformations]
        if not self.transformations:
            raise UsageError("a pipeline needs a step", hint="give at least one function")

    @property
    def user_code(self) -> Callable[..., Any]:
        """The first function."""
        return self.transformations[0]

    @property
    def name(self) -> str:
        """Class and functions."""
        return f"{type(self).__name__}({', '.join(function_name(step) for step in self.transformations)})"

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return what comes out of the last function."""
        for function in self.transformations:
            activation = let(function, activation, moment)
        return activation


class ConditionalController(ReadyController):
    """Applies a function to the rows whose activation meets a condition."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        condition_fn: Condition | float | None = None,
        modification_fn: Edit = _larger,
        *,
        threshold: float | None = None,
        **options: Any,
    ) -> None:
        """Make a controller.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            condition_fn: Whether to act; a number is a threshold.
            modification_fn: What to do; by default, times 1.5.
            threshold: Act where the mean of the absolute values lies above it; 1 where nothing else is said.
            options: As for every ready-made controller: hook_type, hook_id, rows.
        """
        super().__init__(layer_signature, **options)
        if condition_fn is not None and threshold is not None:
            raise UsageError("give either a condition or a threshold")
        if condition_fn is None or isinstance(condition_fn, (int, float)):
            condition_fn, threshold = None, condition_fn if condition_fn is not None else threshold
            threshold = 1.0 if threshold is None else threshold
        self.threshold = finite("threshold", threshold) if threshold is not None else None
        self.condition_fn: Condition = called(condition_fn) if condition_fn is not None else self._is_above
        self.modification_fn = called(modification_fn)

    @property
    def user_code(self) -> Callable[..., Any]:
        """The condition."""
        return self.condition_fn

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the activation with the function applied where the condition holds."""
        return _either(self.condition_fn, self.modification_fn, None, activation, moment)

    def _is_above(self, activation: Tensor) -> bool:
        assert self.threshold is not None
        return bool(activation.float().abs().mean() > self.threshold)  # ids are whole numbers


class ConditionalPipeline(ReadyController):
    """Applies one function to the rows whose activation meets a condition, and another to the others."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        condition_fn: Condition | None = None,
        pipeline_a: Edit | None = None,
        pipeline_b: Edit | None = None,
        **options: Any,
    ) -> None:
        super().__init__(layer_signature, **options)
        self.condition_fn: Condition = called(condition_fn)
        self.pipeline_a, self.pipeline_b = called(pipeline_a), called(pipeline_b)

    @property
    def user_code(self) -> Callable[..., Any]:
        """The condition."""
        return self.condition_fn

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return what one function or the other makes of each row."""
        return _either(self.condition_fn, self.pipeline_a, self.pipeline_b, activation, moment)


class TokenConditionalController(ReadyController):
    """Applies a function at some tokens: by absolute position, by token id, or both."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        token_indices: Sequence[int] = (),
        modification_fn: Edit = _doubled,
        *,
        token_ids: Sequence[int] = (),
        **options: Any,
    ) -> None:
        """Make a controller.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            token_indices: Positions from the start of the text, padding not counted, the same under a cache.
            modification_fn: What to do; by default, times 2. It sees the whole row.
            token_ids: Ids of the tokens to act at, wherever they stand.
            options: As for every ready-made controller: hook_type, hook_id, rows.
        """
        super().__init__(layer_signature, **options)
        self.token_indices = set(places("position", token_indices)) if token_indices else set()
        self.token_ids = set(places("token id", token_ids)) if token_ids else set()
        self.modification_fn = called(modification_fn)
        if not self.token_indices and not self.token_ids:
            raise UsageError("no token is named", hint="give token_indices or token_ids")

    @property
    def user_code(self) -> Callable[..., Any]:
        """The function."""
        return self.modification_fn

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Return the activation with the function applied at these tokens."""
        if moment.token_axis is None:
            raise UsageError("tokens cannot be told apart at this point")
        chosen = _is_in(moment.positions, self.token_indices)
        if self.token_ids:
            if moment.ids is None:
                raise UsageError("token ids are not known at this point", hint="use token_indices")
            chosen = chosen | _is_in(moment.ids, self.token_ids)
        if not bool(chosen.any()):
            return activation
        changed = let(self.modification_fn, activation, moment)
        return torch.where(moment.along(chosen.to(activation.device)), changed, activation)


class BatchConditionalController(ReadyController):
    """Applies a function to every Nth pass; each generated token is a pass."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        every: int = 10,
        modification_fn: Edit = _larger,
        **options: Any,
    ) -> None:
        """Make a controller that acts on pass `every`, 2 * `every` and so on; by default, times 1.5."""
        super().__init__(layer_signature, **options)
        if every < 1:
            raise UsageError(f"every {every} is less than 1")
        self.every = every
        self.modification_fn = called(modification_fn)
        self.batch_count = 0

    @property
    def user_code(self) -> Callable[..., Any]:
        """The function."""
        return self.modification_fn

    def edit(self, activation: Tensor, moment: Moment) -> Tensor:
        """Count the pass, and act where it is one of these."""
        self.batch_count += 1
        return activation if self.batch_count % self.every else let(self.modification_fn, activation, moment)


def _either(condition: Condition, first: Edit, second: Edit | None, activation: Tensor, moment: Moment) -> Tensor:
    """Return the rows that meet a condition as the first step makes them, the others as the second one does."""

    def step(piece: Tensor) -> Tensor | None:
        chosen = first if bool(condition(piece)) else second
        return piece if chosen is None else chosen(piece)

    if not isinstance(first, ReadyController) and not isinstance(second, ReadyController):
        return row_by_row(step, activation, moment)
    cuts = [...] if moment.is_single else moment.pieces()
    held = torch.tensor([bool(condition(activation[cut])) for cut in cuts], device=activation.device)
    shape = [-1, *([1] * (activation.dim() - 1))]
    other = activation if second is None else let(second, activation, moment)
    return torch.where(held.reshape(shape), let(first, activation, moment), other)


def _is_in(grid: Tensor, wanted: set[int]) -> Tensor:
    if not wanted:
        return torch.zeros_like(grid, dtype=torch.bool)
    known = torch.tensor(sorted(wanted), device=grid.device)
    return (grid.unsqueeze(-1) == known).any(-1) if len(wanted) <= _FEW else torch.isin(grid, known)
