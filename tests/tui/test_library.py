"""The Library screen with keys pressed: listed, narrowed, described, removed and brought back, made, mixed, traded."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events

from steer_tui.errors import LibraryError
from steer_tui.library.catalogue import Listed
from steer_tui.library.concept_writer import save_concept
from steer_tui.library.concepts import load_concepts
from steer_tui.library.entries import VectorEntry
from steer_tui.library.pairfiles import read_pairs
from steer_tui.options import Options
from steer_tui.paths import Paths
from steer_tui.session.library_messages import LibraryListed, LibraryRefused, ListLibrary, MakeVectors
from steer_tui.tui.screens import library_news
from steer_tui.tui.screens.library import LibraryScreen
from tests.stopwatch import Stopwatch
from tests.tui.desk import Bench, workbench
from tests.tui.library_desk import LibraryEngine, vector
from tests.tui.test_hostile import NASTY, assert_harmless


def library(bench: Bench) -> LibraryScreen:
    screen = bench.app.places["library"]
    assert isinstance(screen, LibraryScreen)
    return screen


def at(bench: Bench) -> str:
    current = library(bench).vectors.current
    return current.entry.name if current else ""


async def open_library(bench: Bench) -> None:
    """Go to the screen, and wait until the list is there and laid out."""
    await bench.press("3")
    await bench.settle()


async def go_to(bench: Bench, name: str) -> None:
    library(bench).vectors.move_to(name)
    await bench.settle()


async def paste(bench: Bench, text: str) -> None:
    bench.app.post_message(events.Paste(text))
    await bench.settle()


@pytest.fixture
def engine(paths: Paths) -> LibraryEngine:
    engine = LibraryEngine(paths)
    engine.keep(
        vector("rain"), vector("wind"), vector("alien", model={"id": "org/other", "width": 8, "fingerprint": "ff"})
    )
    return engine


async def test_this_models_vectors_come_first_and_others_below_with_the_reason(
    paths: Paths, engine: LibraryEngine
) -> None:
    async with workbench(paths, engine, size=(160, 48)) as bench:
        await open_library(bench)
        lines = bench.lines
        heads = next(line for line in lines if " name " in line)
        assert re.findall(r"\w+", heads)[:8] == ["name", "group", "method", "best", "sep", "size", "date", "source"]
        rows = {
            name: index
            for index, line in enumerate(lines)
            for name in ("rain", "happy", "alien")
            if f" {name} " in line
        }
        heading = next(index for index, line in enumerate(lines) if "of other models" in line)
        assert rows["rain"] < heading and rows["happy"] < heading < rows["alien"]
        assert "was made for org/other (6 layers, width 8)" in lines[rows["alien"]]
        assert "built in" in lines[rows["happy"]] and "your own" in lines[rows["rain"]]
        assert re.search(r"rain +own +mean +2-3 +4\.0 ", lines[rows["rain"]])


async def test_details_show_bars_advice_parents_and_path(paths: Paths, engine: LibraryEngine) -> None:
    engine.keep(vector("storm", parents=("rain:1", "wind:1"), tags=("mine",), description="wet and loud"))
    async with workbench(paths, engine, size=(160, 48)) as bench:
        await open_library(bench)
        await go_to(bench, "storm")
        for words in ("━━━━", "use 2-3", "rain:1, wind:1", "#mine", "wet and loud", "path    /"):
            assert words in bench.screen
        assert re.search(r"▸ +3 +━+ +4\.00 +0\.70 +0\.90", bench.screen)


async def test_the_filter_narrows_by_words_and_fields(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await bench.press("/")
        await paste(bench, "group:own wi")
        assert "1 of 19" in bench.screen and at(bench) == "wind"
        await bench.press("enter", "escape")
        assert "19 ━" in bench.screen and at(bench) == "wind"


async def test_enter_steers_with_the_vector_unless_it_is_another_models(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await bench.press("G")
        assert at(bench) == "alien"
        await bench.press("enter")
        assert "was made for org/other" in bench.toasts and bench.app.current_mode == "library"
        await go_to(bench, "rain")
        await bench.press("enter")
        assert bench.app.current_mode == "steer" and bench.recipe.endswith(",rain")
        await open_library(bench)
        assert re.search(r"▸ ● rain", bench.screen)


async def test_rename_tag_and_note_and_take_it_back(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await go_to(bench, "rain")
        await bench.press("enter")
        await open_library(bench)
        await bench.press("e")
        await bench.type("y")
        assert "rain becomes rainy" in bench.screen
        await bench.press("tab", "tab")
        await paste(bench, "wet loud")
        await bench.press("enter")
        assert engine.names() == ["alien", "rainy", "wind"] and at(bench) == "rainy"
        assert bench.recipe.endswith(",rainy") and "#wet #loud" in bench.screen
        assert "rain is now rainy: u takes it back" in bench.toasts
        await bench.press("u")
        assert engine.names() == ["alien", "rain", "wind"] and bench.recipe.endswith(",rain")
        assert "#wet" not in bench.screen


async def test_a_taken_or_impossible_name_is_refused_with_the_reason(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await go_to(bench, "rain")
        await bench.press("e")
        await bench.type("/x")
        await bench.press("enter")
        assert "cannot be a name" in bench.screen
        await bench.press("escape")
        assert "goes on with what you typed" in bench.toasts
        await bench.press("e")
        assert "rain/x" in bench.screen
        await bench.press("ctrl+u")
        await paste(bench, "wind")
        await bench.press("enter")
        assert "there is a vector 'wind' already" in bench.toasts
        assert engine.names() == ["alien", "rain", "wind"]


async def test_examples_follow_the_name_of_their_vector(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    concept = read_pairs("wet | dry").as_concept("rain")
    save_concept(paths, concept)
    engine.keep(vector("rain", pairs_sha256=concept.pairs_sha256))
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await go_to(bench, "rain")
        await bench.press("e")
        await bench.type("y")
        await bench.press("enter")
        assert {concept.name for concept in load_concepts(paths)[0] if not concept.bundled} == {"rainy"}
        await bench.press("u")
        assert {concept.name for concept in load_concepts(paths)[0] if not concept.bundled} == {"rain"}


async def test_remove_undo_and_restore(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await go_to(bench, "rain")
        await bench.press("d")
        assert engine.names() == ["alien", "wind"] and "rain" not in bench.app.known
        await bench.press("u")
        assert engine.names() == ["alien", "rain", "wind"] and bench.app.known["rain"].has_vector
        assert at(bench) == "rain"
        await bench.press("d")
        await bench.press("D")
        assert " Trash " in bench.screen and "rain" in bench.screen
        await bench.press("enter")
        assert engine.names() == ["alien", "rain", "wind"] and at(bench) == "rain"


async def test_a_restored_vector_whose_name_is_taken_gets_another(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await go_to(bench, "rain")
        await bench.press("d")
        engine.keep(vector("rain"))
        engine.send(ListLibrary())
        await bench.settle()
        await bench.press("D")
        assert "rain is taken: back as rain-2" in bench.screen
        await bench.press("enter")
        assert engine.names() == ["alien", "rain", "rain-2", "wind"]


async def test_several_are_marked_and_removed_together(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        for name in ("rain", "wind", "happy"):
            await go_to(bench, name)
            await bench.press("space")
        assert "3 marked" in bench.screen
        await bench.press("d")
        assert engine.names() == ["alien"] and "1 built in: they stay" in bench.toasts
        await bench.press("u")
        assert engine.names() == ["alien", "rain", "wind"]


async def test_y_copies_the_path_and_built_in_vectors_stay_as_they_are(
    paths: Paths, engine: LibraryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with workbench(paths, engine) as bench:
        copied: list[str] = []
        monkeypatch.setattr(bench.app, "copy_text", lambda text, what: copied.append(text))
        await open_library(bench)
        await go_to(bench, "rain")
        await bench.press("y")
        assert copied == [str(paths.vectors / "demo" / "rain.safetensors")]
        await go_to(bench, "happy")
        assert "built in, stays as it is" in bench.screen
        await bench.press("e", "d")
        assert "built in: it stays as it is" in bench.toasts and " Rename " not in bench.screen


async def test_mix_negate_and_orthogonalise(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        for name in ("rain", "wind"):
            await go_to(bench, name)
            await bench.press("space")
        await bench.press("x")
        assert "+1 rain +1 wind" in bench.screen
        await bench.press("tab", "ctrl+u")
        await paste(bench, "1 -0.5")
        await bench.press("enter")
        assert "rain-wind" in engine.names() and at(bench) == "rain-wind"
        assert "rain:1, wind:-0.5" in bench.screen
        await bench.press("u")
        assert "rain-wind" not in engine.names()
        await go_to(bench, "rain")
        await bench.press("x", "tab", "tab", "enter")
        assert "not-rain" in engine.names()
        for name in ("rain", "wind"):
            await go_to(bench, name)
            await bench.press("space")
        await bench.press("x", "right", "right", "tab", "tab", "enter")
        assert "rain-alone" in engine.names()


async def test_weights_that_do_not_fit_are_refused(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        for name in ("rain", "wind"):
            await go_to(bench, name)
            await bench.press("space")
        await bench.press("x", "tab", "ctrl+u")
        await paste(bench, "1 nan")
        assert "a number for each of rain, wind" in bench.screen
        await bench.press("enter")
        assert " Mix " in bench.screen and "rain-wind" not in engine.names()


async def test_the_map_of_cosines_is_walked_layer_by_layer(paths: Paths, engine: LibraryEngine) -> None:
    engine.keep(vector("wind2", created="2026-01-03"))
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await bench.press("a")
        assert "mark two or more" in bench.toasts
        for name in ("rain", "wind", "happy"):
            await go_to(bench, name)
            await bench.press("space")
        await bench.press("a")
        assert " Alike " in bench.screen and "mean of all layers" in bench.screen and "+1.00" in bench.screen
        await bench.press("l")
        assert "rain and wind: nearly unrelated" in bench.screen
        await bench.press("]", "]")
        assert "cosine, layer 1" in bench.screen


async def test_export_and_import_bring_the_vector_back(paths: Paths, engine: LibraryEngine, tmp_path: Path) -> None:
    target = tmp_path / "out.gguf"
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await go_to(bench, "rain")
        await bench.press("w", "ctrl+u")
        await paste(bench, str(tmp_path / "out.xyz"))
        assert "stands for no format" in bench.screen
        await bench.press("ctrl+u")
        await paste(bench, str(target))
        assert "llama.cpp and repeng" in bench.screen
        await bench.press("enter")
        assert target.is_file() and "block 0 left out" in bench.toasts
        await bench.press("i")
        await paste(bench, str(target))
        await bench.press("tab")
        await paste(bench, "back")
        await bench.press("enter")
        assert "back" in engine.names() and at(bench) == "back"
        await bench.press("u")
        assert "back" not in engine.names()
        (tmp_path / "x.pt").write_bytes(b"nothing of the kind")
        await bench.press("i")
        await paste(bench, str(tmp_path / "x.pt"))
        await bench.press("enter")
        assert "error: x.pt" in bench.toasts


async def test_an_import_that_leaves_a_question_open_asks_it(
    paths: Paths, engine: LibraryEngine, tmp_path: Path
) -> None:
    import gguf
    import numpy

    path = tmp_path / "plain.gguf"
    writer = gguf.GGUFWriter(str(path), "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", 5)
    for layer in range(1, 6):
        writer.add_tensor(f"direction.{layer}", numpy.ones(256, dtype=numpy.float32) * layer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await bench.press("i")
        await paste(bench, str(path))
        await bench.press("enter")
        if "plain" not in engine.names():
            assert "made by" in bench.screen
            await bench.press("tab", "enter")
        assert "plain" in engine.names()


async def test_damaged_files_are_shown_with_their_reason_and_never_deleted(paths: Paths, engine: LibraryEngine) -> None:
    sick = paths.vectors / "demo" / "sick.safetensors"
    sick.write_bytes((paths.vectors / "demo" / "rain.safetensors").read_bytes()[:-9])
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await go_to(bench, "sick")
        assert re.search(r"▸ ✗ sick .*is cut short", bench.screen)
        await bench.press("enter", "v")
        assert " Verify " in bench.screen and "1 damaged; nothing is deleted" in bench.screen
        await bench.press("escape")
        assert sick.is_file()


async def test_all_concepts_are_made_by_another_method_in_one_pass(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await bench.press("c", "tab", "right", "tab", "tab")
        assert "16 vectors in one pass" in bench.screen and "happy-pca" in bench.screen
        await bench.press("ctrl+g")
        (call,) = engine.tools.calls
        assert call["method"] == "pca" and len(call["concepts"]) == 16
        assert "happy-pca" in engine.names() and "16 vectors made: u takes it back" in bench.toasts
        await bench.press("u")
        assert engine.names() == ["alien", "rain", "wind"] and len(engine.store.trash()) == 16


async def test_making_under_the_same_names_keeps_what_was_there(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    engine.keep(vector("happy", method="probe"))
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await bench.press("c", "right", "tab", "right", "tab", "tab", "right")
        assert "1 earlier one of yours goes to the trash" in bench.screen
        await bench.press("escape")
        library(bench).send(MakeVectors(("happy",), "pca"))
        await bench.settle()
        assert "happy made; the earlier one is in the trash: u takes it back" in bench.toasts
        entry = next(entry for entry in engine.store.list() if not entry.bundled)
        assert entry.meta is not None and entry.meta.method == "pca"
        await bench.press("u")
        entry = next(entry for entry in engine.store.list() if not entry.bundled)
        assert entry.meta is not None and entry.meta.method == "probe"


async def test_esc_stops_work_on_files(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        engine.is_slow = True
        await bench.press("v")
        engine.stop_run()
        engine.catch_up()
        await bench.settle()
        assert "stopped after 0 files" in bench.toasts


async def test_a_disk_that_refuses_is_told_and_nothing_is_lost(
    paths: Paths, engine: LibraryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LibraryError("cannot write: No space left on device", hint="free some space")

    async with workbench(paths, engine) as bench:
        await open_library(bench)
        monkeypatch.setattr(engine.store, "remove", refuse)
        await go_to(bench, "rain")
        await bench.press("d")
        assert "No space left" in bench.toasts and "free some space" in bench.toasts
        assert engine.names() == ["alien", "rain", "wind"]


async def test_esc_leaves_one_level_at_a_time(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        await bench.press("space", "/", "a", "enter", "tab")
        assert library(bench).place == "details"
        await bench.press("z", "escape")
        assert library(bench).vectors.marked == {}
        await bench.press("escape", "escape")
        assert library(bench).place == "vectors" and library(bench).vectors.filter_text == "a"
        await bench.press("escape")
        assert library(bench).vectors.filter_text == ""
        await bench.press("escape")
        assert bench.app.current_mode == "steer"


async def test_every_size_is_legible(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine, size=(60, 16)) as bench:
        await open_library(bench)
        for size in ((60, 16), (80, 24), (119, 30), (160, 48), (200, 50)):
            await bench.resize(*size)
            await go_to(bench, "rain")
            assert all(len(line) == size[0] for line in bench.lines)
            assert "rain" in bench.screen and "? keys" in bench.screen
            await bench.press("tab")
            assert "separation" in bench.screen and "4.00" in bench.screen
            await bench.press("tab", "n")
            assert "[ make the vector ]" in bench.screen and "Pairs" in bench.screen
            await bench.press("escape")


async def test_forms_fit_the_least_size_and_plain_characters(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine, size=(60, 16), options=Options(ascii=True)) as bench:
        await open_library(bench)
        await go_to(bench, "rain")
        for opening in ("e", "w", "i", "c", "x"):
            await bench.press(opening)
            assert "[ " in bench.screen and "esc leaves" in bench.screen
            assert bench.screen.isascii(), [character for character in bench.screen if not character.isascii()]
            await bench.press("escape")


async def test_hostile_names_and_words_do_no_harm(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    folder = paths.vectors / "demo"
    engine.keep(*(vector(f"v{index}", group=text, description=text, tags=(text,), method=text, parents=(text,))
                  for index, text in enumerate(NASTY.values())))  # fmt: skip
    data = (folder / "v0.safetensors").read_bytes()
    for name in (
        "[@click=app.quit]x[",
        "\u202edcba",
        "👩‍👧 🇩🇪",
        "x" * 200,
        "a\x1b[2Jb",
        "CON",
        "\u0645\u0631\u062d\u0628\u0627",
        "..",
    ):
        (folder / f"{name}.safetensors").write_bytes(data)
    async with workbench(paths, engine, size=(80, 24)) as bench:
        await open_library(bench)
        rows = len(library(bench).vectors.all)
        assert rows >= 16 + len(NASTY) + 6
        for _ in range(rows + 1):
            assert_harmless(bench)
            await bench.press("j")
        for key in ("g", "D", "escape", "v"):
            await bench.press(key)
            assert_harmless(bench)
        assert bench.app.is_running


def ten_thousand() -> tuple[Listed, ...]:
    made = vector("x").meta
    return tuple(
        Listed(VectorEntry(Path(f"/v/{index}.safetensors"), f"vector-{index}", False, made, (1, 3), 8000), index < 9000)
        for index in range(10_000)
    )


async def test_ten_thousand_vectors_stay_quick(paths: Paths) -> None:
    """The bound is far above what it takes, for busy machines; a list that made a widget per row would take minutes."""
    async with workbench(paths, LibraryEngine(paths), size=(120, 40)) as bench:
        await open_library(bench)
        watch = Stopwatch()
        bench.engine.events.append(LibraryListed(ten_thousand(), ()))
        await bench.settle()
        await bench.press("G", "g", "pagedown", "/", "9", "9", "9", "enter")
        assert "of 10000" in bench.screen and "vector-999" in bench.screen
        assert watch.look() < 10


async def test_the_list_comes_also_while_a_model_is_loading(paths: Paths, engine: LibraryEngine) -> None:
    engine.load_at_once = False
    async with workbench(paths, engine) as bench:
        await open_library(bench)
        assert "rain" in bench.screen and not any(isinstance(command, ListLibrary) for command in engine.sent)
        await bench.press("e", "enter", "u")
        engine.finish_load()
        await bench.settle()
        await bench.settle()
        assert isinstance(engine.sent[-1], ListLibrary)


async def test_of_two_readings_beside_a_load_the_later_one_counts(
    paths: Paths, engine: LibraryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Callable[[], Any], Callable[[Any], object]]] = []
    engine.load_at_once = False
    async with workbench(paths, engine) as bench:
        monkeypatch.setattr(library_news, "in_background", lambda app, work, then: asked.append((work, then)))
        await open_library(bench)
        place = bench.app.places["library"]
        assert isinstance(place, library_news.LibraryNews)
        place._is_stale = True
        place.refresh_list()
        (_, first), (work, second) = asked
        for then, vectors in ((first, ()), (second, work().vectors), (first, ())):
            then(LibraryListed(vectors, ()))
        await bench.settle()
        assert "rain" in bench.screen


async def test_the_list_comes_also_where_the_engine_cannot_start(paths: Paths, engine: LibraryEngine) -> None:
    async with workbench(paths, engine) as bench:
        engine.work[ListLibrary] = lambda task, command: task.end(LibraryRefused("the engine cannot start", None))
        await open_library(bench)
        assert "rain" in bench.screen and "the engine cannot start" in bench.toasts
