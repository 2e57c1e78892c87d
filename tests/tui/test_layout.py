"""Every size from 60x16 up has a layout on purpose; every pane is one key away in each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.paths import Paths
from steer_tui.tui.layout import ACTIVATIONS, BASELINE, CONCEPTS, PANES, PROMPT, RECIPE, STEERED, Facts, arrange, panes
from tests.tui.desk import workbench

SIZES = [(60, 16), (60, 20), (80, 24), (100, 30), (120, 36), (160, 48), (200, 50)]
FACTS = st.builds(
    Facts,
    baseline=st.booleans(),
    zoomed=st.sampled_from((None, *PANES)),
    recent=st.permutations(PANES).map(tuple),
    terms=st.integers(0, 9),
    prompt_lines=st.integers(1, 40),
    layers=st.integers(1, 100),
)


@given(width=st.integers(60, 260), height=st.integers(14, 90), facts=FACTS)
def test_panes_cover_the_desk_and_never_overlap(width: int, height: int, facts: Facts) -> None:
    owners = [[""] * width for _ in range(height)]
    for name, box in arrange(width, height, facts).items():
        assert box.width >= 20 and box.height >= 3, (name, box)
        for y in range(box.y, box.y + box.height):
            for x in range(box.x, box.x + box.width):
                assert not owners[y][x]
                owners[y][x] = name
    assert all(all(row) for row in owners)


@given(width=st.integers(60, 260), height=st.integers(14, 90), facts=FACTS)
def test_the_pane_looked_at_is_visible(width: int, height: int, facts: Facts) -> None:
    wanted = facts.zoomed or next(name for name in facts.recent if name in panes(facts))
    assert wanted in arrange(width, height, facts)


def test_the_home_screen_at_80x24_shows_concepts_recipe_and_both_texts() -> None:
    assert set(arrange(80, 22, Facts())) == {CONCEPTS, RECIPE, STEERED, BASELINE, PROMPT}


def test_without_a_baseline_its_place_shows_the_activations() -> None:
    assert ACTIVATIONS in arrange(80, 22, Facts(baseline=False))


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_is_legible_at_every_size(paths: Paths, size: tuple[int, int]) -> None:
    async with workbench(paths, size=size) as bench:
        await bench.press("r")
        await bench.tick(100)
        lines = bench.lines
        assert len(lines) == size[1] and all(len(line) == size[0] for line in lines)
        assert "demo" in lines[0] and "idle" in lines[0] and "tok/s" in lines[0] and "cpu float32" in lines[0]
        assert "? keys" in lines[-1]
        for words in (" Concepts ", " Steered ", " Prompt ", "happy", "wonderfully", "The meeting went"):
            assert words in bench.screen, words


@pytest.mark.parametrize("size", SIZES)
async def test_every_pane_is_reached_by_tab_at_every_size(paths: Paths, size: tuple[int, int]) -> None:
    async with workbench(paths, size=size) as bench:
        for name in PANES:
            assert bench.place == name
            assert f" {name.capitalize()} " in bench.screen
            await bench.press("tab")


async def test_a_terminal_that_is_too_small_says_so_and_grows_back(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("r")
        for size in ((59, 30), (80, 15), (20, 5), (1, 1)):
            await bench.resize(*size)
            assert " Concepts " not in bench.screen
        await bench.resize(59, 30)
        assert "59x30 is too small: 60x16 is the least" in bench.screen
        await bench.tick(5)
        await bench.resize(80, 24)
        assert " Concepts " in bench.screen and "wonderfully" in bench.screen


async def test_a_storm_of_sizes_while_text_streams_is_survived(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        for index in range(40):
            bench.engine.tick()
            bench.app.look_into_outbox()
            width, height = 60 + index * 37 % 140, 16 + index * 13 % 40
            await bench.pilot.resize_terminal(width, height)
        await bench.resize(120, 36)
        await bench.tick(100)
        assert "idle" in bench.screen and "64 tokens, limit" in bench.screen


async def test_the_prompt_grows_with_its_lines(paths: Paths) -> None:
    async with workbench(paths) as bench:
        before = bench.app.steer.prompt.size.height
        await bench.press("i", "ctrl+j", "a", "ctrl+j", "b")
        assert bench.app.steer.prompt.size.height == before + 2


async def test_the_cursor_of_a_list_stays_in_sight_where_it_gets_smaller(paths: Paths) -> None:
    async with workbench(paths, size=(80, 48)) as bench:
        concepts = bench.app.steer.concepts
        await bench.press("1", "G")
        for size in ((80, 24), (60, 16), (80, 24), (120, 36)):
            await bench.resize(*size)
            assert concepts.top <= concepts.cursor < concepts.top + concepts.body_height, size
