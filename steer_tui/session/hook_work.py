"""What the engine thread does about hooks: list points, run a file of own hooks, try hooks out.

Promises that a file, whatever it does, ends in one event and leaves what was loaded before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steer_tui.engine.hookvalues import FILE, HookSpec
from steer_tui.engine.types import Request
from steer_tui.errors import ModelError, SteerError, UsageError
from steer_tui.files import expanded
from steer_tui.session.hook_messages import (
    CheckHooks,
    HookFileFailed,
    HookFileLoaded,
    HooksChecked,
    ListPoints,
    LoadHookFile,
    OwnHookInfo,
    PointsFailed,
    PointsListed,
)
from steer_tui.session.messages import Command, Notice
from steer_tui.session.records import as_of_now
from steer_tui.session.task import Task
from steer_tui.session.troubles import explain
from steer_tui.session.workshop import Workshop

_RUNS_A_PROMPT = "patch"
"""The kind that is not tried out: making it reads a prompt."""
MOST_POINTS = 512
"""Points of one own hook that are told; a predicate may like thousands."""


class HookWork:
    """Commands about hooks."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._files: dict[str, Any] = {}
        """Path -> the `HookFile` that was loaded last."""

    def handlers(self) -> Mapping[type[Command], Any]:
        """Return what does each command."""
        return {ListPoints: self._list, LoadHookFile: self._load, CheckHooks: self._check}

    def _list(self, task: Task, command: ListPoints) -> None:
        try:
            info, _ = self._shop.ready()
            quick = {"quick": True} if self._shop.is_streaming else {}
            points = self._shop.tools.point_infos(self._shop.lm, **quick)
            task.end(PointsListed(info.fingerprint, points, not quick))
        except BaseException as error:
            task.end(PointsFailed(*explain(error, "listing hook points")))

    def _load(self, task: Task, command: LoadHookFile) -> None:
        path = expanded(command.path)
        if task.is_stopped:
            task.end(HookFileFailed(command.path, f"{path.name} was not loaded: it was stopped", None))
            return
        try:
            stamp = stamp_of(path)
            file = self._shop.tools.load_hooks(path)
            hooks = tuple(_info(file[name], self._points_of(file[name], task)) for name in file)
            self._files[str(path)] = file
            task.end(HookFileLoaded(str(path), hooks, stamp, command.is_reload))
        except BaseException as error:  # a file may raise anything, KeyboardInterrupt too
            if isinstance(error, OSError):
                error = UsageError(f"{path} cannot be read: {error.strerror}", hint="name a Python file")
            task.end(HookFileFailed(command.path, *explain(error, "loading hooks")))

    def _points_of(self, own: Any, task: Task) -> tuple[str, ...]:
        """Return where a file wants a hook; none where it says nothing or the model lacks the points, which is told."""
        if own.point is None or self._shop.lm is None:
            return ()
        layers = self._shop.lm.layers
        try:
            wanted = (layers.quick_points if self._shop.is_streaming else layers).matching(own.point)
            return tuple(point.name for point in wanted)[:MOST_POINTS]
        except SteerError as error:
            where = f" (line {own.line})" if own.line else ""
            task.say(Notice(f"hook {own.name}{where} is not put on: {error.message}", error.hint))
            return ()

    def _check(self, task: Task, command: CheckHooks) -> None:
        problems: list[tuple[HookSpec, str]] = []
        try:
            _, shelf = self._shop.ready()
        except ModelError:
            task.end(HooksChecked(command.specs, ()))
            return
        file = self._files.get(command.hook_file or "")
        for spec in command.specs:
            if spec.kind == _RUNS_A_PROMPT or (spec.kind == FILE and file is None):
                continue
            try:
                self._shop.tools.build_hook(self._shop.lm, spec, shelf.vectors, file)
            except BaseException as error:
                problems.append((spec, explain(error, "making a hook")[0]))
        task.end(HooksChecked(command.specs, tuple(problems)))


def with_digest(task: Task, request: Request) -> Request:
    """Return a request that knows its file of own hooks by digest; say which files are others than when it ran."""
    request, changed = as_of_now(request)
    for path in changed:
        task.say(Notice(f"{Path(path).name} has changed since that run: the text may differ"))
    return request


def stamp_of(path: Path) -> tuple[int, int]:
    """Return what changes when a file is saved.

    Raises:
        OSError: It is not there, or may not be read.
    """
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _info(own: Any, points: tuple[str, ...]) -> OwnHookInfo:
    return OwnHookInfo(own.name, own.kind, own.summary, own.line, points)
