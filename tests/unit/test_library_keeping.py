"""Changing the library: rename, edit, remove and restore move whole files, and never over another one."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from steer_tui.errors import LibraryError, UsageError
from steer_tui.library.entries import VectorEntry, read_entry
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths, find_paths
from tests.unit.made_vectors import INFO, own, vector

HOSTILE = ["../x", "a/b", "CON", "x" * 300, "😀", "a\u202eb", "[/]", "", "\x1b[2J", "a,b"]


@pytest.fixture
def store(paths: Paths) -> VectorStore:
    return VectorStore(paths)


def saved(store: VectorStore, name: str = "happy", **changes: object) -> VectorEntry:
    return read_entry(store.save(vector(name, **changes)), is_bundled=False)  # type: ignore[arg-type]


def names(store: VectorStore) -> list[str]:
    return [entry.name for entry in own(store)]


# Renaming.


def test_a_renamed_vector_has_the_same_numbers_and_the_new_name_inside(store: VectorStore) -> None:
    entry = store.rename(saved(store), "glad")
    assert names(store) == ["glad"] and entry.name == "glad" and entry.problem is None
    loaded = store.load(entry.path)
    assert all(torch.equal(loaded.layers[layer], vector().layers[layer]) for layer in (1, 3))
    raw = entry.path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert json.loads(header["__metadata__"]["steer_tui"])["name"] == "glad"


def test_a_measured_recipe_follows_its_vector(store: VectorStore) -> None:
    made = vector()
    made.meta = replace(made.meta, default_recipe="happy:2@3,calm:0.5?happy>1")
    entry = store.rename(read_entry(store.save(made), is_bundled=False), "glad")
    assert entry.meta is not None and entry.meta.default_recipe == "glad:2@3,calm:0.5?glad>1"


def test_a_name_that_is_taken_is_refused_and_both_stay(store: VectorStore) -> None:
    first, second = saved(store), saved(store, "sad", scale=2.0)
    before = first.path.read_bytes(), second.path.read_bytes()
    for new in ("sad", "Sad"):
        with pytest.raises(LibraryError):
            store.rename(first, new)
    assert (first.path.read_bytes(), second.path.read_bytes()) == before


def test_the_case_of_a_name_can_be_changed(store: VectorStore) -> None:
    assert store.rename(saved(store), "Happy").name == "Happy"
    assert names(store) == ["Happy"]


@pytest.mark.parametrize("new", HOSTILE)
def test_no_file_gets_a_name_that_could_leave_its_folder(store: VectorStore, paths: Paths, new: str) -> None:
    entry = saved(store)
    with pytest.raises(UsageError) as refused:
        store.rename(entry, new)
    assert refused.value.message.isprintable() and refused.value.hint
    removed = store.remove(entry)
    with pytest.raises(UsageError):
        store.restore(removed, new)
    assert [path for path in paths.data.rglob("*.safetensors")] == [removed.path]


def test_a_damaged_file_can_be_renamed_and_stays_as_it_is(store: VectorStore) -> None:
    entry = saved(store)
    entry.path.write_bytes(entry.path.read_bytes()[:-3])
    damaged = entry.path.read_bytes()
    renamed = store.rename(own(store)[0], "broken")
    assert renamed.problem and renamed.path.read_bytes() == damaged


# Words about a vector.


def test_words_are_written_and_the_numbers_stay(store: VectorStore) -> None:
    entry = saved(store)
    edited = store.edit(
        entry, group="moods\x1b[2J", description="line one\nline two", tags=["#mine", "a b", "mine", ""]
    )
    assert edited.meta is not None
    assert (edited.meta.group, edited.meta.description) == ("moods[2J", "line one\nline two")
    assert edited.meta.tags == ("mine", "a-b")
    again = store.edit(edited, tags=[])
    assert again.meta is not None and again.meta.tags == () and again.meta.description == "line one\nline two"
    assert torch.equal(store.load(again.path).layers[3], vector().layers[3])


def test_entries_of_a_later_version_survive_an_edit(store: VectorStore) -> None:
    made = vector()
    made.meta = replace(made.meta, extra={"later": [1, {"x": None}]})
    edited = store.edit(read_entry(store.save(made), is_bundled=False), tags=["x"])
    assert edited.meta is not None and edited.meta.extra == {"later": [1, {"x": None}]}


@pytest.mark.parametrize("words", [{"description": "x" * 20_000}, {"group": "x" * 200}, {"tags": ["x" * 99]}])
def test_words_beyond_bounds_are_refused(store: VectorStore, words: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="too long"):
        store.edit(saved(store), **words)  # type: ignore[arg-type]


# Removing and restoring.


def test_what_was_removed_comes_back_byte_for_byte(store: VectorStore, paths: Paths) -> None:
    entry = saved(store)
    before = entry.path.read_bytes()
    removed = store.remove(entry)
    assert own(store) == [] and removed.name == "happy" and removed.path.is_relative_to(paths.trash)
    assert store.trash() == [removed] == store.trash("org/tiny") and store.trash("another") == []
    restored = store.restore(removed)
    assert restored.path == entry.path and restored.path.read_bytes() == before
    assert store.trash() == []


def test_the_trash_keeps_every_removal_newest_first(store: VectorStore) -> None:
    for scale in (1.0, 2.0, 3.0):
        store.remove(saved(store, scale=scale))
    newest = store.trash()
    assert [store.load(store.restore(newest[0]).path).layers[1][1].item()] == [vector(scale=3.0).layers[1][1].item()]
    with pytest.raises(LibraryError, match="already"):
        store.restore(newest[1])
    assert store.restore(newest[1], "second").name == "second"
    assert sorted(names(store)) == ["happy", "second"] and len(store.trash()) == 1


def test_what_is_gone_from_the_trash_or_the_library_is_said(store: VectorStore) -> None:
    entry = saved(store)
    removed = store.remove(entry)
    for change in (
        lambda: store.remove(entry),
        lambda: store.rename(entry, "x"),
        lambda: store.edit(entry, tags=["x"]),
    ):
        with pytest.raises(LibraryError, match="gone"):
            change()
    store.restore(removed)
    with pytest.raises(LibraryError, match="no longer in the trash"):
        store.restore(removed)


def test_a_restored_vector_does_not_land_among_those_of_another_model(store: VectorStore) -> None:
    """Two models of one name: the folder that was emptied belongs to the other one by now."""
    removed = store.remove(saved(store))
    other = saved(store, fingerprint="ff00ff00ff")
    restored = store.restore(removed)
    assert other.path != restored.path
    for info in (INFO, replace(INFO, fingerprint="ff00ff00ff")):
        assert store.vectors_for(info)["happy"].meta.model["fingerprint"] == info.fingerprint


def test_bundled_vectors_and_files_elsewhere_stay_as_they_are(store: VectorStore, tmp_path: Path) -> None:
    bundled = next(entry for entry in store.list() if entry.bundled)
    outside = VectorStore(find_paths(tmp_path / "elsewhere"))
    foreign = saved(outside)
    for entry, says in ((bundled, "built in"), (foreign, "not in the library")):
        before = entry.path.read_bytes()
        for change in (store.remove, lambda it: store.rename(it, "x"), lambda it: store.edit(it, tags=["x"])):
            with pytest.raises(LibraryError, match=says):
                change(entry)
        assert entry.path.read_bytes() == before


def test_saving_without_replacing_keeps_what_is_there(store: VectorStore) -> None:
    path = store.save(vector(), replace=False)
    before = path.read_bytes()
    with pytest.raises(LibraryError, match="already"):
        store.save(vector(scale=2.0), replace=False)
    assert path.read_bytes() == before


def test_a_file_that_is_no_vector_goes_to_the_trash_before_one_takes_its_place(store: VectorStore) -> None:
    path = store.save(vector())
    path.write_bytes(b"somebody's notes")
    store.save(vector(scale=2.0))
    (removed,) = store.trash()
    assert removed.path.read_bytes() == b"somebody's notes" and removed.entry.problem
    assert own(store)[0].problem is None


def test_files_with_names_of_any_kind_can_be_cleared_away_and_come_back_under_a_plain_name(
    store: VectorStore, paths: Paths
) -> None:
    good = store.save(vector())
    for name in ("[@click=app.quit]x", "a\u202eb", "😀", "con", "x" * 230):
        good.with_name(f"{name}.safetensors").write_bytes(good.read_bytes())
    hostile = [entry for entry in own(store) if entry.problem]
    assert len(hostile) == 5
    removed = [store.remove(entry) for entry in hostile]
    assert names(store) == ["happy"]
    back = [store.restore(gone, f"back{index}") for index, gone in enumerate(removed)]
    assert all(entry.problem is None for entry in back)
    assert sorted(path.parent for path in paths.data.rglob("*.safetensors")) == [good.parent] * 6


def test_what_others_put_into_the_trash_is_listed_and_raises_nothing(store: VectorStore, paths: Paths) -> None:
    folder = paths.trash / "somewhere"
    folder.mkdir(parents=True)
    (folder / "\x1b[2J.safetensors").write_bytes(b"x")
    (folder / "happy.99999999T999999999999Z.safetensors").write_bytes(b"")
    (paths.trash / "loose").write_bytes(b"")
    for removed in store.trash():
        assert removed.name.isprintable() and removed.entry.problem
        json.dumps(removed.to_json())
    assert len(store.trash()) == 2


def test_a_disk_without_locks_is_refused_in_words(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.save(vector())

    def refuse(*_: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr("filelock.FileLock._acquire", refuse)
    with pytest.raises(LibraryError, match="no file locks") as refused:
        store.remove(read_entry(path, is_bundled=False))
    assert refused.value.hint and path.exists()


def test_a_trash_on_another_disk_is_reached_by_copying(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = saved(store)
    before = entry.path.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "rename", refuse)
    removed = store.remove(entry)
    assert not entry.path.exists() and removed.path.read_bytes() == before
    assert store.restore(removed).path.read_bytes() == before and not removed.path.exists()
    glad = store.rename(own(store)[0], "glad")
    assert names(store) == ["glad"] and torch.equal(store.load(glad.path).layers[1], vector().layers[1])


def test_a_link_to_a_vector_is_moved_and_what_it_points_to_stays(store: VectorStore, tmp_path: Path) -> None:
    entry = saved(store)
    elsewhere = entry.path.rename(tmp_path / "elsewhere.safetensors")
    entry.path.symlink_to(elsewhere)
    glad = store.rename(own(store)[0], "glad")
    assert glad.path.is_symlink() and glad.problem is None
    removed = store.remove(glad)
    assert own(store) == [] and elsewhere.exists()
    assert store.restore(removed).problem is None
