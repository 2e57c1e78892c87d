"""Kills a process that changes a library, and looks whether every vector is there, under its old name or its new one.

`--kills N` kills at random instants; `--steps` kills at each call of the operating system that each kind of change
makes, one after the other. Exits 1 at the first loss. POSIX only: the killed processes are forked.

    PYTHONPATH=. python tests/bench/kill_store.py --kills 200 --steps
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from steer_tui.files import TEMPORARY_SUFFIX
from steer_tui.library.store import VectorStore
from steer_tui.paths import find_paths
from tests.unit.library_model import Change, State, after, do, midway, pick, prepared, read_state

CALLS = ("open", "replace", "rename", "unlink", "mkdir", "fsync")


def work(home: Path, seed: int, serial: int, state: State, tell: int) -> None:
    """Change a library until killed, and tell of each change before and after it is made."""
    store, dice = VectorStore(find_paths(home)), random.Random(seed)
    while True:
        serial += 1
        change = pick(state, serial, dice)
        os.write(tell, json.dumps(astuple(change)).encode() + b"\n")
        do(store, change)
        os.write(tell, b"done\n")
        state = after(state, change)


def fork(job: Callable[[], None]) -> int:
    """Run a job in a process of its own and return its id."""
    child = os.fork()
    if child:
        return child
    try:
        job()
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(70)
    os._exit(0)


def was_killed(child: int) -> bool:
    """Wait for a process; False where it ended by itself, which only a job with an end may do."""
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a change failed"
    return os.WIFSIGNALED(status)


def kill_at_random(home: Path, kills: int, seed: int) -> Counter[str]:
    """Kill a worker many times; return which changes were under way."""
    store, dice, caught = VectorStore(find_paths(home)), random.Random(seed), Counter[str]()
    serial = 0
    for _ in range(kills):
        state = read_state(store)
        reading, telling = os.pipe()
        child_seed = dice.randrange(1 << 30)
        child = fork(lambda: work(home, child_seed, serial, state, telling))  # noqa: B023
        os.close(telling)
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            began, lines = time.perf_counter(), [pipe.readline() for _ in range(2 * dice.randint(1, 4))]
            pace = 2 * (time.perf_counter() - began) / len(lines)  # seconds of one change, on this disk, now
            time.sleep(dice.uniform(0.0, 1.5 * pace))
            os.kill(child, signal.SIGKILL)
            assert was_killed(child)
            lines += pipe.readlines()
        under_way = None
        for line in lines:
            if line == b"done\n" and under_way is not None:
                state, under_way = after(state, under_way), None
            elif line.endswith(b"\n"):
                under_way = Change(*json.loads(line))
                serial = max(serial, under_way.serial)
        serial += len(lines)
        check(read_state(store), state, under_way)
        caught[under_way.kind if under_way else "between"] += 1
    return caught


def check(found: State, before: State, change: Change | None) -> None:
    """Make sure that a library is as before a change or as after it, or has the earlier vector in both places."""
    allowed = [before] if change is None else [before, midway(before, change), after(before, change)]
    assert found in allowed, f"{change}\nfound {found}\nwanted {allowed}"


def kill_at_each_step(folder: Path) -> Counter[str]:
    """Kill each kind of change before each of its calls of the operating system; return how many there were."""
    steps = Counter[str]()
    model = folder / "model"
    before = read_state(prepared(model))
    for change in (
        Change("save", "c", serial=9),
        Change("save", "a", serial=9),
        Change("rename", "a", "c"),
        Change("remove", "a"),
        Change("tag", "a", "t"),
        Change("restore", "d", serial=3),
        Change("restore", "c", serial=3),
    ):
        step = 0
        while True:
            home = folder / f"{change.kind}-{change.name}-{step}"
            shutil.copytree(model, home)
            store = VectorStore(find_paths(home))
            if not was_killed(fork(lambda: kill_before(home, change, step))):  # noqa: B023
                assert read_state(store) == after(before, change)
                break
            check(read_state(store), before, change)
            do(store, Change("save", "z", serial=99))  # the next writer clears up
            leftovers = [path for path in home.rglob("*") if path.name.endswith(TEMPORARY_SUFFIX)]
            assert not leftovers, leftovers
            step += 1
        steps[change.kind] += step
    return steps


def kill_before(home: Path, change: Change, step: int) -> None:
    """Make a change, and die before its call number `step`."""
    left = step

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return call(*args, **options)

        return counted

    store = VectorStore(find_paths(home))
    for name in CALLS:
        setattr(os, name, watched(getattr(os, name)))
    do(store, change)


def main() -> int:
    """Kill as asked, and print what was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if asked.kills:
            caught = kill_at_random(Path(folder, "random"), asked.kills, asked.seed)
            print(json.dumps({"killed": asked.kills, "under way": dict(caught), "lost": 0}))
        if asked.steps:
            print(json.dumps({"steps": dict(kill_at_each_step(Path(folder)))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
