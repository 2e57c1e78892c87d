"""Kills, a full disk, a library that may not be written, two programs at once: in processes of their own, for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from steer_tui.library.store import VectorStore
from steer_tui.paths import find_paths
from tests.unit.made_vectors import own

ROOT = Path(__file__).resolve().parents[2]
ALONE = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def python(*arguments: str, before: tuple[str, ...] = (), more: Mapping[str, str] | None = None) -> str:
    """Run the interpreter and return what it printed."""
    command = [*before, sys.executable, *arguments]
    environment = {**os.environ, **ALONE, **(more or {})}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed processes are forked")
def test_a_kill_at_any_instant_loses_no_vector(tmp_path: Path) -> None:
    found = python("tests/bench/kill_store.py", "--kills", "10", "--seed", "1", more={"TMPDIR": str(tmp_path)})
    assert json.loads(found)["killed"] == 10


CHANGES = """
import json, resource, subprocess, sys
from dataclasses import asdict
from pathlib import Path
from steer_tui.errors import LibraryError
from steer_tui.library.store import VectorStore
from steer_tui.paths import find_paths
from tests.unit.library_model import Change, do, read_state

home, how = Path(sys.argv[1]), sys.argv[2]
store = VectorStore(find_paths(home))
for serial, name in enumerate("abc", 1):
    do(store, Change("save", name, serial=serial))
do(store, Change("remove", "c"))
serial = 3
if how == "full":  # until the disk says so
    try:
        while serial < 99:
            do(store, Change("save", f"filler{serial}", serial=serial + 1))
            serial += 1
    except LibraryError:
        pass
elif how == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
else:
    subprocess.run(how.split(), check=True)
before, refused = read_state(store), {}
for change in (Change("save", "a", serial=90), Change("save", "d", serial=91), Change("tag", "a", "t"),
               Change("rename", "a", "e"), Change("remove", "b"), Change("restore", "f", serial=3)):
    known = read_state(store)
    try:
        do(store, change)
    except LibraryError as error:
        refused[f"{change.kind} {change.name}"] = [error.message, error.hint]
        assert read_state(store) == known
print(json.dumps({"serial": serial, "refused": refused, "kept": before == read_state(store)}))
"""


def changes(home: Path | str, how: str, before: tuple[str, ...] = ()) -> tuple[dict[str, list[str]], bool, int]:
    found = json.loads(python("-c", CHANGES, str(home), how, before=before))
    return found["refused"], found["kept"], found["serial"]


def in_a_small_disk(tmp_path: Path) -> tuple[str, ...]:
    """Return what to put before a command so that it has a disk of 512 KiB at `tmp_path`; skips where it may not."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    mount = f'mount -t tmpfs -o size=512k steer-tui "{tmp_path}" && exec "$0" "$@"'
    before = ("unshare", "-rm", "sh", "-c", mount)
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this system lets nobody mount a disk of their own")
    return before


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    refused, _, serial = changes(tmp_path, "full", in_a_small_disk(tmp_path))
    assert 3 < serial < 20, "vectors of 64 KiB fill the disk"
    for what in ("save a", "save d", "tag a"):
        message, hint = refused[what]
        assert "No space left" in message and "free some space" in hint


def test_a_limit_on_the_size_of_files_is_said_and_loses_nothing(tmp_path: Path) -> None:
    refused, _, _ = changes(tmp_path, "limit")
    assert set(refused) >= {"save a", "save d", "tag a"}
    assert all("too large" in message and "ulimit" in hint for message, hint in refused.values())


def test_a_library_that_may_not_be_written_says_so_and_is_as_it_was(tmp_path: Path) -> None:
    refused, kept, _ = changes(tmp_path, f"mount -o remount,ro {tmp_path}", in_a_small_disk(tmp_path))
    assert len(refused) == 6 and kept
    assert all("Read-only file system" in message and "writing" in hint for message, hint in refused.values())


WRITER = """
import sys
from pathlib import Path
from steer_tui.library.store import VectorStore
from steer_tui.paths import find_paths
from tests.unit.library_model import Change, do

store, who = VectorStore(find_paths(Path(sys.argv[1]))), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for turn in range(9):
    do(store, Change("save", f"{who}{turn}", serial=turn))
    if turn % 3 == 0:
        do(store, Change("rename", f"{who}{turn}", f"{who}x{turn}"))
    if turn % 3 == 1:
        do(store, Change("remove", f"{who}{turn}"))
"""


def test_two_programs_that_change_a_library_at_once_lose_nothing(tmp_path: Path) -> None:
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), who],
            cwd=ROOT,
            env={**os.environ, **ALONE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in ("left", "right")
    ]
    for program in programs:
        assert program.stdout is not None and program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("go\n")
        program.stdin.flush()
    for program in programs:
        program.communicate(timeout=280)
        assert program.returncode == 0
    store = VectorStore(find_paths(tmp_path))
    turns = [(who, turn) for who in ("left", "right") for turn in range(9)]
    kept = {f"{who}{'x' if turn % 3 == 0 else ''}{turn}" for who, turn in turns if turn % 3 != 1}
    assert {entry.name for entry in own(store)} == kept
    assert {entry.name for entry in store.trash()} == {f"{who}{turn}" for who, turn in turns if turn % 3 == 1}
    assert store.verify().is_clean
