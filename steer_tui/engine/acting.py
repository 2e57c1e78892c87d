"""How hooks act on an activation: which of them, on which rows, what they may return, what happens when one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from steer_tui.engine.activation import laid_out_as
from steer_tui.engine.hookerror import check_ids, checked, hook_error, is_ctrl_c
from steer_tui.engine.hooks import Controller, Detector, ReadPlain, apply_hook, user_code_of
from steer_tui.engine.moment import Moment, Pass, places_of
from steer_tui.engine.site import Attached
from steer_tui.errors import UsageError


class Acting:
    """What holds for all hooks of a model at a time."""

    def __init__(self, words: int, reset: Callable[[], None]) -> None:
        """Begin.

        Args:
            words: Rows of its token embedding.
            reset: Takes every hook off.
        """
        self._words = words
        self._reset = reset
        self.controllers_off = 0
        """How many ask that only detectors act."""
        self.only_rows: frozenset[int] | None = None
        """Rows that hooks without rows of their own act on; None for all."""

    def hand_round(
        self, attached: Sequence[Attached], module: nn.Module, inputs: Any, raw: Tensor, now: Pass | None
    ) -> Tensor:
        """Let the hooks at a point read and change its activation, one after the other.

        Args:
            attached: In order.
            module: The module at the point.
            inputs: What it was called with.
            raw: What it deals in; where hooks wait for the end of the pass, a copy to keep.
            now: The pass; None where the model was not called as a whole.

        Returns:
            What to go on with, the same tensor where no hook changed it.

        Raises:
            HookError: A hook failed; none is left on the model.
        """
        for one in attached:
            hook = one.hook
            if not hook.enabled or (self.controllers_off and not isinstance(hook, Detector)):
                continue
            try:
                if one.read_plain is None or now is None or not (raw.shape == now.plain_shape or now.fits(raw)):
                    raw = self._let(one, module, inputs, raw, now)
                    continue
                wanted = one.rows if one.rows is not None else self.only_rows
                chosen = None if wanted is None else now.places(wanted)
                if chosen is None or chosen:
                    self._show(one, one.read_plain, raw, now, chosen)
            except torch.OutOfMemoryError:
                raise
            except BaseException as error:  # a hook that leaves the program would leave it half hooked
                if is_ctrl_c(error):
                    raise
                self._reset()
                function = user_code_of(hook) or apply_hook
                raise hook_error(error, hook.label or hook.name, one.point.name, function) from error
        return raw

    def _show(self, one: Attached, read_plain: ReadPlain, raw: Tensor, now: Pass, chosen: list[int] | None) -> None:
        """Let a detector read by its short way."""
        rows = now.rows
        raw = raw if now.waiting is not None else raw.clone()
        if chosen is not None:
            first, last = chosen[0], chosen[-1]
            raw = raw[first : last + 1] if last - first < len(chosen) else raw[chosen]
            rows = tuple(rows[place] for place in chosen)
        read_plain(raw, rows)
        if one.hook.meter is not None:
            one.hook.meter.pass_by(len(rows) * now.length)

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
        if new is None or self.controllers_off or not isinstance(hook, Controller):
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
        wanted = one.rows if one.rows is not None else self.only_rows
        if wanted is None:
            return None
        names = now.rows if now is not None and now.batch else tuple(range(shown.shape[0]))
        if shown.dim() == 0 or shown.shape[0] != len(names):
            raise UsageError(
                f"the rows of a batch cannot be told apart at {one.point.name}", hint="hook all rows there"
            )
        return places_of(wanted, names)
