"""Finds the point that a signature means: a name, module path, module, block number, short name, list or predicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from torch import nn

from steer_tui.engine.hooks import HookType, function_name
from steer_tui.engine.pointfinder import PointFinder
from steer_tui.engine.points import HookPoint, PointTable
from steer_tui.engine.probe import probe
from steer_tui.errors import SteerError, UsageError
from steer_tui.text import one_line

Signature = str | int | tuple[str, int] | nn.Module
Wanted = Signature | Callable[[str], bool] | Iterable[Signature]
_NEEDS_A_PASS = "resid_mid"


class Where:
    """The points of one model; what needs a pass through it is found out when it is first asked for."""

    def __init__(self, lm: Any, quiet: Callable[[], AbstractContextManager[None]]) -> None:
        self._lm = lm
        self._quiet = quiet
        self._quick: PointTable | None = None
        self._whole: PointTable | None = None

    @property
    def table(self) -> PointTable:
        """Every point with its shape."""
        if self._whole is None:
            from steer_tui.engine.inference import forward

            with self._quiet():
                seen = probe(self._lm.model, self._lm.structure, lambda ids, mask: forward(self._lm, ids, mask))
            self._whole = PointFinder(self._lm.model, self._lm.structure).table(seen)
        return self._whole

    @property
    def quick(self) -> PointTable:
        """Every point that can be told without a pass through the model; all, where one was made before."""
        return self._whole if self._whole is not None else self._known("")

    def find(self, signature: Signature, hook_type: HookType = HookType.FORWARD) -> HookPoint:
        """Return the point that a signature means.

        Raises:
            UsageError: There is none, it cannot be had in this model, or it has no such side.
        """
        if isinstance(signature, nn.Module):
            signature = self._path(signature)
        point = self._known(signature).find(signature)
        if hook_type is HookType.FORWARD or point.side == "input":
            return point
        if point.is_module:
            return replace(point, side="input", axes=(), sizes=())
        if point.name != signature and point.name.endswith("hook_resid_post"):
            return self._known("").find(f"blocks.{point.layer()}.hook_resid_pre")
        raise UsageError(
            f"{point.name} is no module's input, so that a pre-forward hook has no place there",
            hint="use a forward hook, or the path of the module whose input you mean",
        )

    def matching(self, wanted: Wanted, hook_type: HookType = HookType.FORWARD) -> list[HookPoint]:
        """Return the points that are asked for: one, a list, or those whose names a predicate likes.

        Raises:
            UsageError: As `find`, or nothing matches.
        """
        if isinstance(wanted, (nn.Module, str, int)) or _is_short(wanted):
            return [self.find(wanted, hook_type)]  # type: ignore[arg-type]
        if callable(wanted):
            try:
                return self.table.matching(wanted)
            except SteerError:
                raise
            except Exception as error:  # a filter is a user's function
                what = one_line(f"{type(error).__name__}: {error}")
                raise UsageError(f"the filter {function_name(wanted)} failed: {what}") from error
        if not isinstance(wanted, Iterable):
            return [self.find(wanted, hook_type)]
        return [self.find(signature, hook_type) for signature in wanted]

    def module_names(self) -> list[str]:
        """Return every module path."""
        return list(self._known("").modules)

    def _known(self, signature: Any) -> PointTable:
        """Return a table that holds the point, without a pass where none is needed."""
        if self._whole is not None or _NEEDS_A_PASS in str(signature):
            return self.table
        if self._quick is None:
            self._quick = PointFinder(self._lm.model, self._lm.structure).table(None)
        return self._quick

    def _path(self, module: nn.Module) -> str:
        for path, other in self._lm.model.named_modules():
            if other is module and path:
                return path
        raise UsageError(f"this {type(module).__name__} is no module of the model")


def _is_short(wanted: Any) -> bool:
    """Say whether this is a short name with its block, such as ("z", 3)."""
    return isinstance(wanted, tuple) and len(wanted) == 2 and isinstance(wanted[0], str) and isinstance(wanted[1], int)
