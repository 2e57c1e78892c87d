"""The engine thread as the screen sees it: commands in, events out, nothing ever waited for.

One daemon thread owns the model; it is started after the first paint, and only there torch is imported. Every method
may be called from the screen's thread and returns at once, but for `shutdown`. Knows nothing of screens.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from steer_tui.engine.hookvalues import HookSpec
from steer_tui.paths import Paths
from steer_tui.session.hook_messages import LoadHookFile
from steer_tui.session.messages import (
    Command,
    EngineReady,
    Event,
    Generate,
    LoadFailed,
    LoadModel,
    LoadProgress,
    Notice,
)
from steer_tui.session.outbox import Outbox
from steer_tui.session.task import Task
from steer_tui.session.threads import Interrupted, interrupt, leave, spawn

if TYPE_CHECKING:  # imported when the thread starts: the screen is painted first
    from steer_tui.session.journal_writer import JournalWriter
    from steer_tui.session.shelf import Store
    from steer_tui.session.tools import Tools

__all__ = ["Engine", "leave"]

PATIENCE_SECONDS = 2.0
"""How long code of the user's may go on after it was asked to stop."""
_JOURNAL_SECONDS = 0.25
"""How much of the time for ending is left to the journal at least."""


class Engine:
    """The model and all work on it."""

    def __init__(
        self,
        paths: Paths,
        tools: Callable[[], Tools] | None = None,
        store: Callable[[Paths], Store] | None = None,
    ) -> None:
        """Prepare; nothing is started or imported.

        Args:
            paths: The user's folders.
            tools: Called once, on the engine thread, and may take seconds; None is the engine itself.
            store: Makes the library of vectors, on the engine thread; None is the one on disk.
        """
        self._paths, self._tools, self._store = paths, tools, store
        self._outbox = Outbox()
        self._lock = threading.Condition()
        self._waiting: deque[Task] = deque()
        self._current: Task | None = None
        self._aside: Task | None = None
        """What is done between two tokens of the current one."""
        self._is_closing = False
        self._is_ready = False
        self._thread: threading.Thread | None = None
        self._journal: JournalWriter | None = None

    def start(self) -> None:
        """Start the thread; EngineReady comes when torch is imported. Calling it again changes nothing."""
        if self._thread is None:
            from steer_tui.session.journal_writer import JournalWriter

            self._journal = JournalWriter(self._paths.journal, lambda *words: self._outbox.put(Notice(*words)))
            self._thread = spawn("engine", self._work)

    def send(self, command: Command) -> None:
        """Put a command in the queue; loading a model stops the work before it, and takes the place of another load."""
        with self._lock:
            if self._is_closing:
                return
            if isinstance(command, LoadModel):
                self._stop_work()
                self._cancel_loads()
            task = Task(command, self._outbox.put)
            if isinstance(command, LoadModel):
                task.say(LoadProgress(command.ref, None, "" if self._is_ready else "starting torch"))
            self._waiting.append(task)
            self._lock.notify()

    def stop_run(self) -> None:
        """Stop the work that is going on, and what waits; loading a model is not stopped by this.

        Code of the user's that goes on after a moment is interrupted.
        """
        with self._lock:
            self._stop_work()
            current = self._aside or self._current
            if current is not None and current.is_stopped and _runs_own_code(current):
                timer = threading.Timer(PATIENCE_SECONDS, self._interrupt, (current,))
                timer.daemon = True
                timer.start()

    def change_recipe(self, text: str) -> None:
        """Put another recipe in force in the run that streams or is about to; without one, nothing happens."""
        with self._lock:
            for task in self._tasks(Generate):
                task.change(text)

    def change_hooks(self, specs: tuple[HookSpec, ...], hook_file: str | None) -> None:
        """Put other hooks in force in the run that streams or is about to; without one, nothing happens."""
        with self._lock:
            for task in self._tasks(Generate):
                task.change_hooks(specs, hook_file)

    def cancel_load(self) -> None:
        """Give up loading; LoadFailed comes at once, though the thread goes on until it next looks at the flag."""
        with self._lock:
            self._cancel_loads()

    def drain(self) -> list[Event]:
        """Return the events since the last call, oldest first."""
        return self._outbox.drain()

    def shutdown(self, timeout: float = 1.0) -> bool:
        """Stop everything and wait for it; return whether all ended within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            self._is_closing = True
            for task in self._tasks(Command):
                task.stop()
            self._lock.notify()
        if self._thread is None or self._journal is None:
            return True
        self._thread.join(max(0.0, timeout - _JOURNAL_SECONDS))
        # Closed even while the engine hangs: what has streamed so far is then on disk.
        has_written = self._journal.close(max(0.0, deadline - time.monotonic()))
        return has_written and not self._thread.is_alive()

    def _interrupt(self, task: Task) -> None:
        """End what holds the engine thread, if it is still this task."""
        with self._lock:
            if task in (self._current, self._aside) and self._thread is not None:
                interrupt(self._thread)

    # Holding the lock

    def _tasks(self, *kinds: type[Command]) -> list[Task]:
        current = [task for task in (self._current, self._aside) if task is not None]
        return [task for task in (*current, *self._waiting) if isinstance(task.command, kinds)]

    def _stop_work(self) -> None:
        for task in self._tasks(Command):
            if task.command.is_work:
                task.stop()

    def _cancel_loads(self) -> None:
        for task in self._tasks(LoadModel):
            assert isinstance(task.command, LoadModel)
            task.stop()
            task.end(LoadFailed(task.command.ref, "loading was stopped", None, cancelled=True))

    # On the engine thread

    def _work(self) -> None:
        do = self._begin()
        while (task := self._next()) is not None:
            try:
                do(task)
            except Interrupted as error:  # it came when the work was over already
                task.end(task.command.refused(str(error), None))
            except BaseException as error:  # whatever a user's code raises, this thread goes on
                from steer_tui.session.troubles import explain

                task.end(task.command.refused(*explain(error, "the work")))
            self._let_go()

    def _let_go(self) -> None:
        """Forget the task; an interruption that comes this late is of no use any more."""
        try:
            with self._lock:
                self._current = None
        except Interrupted:
            self._current = None

    def _begin(self) -> Callable[[Task], object]:
        """Import the engine; return what does tasks, which is refusing them where the import failed."""
        from steer_tui.library.store import VectorStore
        from steer_tui.session.tools import engine_tools
        from steer_tui.session.troubles import explain
        from steer_tui.session.worker import Worker
        from steer_tui.session.workshop import Workshop

        assert self._journal is not None
        try:
            store = (self._store or VectorStore)(self._paths)
            shop = Workshop(self._paths, (self._tools or engine_tools)(), store, self._journal)
            worker = Worker(shop)
            shop.interlude = lambda: self._do_quick(worker.do)
        except (Exception, SystemExit) as error:
            message, hint = explain(error, "starting the engine")
            reason = f"the engine cannot start: {message}"
            return lambda task: task.end(task.command.refused(reason, hint))
        self._is_ready = True
        self._outbox.put(EngineReady())
        return worker.do

    def _do_quick(self, do: Callable[[Task], object]) -> None:
        """Do what is quick and waits, between two tokens of the text that streams."""
        if not self._waiting:
            return
        with self._lock:
            quick = [task for task in self._waiting if task.command.is_quick]
            for task in quick:
                self._waiting.remove(task)
        for task in quick:
            self._aside = task
            do(task)
            self._aside = None

    def _next(self) -> Task | None:
        """Wait for a command; None when it is time to end."""
        with self._lock:
            while not self._waiting and not self._is_closing:
                self._lock.wait()
            if self._is_closing:
                return None
            self._current = self._waiting.popleft()
            return self._current


def _runs_own_code(task: Task) -> bool:
    """Say whether a task runs a file of the user's, which may do anything, also never end."""
    command = task.command
    if isinstance(command, Generate):
        return command.request.hook_file is not None or task.has_own_hooks
    return isinstance(command, LoadHookFile)
