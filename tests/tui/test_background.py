"""Work off the screen's thread: its result reaches the screen while there is one, and nothing is left behind after."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings

from steer_tui.paths import Paths
from steer_tui.tui.background import NAME, in_background
from tests.tui.desk import workbench


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == NAME}


async def test_the_result_comes_on_the_screens_thread(paths: Paths) -> None:
    async with workbench(paths) as bench:
        places: list[threading.Thread] = []
        taken: list[tuple[str, threading.Thread]] = []

        def work() -> str:
            places.append(threading.current_thread())
            return "done"

        in_background(bench.app, work, lambda result: taken.append((result, threading.current_thread())))
        await bench.settle()
        assert taken == [("done", threading.current_thread())] and places != [threading.current_thread()]


async def test_a_result_that_comes_after_the_end_is_dropped(paths: Paths) -> None:
    gate, taken = threading.Event(), list[bool]()
    async with workbench(paths) as bench:
        before = threads()
        in_background(bench.app, gate.wait, taken.append)
        (thread,) = threads() - before
    gate.set()
    await asyncio.to_thread(thread.join, 60.0)
    await asyncio.sleep(0)
    assert not thread.is_alive() and taken == []


def test_a_result_that_comes_when_even_the_loop_is_gone_is_dropped_without_a_word(paths: Paths) -> None:
    gate, taken = threading.Event(), list[bool]()

    async def visit() -> threading.Thread:
        async with workbench(paths) as bench:
            before = threads()
            in_background(bench.app, gate.wait, taken.append)
            (thread,) = threads() - before
        return thread

    thread = asyncio.run(visit())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        gate.set()
        thread.join(60.0)
        gc.collect()
    assert not thread.is_alive() and taken == [] and [str(each.message) for each in said] == []
