"""Commands and events about hook points, hooks and the file of own hooks; frozen plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from steer_tui.engine.hookvalues import HookSpec, PointInfo
from steer_tui.session.messages import Command, Event


@dataclass(frozen=True, slots=True)
class ListPoints(Command):
    """Tell every hook point of the model in use; the first time runs two short rows through it."""

    is_work: ClassVar[bool] = False
    is_quick: ClassVar[bool] = True

    def refused(self, message: str, hint: str | None) -> Event:
        """Return PointsFailed."""
        return PointsFailed(message, hint)


@dataclass(frozen=True, slots=True)
class LoadHookFile(Command):
    """Run a Python file and tell the hooks that it defines; `is_reload` where it was saved since."""

    is_quick: ClassVar[bool] = True
    path: str
    is_reload: bool = False

    def refused(self, message: str, hint: str | None) -> Event:
        """Return HookFileFailed."""
        return HookFileFailed(self.path, message, hint)


@dataclass(frozen=True, slots=True)
class CheckHooks(Command):
    """Make hooks without putting them on, to see which cannot be made; `hook_file` is where own ones come from."""

    is_work: ClassVar[bool] = False
    specs: tuple[HookSpec, ...]
    hook_file: str | None = None

    def refused(self, message: str, hint: str | None) -> Event:
        """Return HooksChecked with nothing found: what is wrong shows when a run uses them."""
        return HooksChecked(self.specs, ())


@dataclass(frozen=True, slots=True)
class PointsListed(Event):
    """Every hook point of a model, those with TransformerLens names first, in order of execution."""

    fingerprint: str
    """Of the model."""
    points: tuple[PointInfo, ...]
    is_whole: bool = True
    """False while a text streams, where some points and shapes cannot be told yet."""


@dataclass(frozen=True, slots=True)
class PointsFailed(Event):
    """The points cannot be listed."""

    message: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class OwnHookInfo:
    """A hook that a file defines, as a list shows it."""

    name: str
    kind: str
    """`controller`, `detector`, `both` or `function`."""
    summary: str
    """First line of its docstring; empty where it has none."""
    line: int
    """Where it is defined, 1-based; 0 where that cannot be told."""
    points: tuple[str, ...]
    """Where the file itself puts it; empty where it says nothing."""


@dataclass(frozen=True, slots=True)
class HookFileLoaded(Event):
    """A file of own hooks was run."""

    path: str
    """As it was named, with the home folder written out."""
    hooks: tuple[OwnHookInfo, ...]
    stamp: tuple[int, int]
    """Time of the last change in nanoseconds and size in bytes, as they were before it was read."""
    is_reload: bool


@dataclass(frozen=True, slots=True)
class HookFileFailed(Event):
    """A file of own hooks could not be run; the line is in the message, and what was loaded before stays."""

    path: str
    message: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class HooksChecked(Event):
    """Which of some hooks cannot be made, and why."""

    specs: tuple[HookSpec, ...]
    """All that were looked at."""
    problems: tuple[tuple[HookSpec, str], ...]

    def supersedes(self, last: Event) -> bool:
        """Only the newest look counts."""
        return isinstance(last, HooksChecked)
