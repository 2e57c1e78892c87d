"""How a long load is told and stopped: one object that stages call.

Knows nothing of what is loaded; raises `Cancelled` at the first call after a stop is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

from steer_tui.errors import Cancelled

OnProgress = Callable[[float | None, str], None]
"""(fraction done of what the note names, 0 to 1, None where it cannot be told; note)."""
ShouldStop = Callable[[], bool]
Item = TypeVar("Item")


class Progress:
    """Tells a listener how far a load is, and asks whether to stop."""

    def __init__(self, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> None:
        self._on_progress = on_progress
        self._should_stop = should_stop

    def check(self) -> None:
        """Raise `Cancelled` once a stop was asked for."""
        if self._should_stop is not None and self._should_stop():
            raise Cancelled("loading was cancelled")

    def say(self, fraction: float | None, note: str) -> None:
        """Tell what is being done, after checking for a stop."""
        self.check()
        if self._on_progress is not None:
            self._on_progress(fraction, note)

    def over(self, items: Iterable[Item], note: str) -> Iterator[Item]:
        """Yield the items, telling the fraction done before each and at the end."""
        total = len(items) if isinstance(items, Sized) else 0
        for index, item in enumerate(items):
            self.say(index / total if total else None, note)
            yield item
        self.say(1.0, note)


class Bar:
    """Stands in for a tqdm bar that iterates: reports through a `Progress`, draws nothing."""

    def __init__(self, items: Iterable[Any], progress: Progress, note: str) -> None:
        self._items = items
        self._progress = progress
        self._note = note

    def __iter__(self) -> Iterator[Any]:
        return self._progress.over(self._items, self._note)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Answer every other call of tqdm with nothing."""
        return lambda *args, **kwargs: None
