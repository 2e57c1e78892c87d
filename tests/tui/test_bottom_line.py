"""The bottom line and `?` name the keys that act now, and no others."""

from __future__ import annotations

import pytest

from steer_tui.paths import Paths
from steer_tui.tui.actions import ACTIONS, BY_ID, HERE
from steer_tui.tui.screens.keys import KeyList
from tests.tui.desk import Bench, workbench

TAKE, LEAVE = " enter take  esc clear  ctrl+q quit", " esc leave  ctrl+q quit"


def bottom(bench: Bench) -> str:
    return bench.lines[-1].rstrip()


@pytest.mark.parametrize("screen", ["1", "3", "4", "5"])
async def test_the_bottom_line_follows_the_filter(paths: Paths, screen: str) -> None:
    async with workbench(paths) as bench:
        await bench.press(screen)
        before = bottom(bench)
        await bench.press("/")
        assert bottom(bench) == TAKE
        await bench.press("r", "enter")
        assert bottom(bench) != TAKE and not bench.engine.is_running
        await bench.press("/", "escape")
        assert bottom(bench) == before


@pytest.mark.parametrize("key", ["m", "t", "e", "n", ":", "?"])
async def test_below_a_dialog_the_bottom_line_names_no_key_that_the_dialog_takes(paths: Paths, key: str) -> None:
    async with workbench(paths) as bench:
        before = bottom(bench)
        await bench.press(key)
        assert bottom(bench) == LEAVE
        await bench.press("escape")
        assert bottom(bench) == before


async def test_another_screen_has_its_own_bottom_line_at_once(paths: Paths) -> None:
    async with workbench(paths) as bench:
        for key, words in [
            ("2", "r sweep"),
            ("3", "enter steer"),
            ("4", "space watch"),
            ("5", ". replay"),
            ("1", "r run"),
        ]:
            await bench.press(key)
            assert words in bottom(bench)


async def test_the_keys_of_steer_begin_with_the_run(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("?")
        words = bench.screen
        assert words.index(BY_ID["run"].help) < words.index(BY_ID["toggle"].help)
        assert BY_ID["layer_analysis"].help not in words  # further down: a first run needs it not


@pytest.mark.parametrize(("key", "screen"), [("2", "sweep"), ("3", "library"), ("4", "inspect"), ("5", "history")])
async def test_the_keys_of_another_screen_begin_with_what_they_do_there(paths: Paths, key: str, screen: str) -> None:
    async with workbench(paths, size=(120, 140)) as bench:
        await bench.press(key, "?")
        first, _, rest = bench.screen.partition(" Move ")
        for action_id, words in HERE[screen].items():
            assert words[:40] in first, action_id
        for action in ACTIONS:
            if action.place == screen:
                assert action.help[:40] in first, action.id
        assert BY_ID["choose_model"].help in rest


@pytest.mark.parametrize("width", [60, 80])
async def test_the_keys_are_told_to_their_last_word_on_a_narrow_screen(paths: Paths, width: int) -> None:
    async with workbench(paths, size=(width, 160)) as bench:
        await bench.press("?")
        x, y, wide, high = bench.app.screen.query_one(KeyList).region
        told = " ".join(" ".join(line[x + 1 : x + wide - 1].split()) for line in bench.lines[y : y + high])
        assert "…" not in told
        for action in ACTIONS:
            if action.keys and action.place in ("", "steer"):
                assert " ".join(action.help.split()[-2:]) in told, action.id


def test_what_keys_do_on_a_screen_is_said_of_actions_of_everywhere() -> None:
    for screen, helps in HERE.items():
        for action_id in helps:
            assert BY_ID[action_id].place in ("", screen)


async def test_the_palette_offers_first_what_is_possible(paths: Paths) -> None:
    async with workbench(paths, size=(120, 60)) as bench:
        await bench.press("3", ":")
        lines = [line for line in bench.lines if "│" in line]
        refused = [index for index, line in enumerate(lines) if "works on Steer" in line]
        offered = next(index for index, line in enumerate(lines) if " from concepts " in line)
        assert refused and offered < refused[0]
