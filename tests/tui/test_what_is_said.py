"""What borders and headers say is true of what is there now."""

from __future__ import annotations

import pytest

from steer_tui.paths import Paths
from steer_tui.tui.screens.recipe_editor import GRAMMAR
from steer_tui.tui.widgets.choices import Choices, Option
from tests.tui.desk import Bench, workbench

SIZES = [(80, 24), (120, 36), (160, 48)]
ADDS = "adds 21% of norm"


async def run_to_the_end(bench: Bench) -> None:
    await bench.press("r")
    await bench.tick(100)


async def test_what_the_recipe_adds_is_said_while_the_recipe_is_the_one_that_ran(paths: Paths) -> None:
    async with workbench(paths) as bench:
        assert ADDS not in bench.screen
        await run_to_the_end(bench)
        assert ADDS in bench.screen
        await bench.press("=")
        assert ADDS not in bench.screen
        await bench.press("-")
        assert ADDS in bench.screen


async def test_what_another_recipe_adds_is_not_said_of_one_that_came_after_the_last_token(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        await bench.tick(5)
        await bench.press("=", "escape")
        await bench.settle()
        assert "idle" in bench.screen and ADDS not in bench.screen


@pytest.mark.parametrize("key", ["space", "0"])
async def test_nothing_is_said_to_be_added_once_the_recipe_adds_nothing(paths: Paths, key: str) -> None:
    async with workbench(paths) as bench:
        await run_to_the_end(bench)
        await bench.press(key)
        assert ADDS not in bench.screen


async def test_switching_the_last_concept_off_in_a_running_text_takes_the_note_away(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        await bench.tick(5)
        assert ADDS in bench.screen
        await bench.press("space")
        await bench.tick(5)
        assert ADDS not in bench.screen
        await bench.press("space")
        await bench.tick(5)
        assert ADDS in bench.screen


@pytest.mark.parametrize("size", SIZES)
async def test_no_column_of_watch_has_the_name_of_another(paths: Paths, size: tuple[int, int]) -> None:
    async with workbench(paths, size=size) as bench:
        await bench.press("4")
        await bench.press("space")
        heading = next(line for line in bench.lines if " point " in line).partition(" point ")[2].replace("Δ norm", "Δ")
        assert heading.split().count("norm") == 1 or "norm, last" in heading
        assert "last " in heading


@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
async def test_the_recipe_editor_tells_error_hint_and_grammar_to_their_last_word(
    paths: Paths, size: tuple[int, int]
) -> None:
    async with workbench(paths, size=size) as bench:
        await bench.press("e")
        await bench.type("x")
        x, y, wide, high = bench.app.screen.query_one("#verdict").region
        told = " ".join(" ".join(line[x : x + wide].split()) for line in bench.lines[y : y + high])
        for words in ("no layer", "write layers as 3, 3-5, 1+4, all or best", " ".join(GRAMMAR.split())):
            assert words in told


def test_choices_that_do_not_fit_are_told_of() -> None:
    choices = Choices("kind", [Option(name, "") for name in ("first", "second", "third")], label_width=5)

    def shown(width: int) -> str:
        return "".join(text for text, _ in choices.line(0, width)).rstrip()

    assert shown(60).endswith(" third") and "…" not in shown(60)
    assert shown(25).endswith("…") and "first" in shown(25)
    choices.choose(2)
    assert shown(25).endswith("‹third›")
