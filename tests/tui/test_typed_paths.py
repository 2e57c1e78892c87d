"""Paths as people type them: two files of sentences and system prompts in the form, `~` of nobody anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from steer_tui.paths import Paths
from steer_tui.session.library_messages import MakeConcept
from steer_tui.session.messages import ModelLoaded
from tests.tui import library_desk
from tests.tui.desk import Bench, workbench
from tests.tui.library_desk import LibraryEngine, vector
from tests.tui.test_concept_form import paste, write
from tests.tui.test_with_engine import until


def made(engine: LibraryEngine) -> MakeConcept:
    return next(command for command in engine.sent if isinstance(command, MakeConcept))


async def test_two_files_of_sentences_are_the_two_sides(paths: Paths, tmp_path: Path) -> None:
    good, plain = tmp_path / "good.txt", tmp_path / "plain.txt"
    good.write_text("I am glad\nHow lovely\nWhat joy\n")
    plain.write_text("I am here\nHow is it\nWhat now\n")
    engine = LibraryEngine(paths)
    async with workbench(paths, engine) as bench:
        await write(bench, pairs=(f"{good} | {plain}",))
        await until(lambda: "3 pairs, from good.txt and plain.txt" in bench.screen)
        await bench.press("ctrl+g")
        assert made(engine).pairs.positive == ("I am glad", "How lovely", "What joy")
        assert made(engine).pairs.negative == ("I am here", "How is it", "What now")


async def test_a_pair_of_system_prompts_is_made_where_the_model_has_a_chat_template(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    async with workbench(paths, engine) as bench:
        await write(bench, name="kind", pairs=("system: Be kind. | Be rude.",))
        assert "16 pairs, system prompts" in bench.screen and "no chat template" in bench.screen
        await bench.press("ctrl+g")
        assert not any(isinstance(command, MakeConcept) for command in engine.sent)
        info = replace(library_desk.INFO, has_chat_template=True)
        engine.events.append(ModelLoaded(info, engine.concepts))
        await bench.settle()
        assert "no chat template" not in bench.screen
        await bench.press("ctrl+g")
        assert made(engine).pairs.system == ("Be kind.", "Be rude.")


@pytest.mark.parametrize(
    "keys",
    [("n", "x", "enter"), ("3", "i"), ("3", "w"), ("4", "f"), ("5", "w")],
    ids=["new concept", "import", "export", "own hooks", "history"],
)
async def test_the_home_of_nobody_is_a_path_like_any_other(paths: Paths, keys: tuple[str, ...]) -> None:
    engine = LibraryEngine(paths)
    engine.keep(vector("rain"))
    async with workbench(paths, engine) as bench:
        await go(bench, keys)
        for text in ("~nobody-of-that-name.csv", "~nobody/x.svec", "~nobody/x.py | ~nobody/y.txt"):
            await paste(bench, text)
            await bench.press("enter", "ctrl+g")
        await bench.press("escape", "escape")
        assert bench.app.is_running and "idle" in bench.screen


@pytest.mark.parametrize("text", [f"{'x' * 300}.svec", f"/tmp/{'x' * 300}/x.svec", f"/tmp/{'x' * 300}.py"])
@pytest.mark.parametrize("keys", [("3", "w"), ("4", "f")], ids=["export", "own hooks"])
async def test_a_name_longer_than_any_file_s_is_a_path_like_any_other(
    paths: Paths, keys: tuple[str, ...], text: str
) -> None:
    engine = LibraryEngine(paths)
    engine.keep(vector("rain"))
    async with workbench(paths, engine) as bench:
        await go(bench, keys)
        await paste(bench, text)
        await bench.press("enter", "escape", "escape")
        assert bench.app.is_running and "idle" in bench.screen


async def go(bench: Bench, keys: tuple[str, ...]) -> None:
    """Press keys, each when the one before has been dealt with."""
    for key in keys:
        await bench.press(key)
        await bench.settle()
