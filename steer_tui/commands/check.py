"""What one look of `doctor` found. Plain values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    """`note`: works, with an edge worth knowing; `broken`: something will not work until it is mended."""
    found: str
    advice: str
    """One line: what to do, or what follows from it."""

    def to_json(self) -> dict[str, str]:
        """Return the entry of `doctor --json`."""
        return {"name": self.name, "state": self.state, "found": self.found, "advice": self.advice}
