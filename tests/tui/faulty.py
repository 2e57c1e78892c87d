"""The real program with a fault in it: `y` raises. Run by a test in a pseudo terminal."""

from __future__ import annotations

import sys

from steer_tui.cli import main
from steer_tui.tui.screens.steer import SteerScreen


def fail(screen: SteerScreen) -> None:
    """Be the fault."""
    raise RuntimeError("a fault \x1b[2J made for a test")


SteerScreen.act_copy = fail  # type: ignore[method-assign, assignment]
if __name__ == "__main__":
    sys.exit(main([]))
