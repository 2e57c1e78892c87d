"""Plain values about hooks that cross threads and become JSON; no tensor, no torch import."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from steer_tui.text import one_line

FILE = "file"
"""Kind of a hook of the user's own file; its value `name` says which."""
WATCH_SECONDS = 0.1
"""Between two times that a run of the workbench brings what watched points saw: no eye follows more."""


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

    @property
    def title(self) -> str:
        """What errors and lists call it: `blocks.3.hook_resid_post=scale`, or the own hook's name after the point."""
        own = dict(self.values).get("name") if self.kind == FILE else None
        return one_line(f"{self.point}={own or self.kind}")


def vector_names(specs: Iterable[HookSpec]) -> tuple[str, ...]:
    """Return the names of the vectors that hooks take, each once."""
    named = (str(dict(spec.values).get("vector") or "") for spec in specs if spec.enabled and spec.kind != FILE)
    return tuple(dict.fromkeys(name for name in named if name))


@dataclass(frozen=True, slots=True)
class Watched:
    """What a run saw of one watched point in one row since the last step that brought any."""

    point: str
    """As the spec of the kind `watch` names it."""
    row: int
    """0 for the steered text, 1 for the baseline."""
    shape: tuple[int, ...]
    """Of the newest activation, the rows that are watched first."""
    tokens: tuple[TokenStatistics, ...]
    """The tokens read since then, the oldest first: the whole prompt at a run's first step."""

    @property
    def newest(self) -> TokenStatistics:
        """The last of them."""
        return self.tokens[-1]


@dataclass(frozen=True, slots=True)
class HookReport:
    """What one hook did in a run."""

    spec: HookSpec
    since: int
    """The generated token from which it was on."""
    passes: int
    """How often it was called: once for the prompt, once for each token after the first."""
    tokens: int
    """Tokens that it was shown, padding not counted."""
    changed_passes: int
    changed_tokens: int
    mean_change: float
    """||new - old|| / ||old||, averaged over the changed tokens."""
    max_change: float
    seen: tuple[tuple[str, Any], ...] = ()
    """For detectors, what they saw, by name: plain numbers, text and tuples of them."""

    def to_json(self) -> dict[str, object]:
        """Return one entry of `hooks` in `generate --json`."""
        keys = ("since", "passes", "tokens", "changed_passes", "changed_tokens", "mean_change", "max_change")
        return self.spec.to_json() | {key: getattr(self, key) for key in keys} | {"seen": dict(self.seen)}


class TokenShift(NamedTuple):
    """One token's next-token logit with and without."""

    id: int
    text: str
    steered: float
    baseline: float


@dataclass(frozen=True, slots=True)
class LogitDifference:
    """Next-token logits at the first generated position, steered minus baseline, over the vocabulary."""

    max: float
    """Greatest absolute difference."""
    mean: float
    """Mean absolute difference."""
    risen: tuple[TokenShift, ...]
    """Tokens whose logit rose most, the greatest rise first."""
    fallen: tuple[TokenShift, ...]
    """Tokens whose logit fell most, the greatest fall first."""

    def to_json(self) -> dict[str, object]:
        """Return the `logit_difference` of `generate --json`."""
        return {
            "max": self.max,
            "mean": self.mean,
            "risen": [shift._asdict() for shift in self.risen],
            "fallen": [shift._asdict() for shift in self.fallen],
        }
