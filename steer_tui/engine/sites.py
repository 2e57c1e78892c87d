"""Puts hooks on the model's modules and takes them off: one torch hook per module and side, attention on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.moment import Pass
from steer_tui.engine.pointfinder import tap_kind
from steer_tui.engine.points import TAPS, HookPoint, Side
from steer_tui.engine.site import Attached, HandRound, Site

_Key = tuple[int, Side]
"""(id of the module, side)."""


class Sites:
    """The torch hooks of one model; none while nothing is attached."""

    def __init__(self, lm: Any, hand_round: HandRound) -> None:
        self._lm = lm
        self._hand_round = hand_round
        self._sites: dict[_Key, Site] = {}
        self._taps: dict[int, Any] = {}
        """Block -> what opened its attention."""
        self._openers: dict[str, Any] = {}
        self._handles: list[RemovableHandle] = []
        self._passes: list[Pass] = []
        self._count = 0
        self.batch_rows: Sequence[int] | None = None

    @property
    def current(self) -> Pass | None:
        """The pass that is running; None between passes."""
        return self._passes[-1] if self._passes else None

    def cover(self, attached: Sequence[Attached]) -> None:
        """Be on exactly the places of these hooks, and hand round in their order."""
        wanted: dict[_Key, list[Attached]] = {}
        modules: dict[_Key, nn.Module] = {}
        for one in attached:
            module = self._lm.model.get_submodule(one.point.module)
            key = (id(module), one.point.side)
            modules[key] = module
            wanted.setdefault(key, []).append(one)
        for key in set(self._sites) - set(wanted):
            self._sites.pop(key).remove()
        for key, ones in wanted.items():
            if key not in self._sites:
                last = modules[key] is self._lm.model
                self._sites[key] = Site(modules[key], ones[0].point.side, self._hand_round, last)
                self._sites[key].install()
            self._sites[key].attached = ones
        self._open([one.point for one in attached if one.point.side in TAPS])
        self._follow_passes(bool(attached))

    def reinstall(self) -> None:
        """Take every torch hook off and put it on again, behind those that came in between."""
        for site in self._sites.values():
            site.remove()
            site.install()

    def _open(self, points: Sequence[HookPoint]) -> None:
        """Open the attention of exactly these points' blocks."""
        blocks = {point.layer() for point in points}
        for block in set(self._taps) - blocks:
            self._taps.pop(block).close(block)
        for block in sorted(blocks - set(self._taps)):
            attn = self._lm.structure.attn(block)
            opener = self._opener(tap_kind(attn))
            opener.open(block, attn, self._tap_of(attn))
            self._taps[block] = opener

    def _tap_of(self, attn: nn.Module) -> Callable[[Side, Tensor], Tensor]:
        def tap(side: Side, tensor: Tensor) -> Tensor:
            site = self._sites.get((id(attn), side))
            return tensor if site is None else site.tap(tensor)

        return tap

    def _opener(self, kind: str | None) -> Any:
        if kind not in self._openers:
            from steer_tui.engine.attention import InterfaceTaps
            from steer_tui.engine.attention_trace import TraceTaps

            self._openers[str(kind)] = InterfaceTaps(self._lm.model) if kind == "interface" else TraceTaps()
        return self._openers[str(kind)]

    def _follow_passes(self, needed: bool) -> None:
        """Take note of every call of the model while there are hooks."""
        if needed and not self._handles:
            model = self._lm.model
            self._handles = [
                model.register_forward_pre_hook(self._begin, with_kwargs=True, prepend=True),
                model.register_forward_hook(self._end, always_call=True),
            ]
        elif not needed:
            for handle in self._handles:
                handle.remove()
            self._handles = []
            self._passes.clear()

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._count += 1
        self._passes.append(Pass(args, kwargs, self._count, self.batch_rows))

    def _end(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._passes:
            self._passes.pop()
