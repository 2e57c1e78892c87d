"""Puts hooks on the model's modules and takes them off: one torch hook per module and side, attention on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from steer_tui.engine.passes import Passes
from steer_tui.engine.pointfinder import tap_kind
from steer_tui.engine.points import TAPS, HookPoint, Side
from steer_tui.engine.site import Attached, HandRound, Site

_Key = tuple[int, Side]
"""(id of the module, side)."""


class Sites:
    """The torch hooks of one model; none while nothing is attached."""

    def __init__(self, lm: Any, passes: Passes, hand_round: HandRound) -> None:
        self._lm = lm
        self._passes = passes
        self._hand_round = hand_round
        self._sites: dict[_Key, Site] = {}
        self._taps: dict[int, Any] = {}
        """Block -> what opened its attention."""
        self._openers: dict[str, Any] = {}

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
                self._sites[key] = Site(modules[key], ones[0].point.side, self._passes, self._hand_round, last)
                self._sites[key].install()
            self._sites[key].attached = ones
        self._open([one.point for one in attached if one.point.side in TAPS])
        self._passes.may_wait = all(one.read_plain is not None and one.point.side == "output" for one in attached)
        self._passes.follow(bool(attached))

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
