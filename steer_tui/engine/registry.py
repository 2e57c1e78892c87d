"""The hooks of one model: put on by point, in order, taken off whatever happens; and the model's blocks by index.

Promises that an error inside a hook leaves the model without any hook, that hooks of a context are gone when it ends,
and that a model without hooks runs as if this file did not exist. Not for use from several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from torch import nn

from steer_tui.engine.acting import Acting
from steer_tui.engine.hooks import Detector, Hook, HookType, as_hook, as_pair, user_code_of
from steer_tui.engine.passes import Passes
from steer_tui.engine.points import HookPoint, PointTable
from steer_tui.engine.site import Attached
from steer_tui.engine.sites import Sites
from steer_tui.engine.where import Signature, Wanted, Where

HookLike = Hook | Callable[..., Any]


class Layers:
    """Where hooks are registered. Indexing gives the blocks: `layers[3]` is the fourth block's module."""

    def __init__(self, lm: Any) -> None:
        self._blocks: tuple[nn.Module, ...] = lm.structure.blocks
        self._where = Where(lm, self.paused)
        self._passes = Passes(lm.model)
        self._acting = Acting(int(lm.structure.embed.weight.shape[0]), self.reset)
        self._sites = Sites(lm, self._passes, self._acting.hand_round)
        self._attached: list[Attached] = []

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, index: int) -> nn.Module:
        return self._blocks[index]

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._blocks)

    @property
    def points(self) -> PointTable:
        """Every hook point; the first use runs two short rows through the model to see shapes."""
        return self._where.table

    @property
    def quick_points(self) -> PointTable:
        """The points as far as they can be told without a pass: `points` itself once that was asked for."""
        return self._where.quick

    @property
    def attached(self) -> tuple[Attached, ...]:
        """The hooks that are on, in order."""
        return tuple(self._attached)

    def run(self, rows: Sequence[int] | None = None) -> AbstractContextManager[None]:
        """Run the model inside: names for the rows of a batch that rows leave, nothing left where it is broken off."""
        return self._passes.run(rows)

    def find(self, signature: Signature, hook_type: HookType = HookType.FORWARD) -> HookPoint:
        """Return the point that a name, module path, module, `layer_3`, 3 or ("z", 3) means.

        Raises:
            UsageError: There is none, or it cannot be had in this model.
        """
        return self._where.find(signature, hook_type)

    def matching(self, wanted: Wanted, hook_type: HookType = HookType.FORWARD) -> list[HookPoint]:
        """Return the points that are asked for: one, a list, or those whose names a predicate likes.

        Raises:
            UsageError: As `find`, or nothing matches.
        """
        return self._where.matching(wanted, hook_type)

    def register_hook(
        self,
        layer_signature: Signature,
        hook: HookLike,
        hook_type: HookType | str | None = None,
        *,
        rows: Sequence[int] | None = None,
    ) -> str:
        """Put a hook, or a function `fn(activation, hook)`, on a point, after those that are there; return its id.

        Args:
            layer_signature: A point's name, a module path, a module, `layer_3`, 3 or "3" (a block's output).
            hook: What to put there; one hook may be on several points.
            hook_type: Overrides the hook's own side.
            rows: Rows of a batch that it acts on; None for the hook's own choice.

        Raises:
            UsageError: There is no such point, or it cannot be had in this model.
        """
        ready = as_hook(hook)
        if hook_type is not None:
            ready.hook_type = HookType(hook_type)
        return self._attach(self.find(layer_signature, ready.hook_type), ready, rows)

    def unregister_hook(self, hook_id: str | Hook) -> bool:
        """Take off a hook by its id, or a hook from everywhere; False where it was not on."""
        gone = [one for one in self._attached if hook_id in (one.id, one.hook)]
        self._keep([one for one in self._attached if one not in gone])
        return bool(gone)

    def reset(self) -> None:
        """Take off every hook."""
        self._keep([])

    def move(self, hook_id: str, place: int) -> None:
        """Put a hook in another place of the order, 0 the first."""
        found = [one for one in self._attached if one.id == hook_id]
        rest = [one for one in self._attached if one.id != hook_id]
        self._keep([*rest[:place], *found, *rest[place:]])

    def get_hooks(self, layer_signature: Signature | None = None, hook_type: HookType | None = None) -> list[Hook]:
        """Return the hooks that are on, of one point or all, of one type or both."""
        point = self.find(layer_signature, hook_type or HookType.FORWARD) if layer_signature is not None else None
        return [
            one.hook
            for one in self._attached
            if (point is None or one.point.name == point.name) and hook_type in (None, one.hook.hook_type)
        ]

    def get_layer_names(self) -> list[str]:
        """Return every module path."""
        return self._where.module_names()

    @contextmanager
    def hooked(
        self, hooks: Iterable[tuple[Wanted, HookLike]], *, rows: Sequence[int] | None = None
    ) -> Iterator[list[str]]:
        """Have hooks on inside, each at a point, a list of points, or every point whose name a predicate likes."""
        ids = self.put(hooks, rows=rows)
        try:
            yield ids
        finally:
            self._keep([one for one in self._attached if one.id not in ids])

    def put(self, hooks: Iterable[tuple[Wanted, HookLike]], *, rows: Sequence[int] | None = None) -> list[str]:
        """Put on hooks as `hooked` does, and return their ids; where one of them cannot be put, none is.

        Raises:
            UsageError: A point does not exist or cannot be had, or an entry is no pair of a point and a hook.
        """
        before = self._attached
        ids: list[str] = []
        try:
            for entry in hooks:
                wanted, ready = as_pair(entry)
                for point in self.matching(wanted, ready.hook_type):
                    ids.append(self._attach(point, ready, rows))
        except BaseException:
            self._keep(before)
            raise
        return ids

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the model run inside as if no hook were on."""
        self._passes.paused += 1
        try:
            yield
        finally:
            self._passes.paused -= 1

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have no hook on inside but those that are put on inside; the others are back afterwards."""
        before, rows, paused = self._attached, self._acting.only_rows, self._passes.paused
        self._keep([])
        self._acting.only_rows, self._passes.paused = None, 0
        try:
            yield
        finally:
            self._keep(before)
            self._acting.only_rows, self._passes.paused = rows, paused

    @contextmanager
    def without_controllers(self) -> Iterator[None]:
        """Let only detectors act inside."""
        self._acting.controllers_off += 1
        try:
            yield
        finally:
            self._acting.controllers_off -= 1

    @contextmanager
    def only_on(self, rows: Iterable[int] | None) -> Iterator[None]:
        """Keep every hook without rows of its own to these rows inside; None allows all."""
        before, self._acting.only_rows = self._acting.only_rows, None if rows is None else frozenset(rows)
        try:
            yield
        finally:
            self._acting.only_rows = before

    def come_last(self) -> None:
        """Act after every other torch hook that is on the same modules by now: read a block's output as steered."""
        self._sites.reinstall()

    def _attach(self, point: HookPoint, hook: Hook, rows: Sequence[int] | None) -> str:
        taken = {one.id for one in self._attached}
        name, count = hook.id, 2
        while name in taken:
            name, count = f"{hook.id}@{count}", count + 1
        chosen = tuple(rows) if rows is not None else hook.rows
        short = hook.read_plain if isinstance(hook, Detector) and point.is_plain and not user_code_of(hook) else None
        self._keep([*self._attached, Attached(name, point, hook, chosen, short)])
        return name

    def _keep(self, attached: list[Attached]) -> None:
        before = self._attached
        if attached == before:
            return
        self._passes.settle()
        self._attached = attached
        try:
            self._sites.cover(attached)
        except BaseException:
            self._attached = before
            self._sites.cover(before)
            raise
