"""The hooks of one model: put on by point, in order, taken off whatever happens; and the model's blocks by index.

Promises that an error inside a hook leaves the model without any hook, that hooks of a context are gone when it ends,
and that a model without hooks runs as if this file did not exist. Not for use from several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from steer_tui.engine.activation import laid_out_as
from steer_tui.engine.hookerror import check_ids, checked, hook_error
from steer_tui.engine.hooks import (
    Controller,
    Detector,
    Hook,
    HookType,
    ReadPlain,
    apply_hook,
    as_hook,
    as_pair,
    user_code_of,
)
from steer_tui.engine.moment import Moment, Pass
from steer_tui.engine.points import HookPoint, PointTable
from steer_tui.engine.site import Attached
from steer_tui.engine.sites import Sites
from steer_tui.engine.where import Signature, Wanted, Where
from steer_tui.errors import UsageError

HookLike = Hook | Callable[..., Any]


class Layers:
    """Where hooks are registered. Indexing gives the blocks: `layers[3]` is the fourth block's module."""

    def __init__(self, lm: Any) -> None:
        self._blocks: tuple[nn.Module, ...] = lm.structure.blocks
        self._words = int(lm.structure.embed.weight.shape[0])
        self._where = Where(lm, self.paused)
        self._sites = Sites(lm, self._hand_round)
        self._attached: list[Attached] = []
        self._paused = 0
        self._controllers_off = 0
        self._only_rows: frozenset[int] | None = None

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

    @property
    def batch_rows(self) -> Sequence[int] | None:
        """Names of the rows of the coming passes, for a batch that rows leave; None numbers them."""
        return self._sites.batch_rows

    @batch_rows.setter
    def batch_rows(self, rows: Sequence[int] | None) -> None:
        self._sites.batch_rows = rows

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
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have no hook on inside but those that are put on inside; the others are back afterwards."""
        before, rows, names, paused = self._attached, self._only_rows, self.batch_rows, self._paused
        self._keep([])
        self._only_rows, self.batch_rows, self._paused = None, None, 0
        try:
            yield
        finally:
            self._keep(before)
            self._only_rows, self.batch_rows, self._paused = rows, names, paused

    @contextmanager
    def without_controllers(self) -> Iterator[None]:
        """Let only detectors act inside."""
        self._controllers_off += 1
        try:
            yield
        finally:
            self._controllers_off -= 1

    @contextmanager
    def only_on(self, rows: Iterable[int] | None) -> Iterator[None]:
        """Keep every hook without rows of its own to these rows inside; None allows all."""
        before, self._only_rows = self._only_rows, None if rows is None else frozenset(rows)
        try:
            yield
        finally:
            self._only_rows = before
            self.batch_rows = None

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
        self._attached = attached
        try:
            self._sites.cover(attached)
        except BaseException:
            self._attached = before
            self._sites.cover(before)
            raise

    def _hand_round(self, attached: Sequence[Attached], module: nn.Module, inputs: Any, raw: Tensor) -> Tensor:
        """Let the hooks at a point read and change its activation, one after the other."""
        if self._paused:
            return raw
        now = self._sites.current
        for one in attached:
            hook = one.hook
            if not hook.enabled or (self._controllers_off and not isinstance(hook, Detector)):
                continue
            try:
                if one.read_plain is not None and now is not None and now.fits(raw):
                    self._show(one, one.read_plain, raw, now)
                else:
                    raw = self._let(one, module, inputs, raw, now)
            except torch.OutOfMemoryError:
                raise
            except (Exception, SystemExit) as error:  # a hook that leaves the program would leave it half hooked
                self.reset()
                function = user_code_of(hook) or apply_hook
                raise hook_error(error, hook.label or hook.name, one.point.name, function) from error
        return raw

    def _show(self, one: Attached, read_plain: ReadPlain, raw: Tensor, now: Pass) -> None:
        """Let a detector read by its short way."""
        chosen = None if one.rows is None and self._only_rows is None else self._chosen(one, raw, now)
        if chosen is None:
            read_plain(raw, now.rows)
        elif chosen:
            first, last = chosen[0], chosen[-1]
            raw = raw[first : last + 1] if last - first < len(chosen) else raw[chosen]
            read_plain(raw, tuple(now.rows[place] for place in chosen))
        else:
            return
        if one.hook.meter is not None:
            one.hook.meter.pass_by(raw.shape[0] * raw.shape[1])

    def _let(self, one: Attached, module: nn.Module, inputs: Any, raw: Tensor, now: Pass | None) -> Tensor:
        """Let one hook act, and return the module's tensor to go on with."""
        hook, point = one.hook, one.point
        shown = point.view(raw, now.batch, now.length) if now is not None else point.view(raw, 0, 0)
        chosen = self._chosen(one, shown, now)
        if chosen is not None and not chosen:
            return raw
        part = shown if chosen is None else shown[chosen]
        function = user_code_of(hook)
        given = part.clone() if function is not None else part
        moment = hook.moment = Moment(point, part, now, chosen)
        try:
            new = apply_hook(hook, module, inputs, given)
        finally:
            hook.moment = None
        if new is None or self._controllers_off or not isinstance(hook, Controller):
            new = part
        if new is not part and function is not None:
            # A tensor that the user keeps must not be written to by a model that adds in place.
            new = checked(new, part, point.masks) if new is given else checked(new, part, point.masks).clone()
        if new is not part and point.name == "hook_tokens":
            check_ids(new, self._words)
        if hook.meter is not None:
            hook.meter.note(part, new, moment)
        if new is part:
            return raw
        if chosen is not None:
            index = torch.tensor(chosen, device=shown.device)
            new = shown.index_copy(0, index, new)
        return laid_out_as(point.unview(new, raw), raw)

    def _chosen(self, one: Attached, shown: Tensor, now: Pass | None) -> list[int] | None:
        """Return the indices of the rows that a hook acts on; None for all."""
        wanted = frozenset(one.rows) if one.rows is not None else self._only_rows
        if wanted is None:
            return None
        names = now.rows if now is not None and now.batch else tuple(range(shown.shape[0]))
        if shown.dim() == 0 or shown.shape[0] != len(names):
            raise UsageError(
                f"the rows of a batch cannot be told apart at {one.point.name}", hint="hook all rows there"
            )
        chosen = [place for place, name in enumerate(names) if name in wanted]
        return None if len(chosen) == len(names) else chosen
