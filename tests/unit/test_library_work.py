"""The library's commands through the engine thread: each ends with one event, and each change can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steer_tui.errors import LibraryError
from steer_tui.library.pairfiles import read_pairs
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths
from steer_tui.session.library_messages import (
    CombineVectors,
    CompareVectors,
    ConceptMade,
    CosinesMade,
    DescribeVector,
    ExportVector,
    FilesImported,
    ImportFiles,
    LibraryChanged,
    LibraryListed,
    LibraryRefused,
    LibraryVerified,
    ListLibrary,
    MakeConcept,
    MakeVectors,
    RemoveVectors,
    VectorExported,
    VerifyLibrary,
)
from steer_tui.session.messages import ExtractFinished, LoadModel, ModelLoaded, VectorsChanged
from steer_tui.session.runner import Engine
from steer_tui.session.tools import Tools
from tests.fakes import Listener, Script, fake_tools
from tests.unit.made_vectors import INFO, own, vector


@pytest.fixture
def store(paths: Paths) -> VectorStore:
    store = VectorStore(paths)
    for name in ("happy-2", "sad-2"):
        store.save(vector(name, 1.0 if name == "happy-2" else -0.5))
    return store


@pytest.fixture
def listener(paths: Paths, store: VectorStore) -> Iterator[Listener]:
    """An engine whose model is the one that the made vectors are for."""
    script = Script(models={"tiny": INFO})

    def tools() -> Tools:
        made = fake_tools(script)

        def extract(lm: Any, concepts: Any, *, on_progress: Any, should_stop: Any, **how: str) -> dict[str, Any]:
            on_progress(1, 1)
            return {concept.name: vector(concept.name) for concept in concepts}

        return Tools(**{name: getattr(made, name) for name in made.__dataclass_fields__} | {"extract": extract})

    engine = Engine(paths, tools)
    engine.start()
    listener = Listener(engine)
    engine.send(LoadModel("tiny"))
    listener.wait(ModelLoaded)
    yield listener
    engine.shutdown()


def entry(store: VectorStore, name: str) -> Any:
    return next(found for found in own(store) if found.name == name)


def test_the_list_puts_the_models_own_first(listener: Listener) -> None:
    listener.engine.send(ListLibrary())
    listed = listener.wait(LibraryListed).vectors
    assert [line.entry.name for line in listed[:2]] == ["happy-2", "sad-2"] and listed[0].is_usable
    assert all(not line.is_for_model and line.problem for line in listed[2:])


def test_every_change_can_be_taken_back(listener: Listener, store: VectorStore) -> None:
    engine = listener.engine
    changes = (
        DescribeVector(entry(store, "sad-2"), "gloomy", "moods", "a note", ("mine",)),
        RemoveVectors((entry(store, "happy-2"), entry(store, "sad-2"))),
        CombineVectors("mix", "both", ((entry(store, "happy-2"), 1.0), (entry(store, "sad-2"), 2.0))),
        CombineVectors("negate", "other", ((entry(store, "happy-2"), 1.0),)),
        MakeVectors(("happy", "sad"), "pca", "auto", "-pca"),
    )
    for command in changes:
        engine.send(command)
        change = listener.wait(LibraryChanged).change
        assert [found.name for found in own(store)] != ["happy-2", "sad-2"], command
        for undo in change.undo:
            engine.send(undo)
            assert listener.wait(LibraryChanged).is_undo
        assert [found.name for found in own(store)] == ["happy-2", "sad-2"], command
        for name in ("happy-2", "sad-2"):
            assert store.load(entry(store, name).path).layers.keys() == {1, 3}


def test_vectors_in_use_follow_their_files(listener: Listener, store: VectorStore) -> None:
    listener.engine.send(DescribeVector(entry(store, "sad-2"), "gloomy", "moods", "", ()))
    names = {item.name for item in listener.wait(VectorsChanged).vectors if item.has_vector}
    assert "gloomy" in names and "sad-2" not in names


def test_examples_become_a_vector_and_a_concept_file(listener: Listener, paths: Paths, store: VectorStore) -> None:
    listener.engine.send(MakeConcept("rain", read_pairs("wet | dry")))
    listener.wait(ExtractFinished)
    made = listener.wait(ConceptMade)
    assert made.message is None and made.vector is not None and made.vector.entry.name == "rain"
    assert (paths.concepts / "rain.toml").is_file()


def test_a_vector_that_gives_its_place_comes_back_with_undo(listener: Listener, store: VectorStore) -> None:
    before = entry(store, "happy-2").path.read_bytes()
    listener.engine.send(MakeConcept("happy-2", read_pairs("wet | dry")))
    change = listener.wait(ConceptMade).change
    assert change is not None and change.words == "happy-2 made; the earlier one is in the trash"
    assert len(store.trash()) == 1
    for undo in change.undo:
        listener.engine.send(undo)
        listener.wait(LibraryChanged)
    assert entry(store, "happy-2").path.read_bytes() == before


def test_where_one_of_several_cannot_be_kept_all_are_as_they_were(
    listener: Listener, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(vector("happy", -3.0))
    before = {found.name: found.path.read_bytes() for found in own(store)}
    keep = VectorStore.keep

    def refuse(self: VectorStore, vector: Any, *, replace: bool = True) -> Any:
        if vector.name == "sad":
            raise LibraryError("the disk is full")
        return keep(self, vector, replace=replace)

    monkeypatch.setattr(VectorStore, "keep", refuse)
    listener.engine.send(MakeVectors(("happy", "sad")))
    assert listener.wait(LibraryRefused).message == "the disk is full"
    assert {found.name: found.path.read_bytes() for found in own(store)} == before


def test_verify_compare_export_and_import(listener: Listener, store: VectorStore, tmp_path: Path) -> None:
    engine = listener.engine
    engine.send(VerifyLibrary())
    assert listener.wait(LibraryVerified).report.is_clean
    engine.send(CompareVectors((entry(store, "happy-2"), entry(store, "sad-2"))))
    assert listener.wait(CosinesMade).cosines.names == ("happy-2", "sad-2")
    engine.send(ExportVector(entry(store, "happy-2"), tmp_path / "out.svec"))
    assert listener.wait(VectorExported).result.path.is_file()
    engine.send(ImportFiles((tmp_path / "out.svec",), "back"))
    imported = listener.wait(FilesImported)
    assert imported.change is not None and imported.results[0].names == ("back",)


@pytest.mark.parametrize(
    "command",
    [
        MakeVectors(("nothing-of-the-kind",)),
        CombineVectors("mix", "a/b", ()),
        CombineVectors("mix", "x", ()),
        ImportFiles((Path("/nowhere/x.gguf"),), "a/b"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(listener: Listener, command: Any) -> None:
    listener.engine.send(command)
    refused = listener.wait(LibraryRefused)
    assert refused.message and "\n" not in refused.message


def test_without_a_model_nothing_is_made(paths: Paths) -> None:
    engine = Engine(paths, lambda: fake_tools(Script()))
    engine.start()
    listener = Listener(engine)
    engine.send(MakeConcept("rain", read_pairs("wet | dry")))
    assert "no model" in (listener.wait(ConceptMade).message or "")
    engine.send(ListLibrary())
    assert listener.wait(LibraryListed).vectors
    engine.shutdown()
