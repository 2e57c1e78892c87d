"""A command on its way through the engine thread, and the hand by which other threads reach into it.

Promises that nothing is said of a task after its end, whichever thread ends it. Knows nothing of models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from steer_tui.engine.hookvalues import HookSpec
from steer_tui.session.messages import Command, Event


class RunControls(Protocol):
    """What reaches into a running generation; `engine.generate.Controls` is one."""

    def stop(self) -> None:
        """End the run before its next step."""

    def change(self, recipe: str) -> None:
        """Put another recipe in force."""

    def change_hooks(self, specs: Sequence[HookSpec], hook_file: str | None = None) -> None:
        """Put other hooks in force."""


class Task:
    """One command with its own stop flag."""

    def __init__(self, command: Command, put: Callable[[Event], None]) -> None:
        self.command = command
        self._put = put
        self._lock = threading.Lock()
        self._is_stopped = False
        self._has_ended = False
        self._controls: RunControls | None = None
        self._recipe: str | None = None
        self._hooks: tuple[tuple[HookSpec, ...], str | None] | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether someone asked for its end."""
        return self._is_stopped

    def say(self, event: Event) -> bool:
        """Tell of progress; return False, saying nothing, where the task has ended."""
        with self._lock:
            if not self._has_ended:
                self._put(event)
            return not self._has_ended

    def end(self, event: Event) -> bool:
        """Tell of the end; return False, saying nothing, where that was done before."""
        with self._lock:
            is_first = not self._has_ended
            if is_first:
                self._has_ended = True
                self._put(event)
            return is_first

    def stop(self) -> None:
        """Ask for its end."""
        with self._lock:
            self._is_stopped = True
            if self._controls is not None:
                self._controls.stop()

    def change(self, recipe: str) -> None:
        """Put another recipe in force, now or when the run begins."""
        with self._lock:
            self._recipe = recipe
            if self._controls is not None:
                self._controls.change(recipe)

    def change_hooks(self, specs: tuple[HookSpec, ...], hook_file: str | None) -> None:
        """Put other hooks in force, now or when the run begins."""
        with self._lock:
            self._hooks = specs, hook_file
            if self._controls is not None:
                self._controls.change_hooks(specs, hook_file)

    @property
    def has_own_hooks(self) -> bool:
        """Whether hooks of a file were put in force while it ran."""
        return self._hooks is not None and self._hooks[1] is not None

    def attach(self, controls: RunControls) -> None:
        """Let a run that begins be reached, with what was asked of it before."""
        with self._lock:
            self._controls = controls
            if self._recipe is not None:
                controls.change(self._recipe)
            if self._hooks is not None:
                controls.change_hooks(*self._hooks)
            if self._is_stopped:
                controls.stop()
