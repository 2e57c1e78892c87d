"""The screens beside Steer, each imported at its first visit: the first paint waits for none of them."""

from __future__ import annotations

from importlib import import_module

from steer_tui.tui.screens.base import WorkbenchScreen
from steer_tui.tui.screens.soon import SoonScreen

PLACES: dict[str, str] = {
    "sweep": "steer_tui.tui.screens.sweep:SweepScreen",
    "library": "steer_tui.tui.screens.library:LibraryScreen",
    "inspect": "steer_tui.tui.screens.inspect:InspectScreen",
    "history": "steer_tui.tui.screens.history:HistoryScreen",
    "learn": "",
}
"""Name -> `module:class`; empty where the screen only says what serves meanwhile."""


def make_place(name: str) -> WorkbenchScreen:
    """Return a new screen of a name in `PLACES`."""
    module, _, kind = PLACES[name].partition(":")
    if not module:
        return SoonScreen(name)
    place: WorkbenchScreen = getattr(import_module(module), kind)()
    return place
