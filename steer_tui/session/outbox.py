"""Events on their way to the screen: put from any thread, taken all at once, merged while they wait.

Steps of one run that wait together become one event; of a load's or extraction's progress only the newest is kept.
Otherwise the order is kept. Knows nothing of who reads.
"""

from __future__ import annotations

import threading

from steer_tui.engine.types import Step
from steer_tui.session.messages import Event, RunSteps


class Outbox:
    """A queue of events that stays short however slowly it is read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._steps: list[Step] = []
        """All steps of the last event where that is RunSteps, which gets them when something else follows."""

    def put(self, event: Event) -> None:
        """Add an event, or merge it with the last one that waits."""
        with self._lock:
            last = self._events[-1] if self._events else None
            if isinstance(event, RunSteps):
                self._put_steps(event, last)
                return
            self._close_steps()
            if last is not None and event.supersedes(last):
                self._events[-1] = event
            else:
                self._events.append(event)

    def drain(self) -> list[Event]:
        """Return what waits, oldest first, and keep nothing."""
        with self._lock:
            self._close_steps()
            events, self._events = self._events, []
            return events

    def _put_steps(self, event: RunSteps, last: Event | None) -> None:
        if isinstance(last, RunSteps) and last.run_id == event.run_id:
            self._events[-1] = event
        else:
            self._close_steps()
            self._events.append(event)
        self._steps.extend(event.steps)

    def _close_steps(self) -> None:
        """Give the last event its steps: once, so that merging costs the same for any number of them."""
        if self._steps:
            last = self._events[-1]
            assert isinstance(last, RunSteps)
            self._events[-1] = RunSteps(last.run_id, tuple(self._steps), last.tokens_per_second)
            self._steps = []
