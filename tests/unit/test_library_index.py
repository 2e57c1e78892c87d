"""The index of vector files: what it says is what the files say, whatever happened to them or to it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from steer_tui.library import index
from steer_tui.library.entries import VectorEntry, read_entry
from steer_tui.library.glance import Glance
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths
from tests.unit.made_vectors import own, vector


@pytest.fixture
def store(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> VectorStore:
    """A library whose index serves the smallest folder and trusts the newest file."""
    monkeypatch.setattr(index, "INDEXED_FROM", 1)
    monkeypatch.setattr(index, "SETTLED_NS", -(1 << 62))
    made = VectorStore(paths)
    for name in ("a", "b", "c"):
        made.save(vector(name))
    return made


def plainly(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Return the list as it is without an index."""
    with monkeypatch.context() as patches:
        patches.setattr(index, "INDEXED_FROM", 1 << 30)
        return [entry.to_json() for entry in own(store)]


def opened(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that a list opens."""
    names: list[str] = []

    def watched(path: Path, *, is_bundled: bool) -> VectorEntry:
        names.append(path.stem)
        return read_entry(path, is_bundled=is_bundled)

    with monkeypatch.context() as patches:
        patches.setattr(index, "read_entry", watched)
        own(store)
    return names


def test_the_second_list_comes_from_the_index_and_says_the_same(
    store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened(store, monkeypatch) == ["a", "b", "c"]
    assert opened(store, monkeypatch) == []
    entries = own(store)
    assert [entry.to_json() for entry in entries] == plainly(store, monkeypatch)
    assert isinstance(entries[0].known, Glance) and entries[0].meta == vector("a").meta
    assert entries[0] in [line.entry for line in store.catalogue(None)]


def test_a_file_that_changed_in_any_way_is_read_again(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    own(store)
    one, two, three = (entry.path for entry in own(store))
    times = one.stat()
    data = one.read_bytes().replace(b"moods", b"fools")
    one.write_bytes(data)  # in place, of the same size, and with the times set back
    os.utime(one, ns=(times.st_atime_ns, times.st_mtime_ns))
    two.unlink()
    three.rename(two)
    (three.parent / "d.safetensors").write_bytes(b"no vector")
    entries = own(store)
    assert [entry.to_json() for entry in entries] == plainly(store, monkeypatch)
    assert entries[0].meta is not None and entries[0].meta.group == "fools"
    assert [entry.name for entry in entries] == ["a", "b", "d"] and entries[2].problem
    assert opened(store, monkeypatch) == []
    assert own(store)[2].problem == entries[2].problem


def test_a_file_that_changed_a_moment_ago_is_not_entered(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "SETTLED_NS", 2_000_000_000)
    own(store)
    assert opened(store, monkeypatch) == ["a", "b", "c"]


def test_changes_of_the_library_are_listed_at_once(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    own(store)
    a, b, _ = own(store)
    store.rename(a, "z")
    store.edit(b, tags=["new"])
    store.save(vector("c", scale=3.0))
    assert [entry.to_json() for entry in own(store)] == plainly(store, monkeypatch)
    assert [entry.name for entry in own(store)] == ["b", "c", "z"]


@pytest.mark.parametrize("damage", ["text", "cut", "rows", "folder", "locked", "rules"])
def test_an_index_of_any_kind_does_no_harm(
    store: VectorStore, paths: Paths, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    own(store)
    file = paths.state / "vectors.sqlite3"
    holder: sqlite3.Connection | None = None
    match damage:
        case "text":
            file.write_bytes(b"this is no database, and never was one" * 40)
        case "cut":
            file.write_bytes(file.read_bytes()[:5000])
        case "rows":
            with sqlite3.connect(file) as database:
                rows = ["{", "[]", "[1, 2, 3, 4, 5]", '["a", null, [1], 9, [1, 2, 3, 4, 5, 6, 7, 8, 9]]']
                for name, row in zip((b"a", b"b", b"c"), rows, strict=False):
                    database.execute("UPDATE files SET row = ? WHERE name = ?", (row, name + b".safetensors"))
        case "folder":
            file.unlink()
            file.mkdir()
        case "locked":
            holder = sqlite3.connect(file)
            holder.execute("BEGIN EXCLUSIVE")
        case "rules":
            monkeypatch.setattr(index, "_rules", lambda: "others")
    assert [entry.to_json() for entry in own(store)] == plainly(store, monkeypatch)
    assert [entry.to_json() for entry in own(store)] == plainly(store, monkeypatch)
    if holder is not None:
        holder.close()
    if damage != "folder":
        own(store)
        assert opened(store, monkeypatch) == []


def test_an_entry_whose_file_is_gone_still_says_what_it_was(store: VectorStore) -> None:
    own(store)
    entry = own(store)[0]
    entry.path.unlink()
    assert entry.meta is not None and (entry.meta.group, entry.meta.best_layers) == ("moods", (3,))
    assert entry.to_json()["name"] == "a"


def test_small_folders_need_no_index(paths: Paths) -> None:
    store = VectorStore(paths)
    store.save(vector("a"))
    assert own(store)[0].mark == "" and not Path(paths.state).exists()
