"""Any sequence of changes leaves what a dictionary would hold; what is not allowed is refused and changes nothing."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steer_tui.errors import LibraryError
from steer_tui.files import TEMPORARY_SUFFIX
from steer_tui.library import keeper
from steer_tui.library.store import VectorStore
from steer_tui.paths import find_paths
from tests.unit.library_model import Change, State, after, do, made, prepared, read_state


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave flushing to disk out: nothing here pulls the plug, and it takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


NAMES = st.sampled_from(["a", "b", "B", "c"])
CHANGES = st.lists(
    st.builds(Change, st.sampled_from(["save", "rename", "remove", "restore", "tag"]), NAMES, NAMES, st.integers(0, 3)),
    min_size=3,
    max_size=14,
)


def is_allowed(state: State, change: Change) -> bool:
    """Say whether a change can be made."""
    match change.kind:
        case "save":
            return is_free(state, change.name, besides=change.name)
        case "rename":
            return change.name in state.kept and (
                change.new == change.name or is_free(state, change.new, besides=change.name)
            )
        case "restore":
            return any(held[0] == change.serial for held in state.trash) and is_free(state, change.name)
    return change.name in state.kept


def is_free(state: State, name: str, besides: str = "") -> bool:
    return not any(other.casefold() == name.casefold() for other in state.kept if other != besides)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(CHANGES)
def test_any_sequence_of_changes_leaves_what_a_dictionary_would_hold(tmp_path: Path, changes: list[Change]) -> None:
    home = tmp_path / str(time.monotonic_ns())
    store, state = VectorStore(find_paths(home)), State({}, ())
    for serial, drawn in enumerate(changes, 1):
        number = serial if drawn.kind == "save" else drawn.serial
        if drawn.kind == "restore" and state.trash:
            number = state.trash[drawn.serial % len(state.trash)][0]
        change = Change(drawn.kind, drawn.name, drawn.new, number)
        if is_allowed(state, change):
            do(store, change)
            state = after(state, change)
        else:
            with pytest.raises((LibraryError, StopIteration)):
                do(store, change)
    assert read_state(store) == state
    assert {path.suffix for path in home.rglob("*") if path.is_file()} <= {".safetensors", ".lock", ""}


def test_what_is_not_allowed_changes_nothing(tmp_path: Path) -> None:
    store = prepared(tmp_path)
    before = read_state(store)
    for change in (Change("save", "A", serial=9), Change("rename", "a", "b"), Change("restore", "a", serial=3)):
        with pytest.raises(LibraryError):
            do(store, change)
        assert read_state(store) == before


ONE_OF_EACH = [
    Change("save", "d", serial=9),
    Change("save", "a", serial=9),
    Change("rename", "a", "d"),
    Change("remove", "a"),
    Change("tag", "a", "t"),
    Change("restore", "d", serial=3),
]


class Failing:
    """Lets the system's calls that write fail, the first time or from then on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, at: int, *, for_good: bool) -> None:
        self.number, self.left, self.for_good = number, at, for_good
        self.failed = False
        for name in ("open", "replace", "rename", "mkdir", "fsync"):
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, call: Any) -> Any:
        def watched(*args: Any, **options: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return call(*args, **options)
            self.left -= 1
            if self.left == -1 or (self.left < -1 and self.for_good):
                self.failed = True
                raise OSError(self.number, os.strerror(self.number))
            return call(*args, **options)

        return watched


@pytest.mark.parametrize(("number", "for_good"), [(errno.ENOSPC, True), (errno.EROFS, False)])
@pytest.mark.parametrize("change", ONE_OF_EACH, ids=lambda change: f"{change.kind}-{change.name}")
def test_a_disk_that_fails_at_any_call_loses_nothing_and_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change, number: int, for_good: bool
) -> None:
    at = 0
    before = read_state(prepared(tmp_path / "model"))
    while True:
        home = tmp_path / str(at)
        shutil.copytree(tmp_path / "model", home)
        store = VectorStore(find_paths(home))
        with monkeypatch.context() as patches:
            failing = Failing(patches, number, at, for_good=for_good)
            try:
                do(store, change)
            except LibraryError as error:
                assert os.strerror(number) in error.message and error.hint
                refused = True
            else:
                refused = False
        if not failing.failed:
            break
        found = read_state(store)
        assert found in (before, after(before, change))
        assert refused or found == after(before, change)
        do(store, Change("save", "z", serial=99))
        assert not [path for path in home.rglob("*") if path.name.endswith(TEMPORARY_SUFFIX)]
        at += 1
    assert at >= 3, "each change writes, moves and flushes"
    assert read_state(store) == after(before, change)


def test_a_file_that_is_no_vector_gives_its_place_only_to_one_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = VectorStore(find_paths(tmp_path))
    path = store.save(made("a", 1))
    path.write_bytes(b"no vector")

    def full(*_: object) -> None:
        raise LibraryError("the disk is full")

    with monkeypatch.context() as patches:
        patches.setattr(keeper, "write_atomic", full)
        with pytest.raises(LibraryError, match="full"):
            store.keep(made("a", 2))
    assert path.read_bytes() == b"no vector" and store.trash() == []
    earlier = store.keep(made("a", 2)).earlier
    assert earlier is not None and earlier.path.read_bytes() == b"no vector"
    assert store.load(path).meta.pairs == 2
