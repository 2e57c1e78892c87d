"""The hooks of one run, made from plain specs: built, replaced while text streams, watched, reported.

Promises that an error names the hook and leaves what was on before, and that a hook whose spec stays keeps its state
when others change. Putting them on the model is the decoder's business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steer_tui.engine.catalogue import build_hook
from steer_tui.engine.hooked import FwdHooks
from steer_tui.engine.hookmeter import Meter
from steer_tui.engine.hooks import Controller, Hook
from steer_tui.engine.hookvalues import FILE, HookReport, HookSpec, Watched
from steer_tui.engine.seen import seen_by
from steer_tui.engine.tokentrace import TokenTraceDetector, fold_together
from steer_tui.engine.user_hooks import HookFile, load_hooks
from steer_tui.errors import UsageError

Vectors = Mapping[str, Any]


@dataclass(eq=False)
class _Built:
    """A hook that was made, and from when it was on."""

    spec: HookSpec
    hook: Hook
    file: HookFile | None
    """Where it comes from; None for a ready-made one."""
    since: int


class RunHooks:
    """Specs and the hooks that they stand for."""

    def __init__(self, lm: Any, vectors: Vectors, *, is_counted: bool, file: HookFile | None = None) -> None:
        """Begin without a hook.

        Args:
            lm: The model.
            vectors: Name -> SteeringVector, for hooks that take one.
            is_counted: Keeps how often and how much each hook changes.
            file: Own hooks, where their file has been loaded before.
        """
        self._lm, self._vectors, self._is_counted = lm, vectors, is_counted
        self.specs: tuple[HookSpec, ...] = ()
        """In force, in order."""
        self.file_path: str | None = None
        self._ready = file
        self._file: HookFile | None = None
        self._on: list[_Built] = []
        self._all: list[_Built] = []
        self._watching: list[tuple[str, TokenTraceDetector]] = []
        self._left: tuple[Watched, ...] = ()
        """What points saw that were watched until hooks changed."""
        self._watched_at = -math.inf

    @property
    def file_sha256(self) -> str | None:
        """Of the file of own hooks as it was loaded; None where none was."""
        return None if self._file is None else self._file.sha256

    @property
    def acting(self) -> bool:
        """Whether a hook is on that may change something."""
        return any(isinstance(built.hook, Controller) for built in self._on)

    def put(self, specs: Sequence[HookSpec], file_path: str | None, step: int) -> FwdHooks | None:
        """Put specs in force from a step on, and return the hooks to have on; None where nothing changes.

        Hooks that are switched off are not made. A file is run when its path is new or it has been saved since.

        Raises:
            UsageError: A hook cannot be made, or the file fails; everything stays as it was.
            OutOfMemory: A prompt to patch from does not fit.
        """
        specs, path = tuple(specs), file_path if file_path is not None else self.file_path
        file = self._load(specs, path)
        if specs == self.specs and file is self._file:
            self.file_path = path
            return None
        ready: list[_Built] = []
        for spec in specs:
            if spec.enabled:
                ready.append(self._known(spec, file, ready) or self._made(spec, file, step))
        self._left += self._seen()
        self.specs, self.file_path, self._file, self._on = specs, path, file, ready
        self._all += [built for built in ready if built not in self._all]
        self._watching = [
            (built.spec.point, built.hook) for built in ready if isinstance(built.hook, TokenTraceDetector)
        ]
        return [(built.spec.point, built.hook) for built in ready]

    def watched(self, after: float = 0.0) -> tuple[Watched, ...]:
        """Return what watched points saw since the last call; one transfer to the host.

        Args:
            after: Seconds that must have passed since that transfer; before, nothing is brought.
        """
        now = time.perf_counter()
        if not self._left and now - self._watched_at < after:
            return ()
        self._watched_at = now
        left, self._left = self._left, ()
        return (*left, *self._seen())

    def _seen(self) -> tuple[Watched, ...]:
        if not self._watching:
            return ()
        fold_together([detector for _, detector in self._watching])
        return tuple(
            Watched(point, row, detector.shape, tokens)
            for point, detector in self._watching
            for row, tokens in detector.take_new().items()
        )

    def reports(self) -> tuple[HookReport, ...]:
        """Return what every hook did that was on at some time."""
        return tuple(map(_report, self._all))

    def _load(self, specs: Sequence[HookSpec], path: str | None) -> HookFile | None:
        """Return the file as it now is; the very same object where nothing of it changed."""
        if not any(spec.kind == FILE and spec.enabled for spec in specs):
            return self._file if path == self.file_path else None
        if path is None:
            named = next(spec for spec in specs if spec.kind == FILE and spec.enabled)
            raise UsageError(f"hook {named.title}: no file is named", hint="name the Python file that defines it")
        if self._file is None and self._ready is not None and str(self._ready.path) == path:
            return self._ready
        if self._file is None or path != self.file_path or self._file.has_changed():
            return load_hooks(path)
        return self._file

    def _known(self, spec: HookSpec, file: HookFile | None, taken: Sequence[_Built]) -> _Built | None:
        """Return the hook that is on for the same spec, so that what it has counted or seen stays."""
        for built in self._on:
            is_same = built.spec == spec and (spec.kind != FILE or built.file is file)
            if is_same and not any(built is other for other in taken):
                return built
        return None

    def _made(self, spec: HookSpec, file: HookFile | None, step: int) -> _Built:
        try:
            hook = build_hook(self._lm, spec, self._vectors, file)
        except UsageError as error:
            raise UsageError(f"hook {spec.title}: {error.message}", hint=error.hint) from error
        if self._is_counted:
            hook.meter = Meter()
        return _Built(spec, hook, file if spec.kind == FILE else None, step)


def _report(built: _Built) -> HookReport:
    counts = built.hook.meter.read() if built.hook.meter is not None else {}
    return HookReport(
        spec=built.spec,
        since=built.since,
        passes=int(counts.get("passes", 0)),
        tokens=int(counts.get("tokens", 0)),
        changed_passes=int(counts.get("modifications", 0)),
        changed_tokens=int(counts.get("changed_tokens", 0)),
        mean_change=counts.get("avg_change", 0.0),
        max_change=counts.get("max_change", 0.0),
        seen=seen_by(built.hook),
    )
