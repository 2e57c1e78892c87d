"""Plain values about hooks that cross threads and become JSON; no tensor, no torch import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class TokenStatistics(NamedTuple):
    """One token's activation at one point."""

    mean: float
    std: float
    norm: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class PointInfo:
    """A hook point as a list shows it."""

    name: str
    module: str
    """Path of the module; empty for the model itself."""
    shape: tuple[str | int, ...]
    """Words for axes that change with the batch, numbers for those that do not."""
    available: bool
    reason: str | None
    """Why this architecture cannot give the point; None where it can."""
    note: str
    layer: int | None
    """Block that it lies in; None outside the blocks."""

    def to_json(self) -> dict[str, object]:
        """Return one entry of `points --json`."""
        return {
            "name": self.name,
            "module": self.module,
            "shape": list(self.shape),
            "available": self.available,
            "reason": self.reason,
            "note": self.note,
            "layer": self.layer,
        }


@dataclass(frozen=True, slots=True)
class HookSpec:
    """A ready-made or own hook as a person wrote it down: enough to make it again."""

    point: str
    """Name of the point, as `register_hook` takes it."""
    kind: str
    """Name in the catalogue, or `file` for a hook of the user's own file."""
    values: tuple[tuple[str, Any], ...] = ()
    """Parameters by name: numbers, text and lists of numbers."""
    rows: tuple[int, ...] | None = None
    """Rows that it acts on; None for all that the run allows."""
    enabled: bool = True

    def to_json(self) -> dict[str, object]:
        """Return the spec as plain JSON."""
        return {
            "point": self.point,
            "kind": self.kind,
            "values": {name: list(value) if isinstance(value, tuple) else value for name, value in self.values},
            "rows": list(self.rows) if self.rows is not None else None,
            "enabled": self.enabled,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> HookSpec:
        """Return the spec that `to_json` gave; unknown keys are let be."""
        values = tuple(
            (str(name), tuple(value) if isinstance(value, list) else value)
            for name, value in dict(data.get("values") or {}).items()
        )
        rows = data.get("rows")
        return cls(
            str(data["point"]),
            str(data["kind"]),
            values,
            tuple(int(row) for row in rows) if rows is not None else None,
            bool(data.get("enabled", True)),
        )
