"""Sweep, key by key: from home to a better setting, the grid as it fills in, what is redrawn, what breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.geometry import Region

from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.paths import Paths
from steer_tui.session.journal import Journal
from steer_tui.session.sweep_messages import RunSweep, SweepCells, SweepFailed
from steer_tui.tui.screens.sweep import SweepScreen
from steer_tui.tui.sweep_layout import BASELINE, CELL, FRONT, GRID, PANES, SETUP, SweepFacts, arrange
from steer_tui.tui.widgets.heatmap import HeatMap
from tests.sweeps import all_cells
from tests.tui.desk import Bench, workbench
from tests.tui.fake import FakeEngine, model_info
from tests.tui.test_hostile import NASTY, assert_harmless
from tests.tui.test_with_engine import until

SIZES = [(60, 16), (80, 24), (120, 36), (200, 50)]


def sweep_screen(bench: Bench) -> SweepScreen:
    place = bench.app.places["sweep"]
    assert isinstance(place, SweepScreen)
    return place


def last_sweep(bench: Bench) -> RunSweep:
    sent = [command for command in bench.engine.sent if isinstance(command, RunSweep)]
    return sent[-1]


def best(bench: Bench) -> str:
    """Return the recipe that the screen marks as best."""
    return next(line for line in bench.lines if "★ " in line and " within " in line).split("★ ")[1].split(" ")[0]


async def paste(bench: Bench, text: str) -> None:
    """Paste a text where the keyboard is."""
    assert bench.app.focused is not None
    bench.app.focused.post_message(events.Paste(text))
    await bench.settle()


async def finish(bench: Bench, count: int = 10**6) -> None:
    bench.engine.finish_cells(count)
    await bench.settle()


# From home to a better setting


async def test_a_better_setting_takes_three_keys(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        before = bench.recipe
        await bench.press("2", "r")
        await finish(bench)
        await bench.press("enter")
        assert bench.app.current_mode == "steer"
        assert bench.recipe == "happy:2.5@3" != before
        assert "the recipe is happy:2.5@3: r runs it" in bench.toasts
        await bench.press("u")
        assert bench.recipe == before


@pytest.mark.parametrize(
    ("key", "cells", "recipe"), [("L", 6, "happy:2@3"), ("S", 11, "happy:2.5@3-4"), ("M", 25, "happy@best")]
)
async def test_presets_run_with_one_key_and_apply_with_another(paths: Paths, key: str, cells: int, recipe: str) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        if key == "M":
            await bench.press("M")
            assert "a mix takes two or three concepts" in bench.toasts
            await bench.press("j", "space")
        await bench.press(key)
        assert bench.app.current_mode == "sweep"
        request = last_sweep(bench).request
        assert len(request.points(6)) == cells
        await finish(bench)
        assert f"{cells} of {cells} cells" in bench.screen
        if key != "M":  # one column: a bar and further figures beside each number
            assert "████████" in bench.screen and "perplexity " in bench.lines[2]
        await bench.press("enter")
        assert bench.app.current_mode == "steer"
        if key != "M":
            assert bench.recipe == recipe
        else:
            assert {term.name for term in bench.app.bench.terms} == {"happy", "sad"}


async def test_other_terms_of_the_recipe_stay(paths: Paths) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        bench.app.change(bench.app.bench.set_recipe("formal:1,happy:2@3-4,sad"))
        bench.app.change(bench.app.bench.select_name("happy"))
        await bench.press("2", "r")
        await finish(bench)
        await bench.press("enter")
        assert bench.recipe == "formal,happy:2.5@3,sad"
        assert bench.app.bench.selected_term is not None and bench.app.bench.selected_term.name == "happy"


# Filling in


async def test_the_grid_fills_in_with_progress_and_time_left(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("2")
        assert "r sweeps: every layer by every strength" in bench.screen and "35 cells" in bench.screen
        await bench.press("r")
        assert "sweeping" in bench.lines[0]
        await finish(bench, 21)
        assert "20 of 35 cells" in bench.screen and "s left" in bench.screen
        assert "+0.33" in bench.screen and "·" in bench.screen
        await finish(bench)
        assert "35 of 35 cells" in bench.screen and "idle" in bench.lines[0]
        assert "rand " in bench.screen and "beyond noise" in bench.screen
        assert "★ happy:2.5@3 within 1 nat" in bench.screen


async def test_the_text_of_the_cell_stands_beside_the_baseline(paths: Paths) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2", "r")
        await finish(bench)
        await bench.press("g", "h", "h", "h", "h", "h")
        assert "happy:0.5@0 text 0 0" in bench.screen and "plain text 0 0" in bench.screen
        await bench.press("j", "right")
        assert "happy@1 text 0 0" in bench.screen


async def test_a_sweep_that_is_stopped_at_its_controls_says_so(paths: Paths) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2", "r")
        await finish(bench, 36)
        await bench.press("escape")
        assert "stopped, 35 of 35 cells, controls left: r goes on" in bench.screen
        assert "stopped at 35 of 35 cells, controls left: r goes on" in bench.toasts
        await bench.press("r")
        await finish(bench)
        assert "35 of 35 cells in" in bench.screen and "controls left" not in bench.screen


async def test_esc_stops_and_r_goes_on_without_running_a_cell_twice(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("2", "r")
        first = last_sweep(bench)
        await finish(bench, 12)
        await bench.press("escape")
        assert "stopped, 11 of 35 cells: r goes on" in bench.screen
        await bench.press("r")
        again = last_sweep(bench)
        assert again.uid == first.uid and again.request == first.request and len(again.done) == 12
        await finish(bench)
        assert "35 of 35 cells" in bench.screen
        await bench.press("r")
        assert "these cells are all there" in bench.toasts and last_sweep(bench) is again


async def test_a_cell_redraws_itself_alone(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2", "r")
        await finish(bench, 5)
        await bench.press("g", "h")  # the cursor no longer follows
        drawn: list[tuple[Region, ...]] = []
        refresh = HeatMap.refresh

        def watch(self: HeatMap, *regions: Region, **options: bool) -> HeatMap:
            if isinstance(self, HeatMap):
                drawn.append(regions)
            return refresh(self, *regions, **options)

        monkeypatch.setattr(HeatMap, "refresh", watch)
        await finish(bench, 1)
        cells = [region for regions in drawn for region in regions if region.height == 1 and region.width < 20]
        assert drawn and all(regions for regions in drawn)  # never the whole widget
        assert len(cells) <= 3
        assert sum(region.area for regions in drawn for region in regions) < sweep_screen(bench).map.size.area / 5


# Looking


async def test_every_measure_has_its_turn(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("2", "r")
        await finish(bench)
        titles = []
        for _ in range(7):
            titles.append(bench.lines[1])
            await bench.press("c")
        for name in ("concept", "perplexity", "KL", "KL p95", "distinct-2", "added norm", "by words"):
            assert any(f"happy, {name} " in title for title in titles), name
        assert "happy, concept" in bench.lines[1]
        await bench.press("C")
        assert "by words" in bench.lines[1] and "%" in bench.screen


async def test_the_front_marks_what_nothing_beats_and_walks_along_it(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("2", "r")
        await finish(bench)
        await bench.press("v")
        assert " Front: happy, concept by KL " in bench.screen and "budget 1" in bench.screen
        place = sweep_screen(bench)
        front = [cell.key for cell in place.front.front]
        seen = []
        for _ in front:
            assert place.current is not None
            seen.append(place.current.key)
            await bench.press("h")
        assert seen == front[::-1]
        await bench.press("enter")
        assert bench.recipe == front[0]


async def test_the_budget_moves_the_best_cell(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("2", "r")
        await finish(bench)
        wide = best(bench)
        await bench.press("<", "<")
        assert "within 0.5 nat" in bench.screen and best(bench) != wide
        cell = sweep_screen(bench).current
        assert cell is not None and cell.recipe == best(bench) and (cell.kl_mean or 0) <= 0.5
        await bench.press(">", ">")
        assert best(bench) == wide
        for _ in range(9):
            await bench.press("<")
        assert "within 0.1 nat" in bench.screen


async def test_what_breaks_shows_as_such_and_is_never_best(paths: Paths) -> None:
    async with workbench(paths, size=(100, 30)) as bench:
        await bench.press("2")
        await write_field(bench, "strengths", "2, 5, 6")
        await bench.press("r")
        await finish(bench)
        grid = "\n".join(bench.lines[1:14])
        assert grid.count("loop!") == 7 and grid.count("NaN!") == 7
        assert "★ happy:2" in bench.screen
        await bench.press("l")
        assert "broken: the text goes round in circles" in bench.screen
        await bench.press("enter")
        assert bench.app.current_mode == "sweep" and "broke the model" in bench.toasts


async def test_refine_keeps_what_is_there(paths: Paths) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2")
        await bench.press("f")
        assert "no cells yet" in bench.toasts
        await bench.press("r")
        await finish(bench)
        first = last_sweep(bench)
        await bench.press("f")
        finer = last_sweep(bench)
        assert finer.uid != first.uid and {cell.key for cell in finer.done} >= {
            point.recipe for point in first.request.points(6)
        }
        assert {point.recipe for point in finer.request.points(6)} - {cell.key for cell in finer.done}
        await finish(bench)
        assert "idle" in bench.lines[0]


async def test_an_automatic_sweep_grows_its_grid(paths: Paths) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2", "a")
        assert last_sweep(bench).request.auto
        await finish(bench)
        assert " 30 cells " in bench.screen and "★" in bench.screen


async def test_several_concepts_have_a_grid_each(paths: Paths) -> None:
    async with workbench(paths, size=(100, 30)) as bench:
        await bench.press("2")
        await write_field(bench, "concept", "happy, sad")
        await bench.press("r")
        await finish(bench)
        assert "Grid 1/2: happy" in bench.screen
        await bench.press("p")
        assert "Grid 2/2: sad" in bench.screen and "★ sad:2.5" in bench.screen


async def test_a_mix_has_weights_on_both_axes(paths: Paths) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2")
        await write_field(bench, "concept", "happy + excited")
        assert "25 cells" in bench.screen
        await bench.press("r")
        await finish(bench)
        assert "happy \\" in bench.screen
        await bench.press("enter")
        assert [term.name for term in bench.app.bench.terms] == ["happy", "excited"]


# Writing the set-up


async def write_field(bench: Bench, name: str, text: str) -> None:
    place = sweep_screen(bench)
    place.go_to(SETUP)
    place.setup.go_to_field(name)
    await bench.press("enter", "ctrl+u")
    await bench.type(text)
    await bench.press("enter")
    place.go_to(GRID)
    await bench.settle()


async def test_fields_are_edited_in_place(paths: Paths) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2", "shift+tab", "shift+tab", "tab", "tab", "tab", "tab")
        place = sweep_screen(bench)
        assert place.place == SETUP
        await bench.press("j", "enter", "ctrl+u")
        await bench.type("0..2")
        assert "esc" in bench.lines[-1]
        await bench.press("tab", "ctrl+u")
        await bench.type("1, 2")
        await bench.press("enter")
        assert "6 cells" in bench.screen
        assert place.plan is not None and place.plan.request.strengths == (1.0, 2.0)
        await bench.press("o", "s")
        assert "keepnorm/" in bench.screen


async def test_what_makes_no_sense_is_said_and_not_taken(paths: Paths) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2")
        place = sweep_screen(bench)
        before = place.plan
        place.go_to(SETUP)
        place.setup.go_to_field("layers")
        await bench.press("enter", "ctrl+u")
        await bench.type("7..9")
        assert "no layer 9" in bench.screen
        await bench.press("enter")
        assert place.setup.edit is not None and "0..5" in bench.screen
        await bench.press("escape")
        assert place.setup.edit is None and place.plan == before and bench.app.current_mode == "sweep"


async def test_prompts_are_written_added_and_taken_away(paths: Paths) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2", "i", "ctrl+u")
        await bench.type("One day")
        await bench.press("down")
        await bench.type("Later")
        await bench.press("enter")
        place = sweep_screen(bench)
        assert place.plan is not None and place.plan.request.prompts == ("One day", "Later")
        assert "35 cells of 2 texts" in bench.screen
        await bench.press("r")
        await finish(bench)
        assert "1/2, seed 0" in bench.screen and "sd 0.01" in bench.screen
        await bench.press("d")
        assert place.plan.request.prompts == (bench.app.bench.prompt,)


# Leaving with something


@pytest.mark.parametrize("ending", ["md", "csv", "json"])
async def test_a_sweep_is_exported(paths: Paths, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"out.{ending}"
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2", "r")
        await finish(bench)
        await bench.press("x", "ctrl+u")
        await paste(bench, str(target))
        await bench.press("enter")
        await until(target.exists)
        await until(lambda: "written" in bench.toasts)
    text = target.read_text()
    assert "happy" in text and "2.5" in text
    if ending == "json":
        assert len(json.loads(text)["cells"]) == 35
    if ending == "md":
        assert "sweep --concept happy" in text


async def test_an_export_says_what_is_wrong_with_its_name(paths: Paths, tmp_path: Path) -> None:
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2", "r")
        await finish(bench)
        await bench.press("x", "ctrl+u")
        await paste(bench, str(tmp_path / "out.xls"))
        assert "the ending says the format: .md .csv .json" in bench.screen
        await bench.press("ctrl+u")
        await paste(bench, str(tmp_path / "none" / "out.md"))
        assert "no folder" in bench.screen
        await bench.press("escape")
        assert not list(tmp_path.glob("out*"))


# After a crash, and trouble


async def test_a_sweep_that_was_cut_off_is_shown_and_goes_on(paths: Paths) -> None:
    request = SweepRequest(("Once",), ("happy",), ((2,), (3,)), (1.0, 2.0))
    with Journal(paths.journal) as journal:
        journal.sweeps.begin("cut", model_info(), request, all_cells(request)[:3])
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2")
        await until(lambda: sweep_screen(bench).board is not None)
        await bench.settle()
        assert "a sweep was cut off at 2 of 4 cells: r goes on" in bench.toasts
        await bench.press("r")
        sent = last_sweep(bench)
        assert (sent.uid, sent.request, len(sent.done)) == ("cut", request, 3)
        await finish(bench)
        assert "4 of 4 cells" in bench.screen


async def test_a_sweep_of_another_model_is_not_offered(paths: Paths) -> None:
    request = SweepRequest(("Once",), ("happy",))
    with Journal(paths.journal) as journal:
        journal.sweeps.begin("cut", replace(model_info(), fingerprint="other"), request)
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("2")
        assert sweep_screen(bench).board is None


async def test_a_failed_sweep_says_why_and_keeps_its_cells(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("2", "r")
        await finish(bench, 9)
        bench.engine.events.append(SweepFailed(last_sweep(bench).uid, "one row does not fit", "fewer tokens"))
        await bench.settle()
        assert "failed" in bench.lines[0] and "failed, 8 of 35 cells" in bench.screen
        assert "one row does not fit" in bench.toasts
        await bench.press("r")
        assert len(last_sweep(bench).done) == 9


async def test_a_run_waits_until_the_sweep_is_over(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("2", "r", "1", "r")
        assert "a sweep is running: 2 shows it" in bench.toasts and not bench.engine.is_running
        await bench.press("escape")
        assert "stop_run" in bench.engine.calls


async def test_before_a_model_is_there_it_says_so(paths: Paths) -> None:
    async with workbench(paths, FakeEngine(load_at_once=False), size=(80, 24)) as bench:
        await bench.press("2", "r")
        assert "the model is loading" in bench.screen and "the model is still loading" in bench.toasts
        bench.engine.finish_load()
        await bench.settle()
        assert "35 cells" in bench.screen


# Looks


@pytest.mark.parametrize("size", SIZES)
async def test_it_is_legible_at_every_size(paths: Paths, size: tuple[int, int]) -> None:
    async with workbench(paths, size=size) as bench:
        await bench.press("2", "r")
        await finish(bench)
        bench.app.clear_notifications()
        await bench.settle()
        lines = bench.lines
        assert len(lines) == size[1] and all(len(line) == size[0] for line in lines)
        assert "+0.97★" in bench.screen and "? keys" in lines[-1] and "2 Sweep" in lines[0]
        for _ in PANES:
            await bench.press("tab")
            title = {SETUP: " Setup ", GRID: " Grid", FRONT: " Front", CELL: " Cell", BASELINE: " Baseline "}
            assert title[sweep_screen(bench).place] in bench.screen


@pytest.mark.parametrize("width", range(60, 220, 16))
@pytest.mark.parametrize("height", range(14, 60, 7))
def test_panes_cover_the_desk_and_never_overlap(width: int, height: int) -> None:
    for rows in (1, 7, 40):
        taken: set[tuple[int, int]] = set()
        for name, box in arrange(width, height, SweepFacts(rows=rows, recent=(CELL,))).items():
            assert box.width >= 20 and box.height >= 3, name
            cells = {(x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)}
            assert not cells & taken
            taken |= cells
        assert len(taken) == width * height


@pytest.fixture
def no_colour(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NO_COLOR", "1")
    yield


async def test_without_colour_numbers_bars_and_signs_say_it(paths: Paths, no_colour: None) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("2", "r")
        await finish(bench)
        assert "▂+0.27" in bench.screen and "▸▇+0.97★" in bench.screen
        for strip in bench.app.screen._compositor.render_strips():
            for segment in strip:
                for color in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                    assert color is None or color.is_default


@pytest.mark.parametrize("theme", ["nightshift", "parchment", "ansi"])
async def test_numbers_stand_out_from_every_level(paths: Paths, theme: str) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        bench.app.set_theme(theme)
        await bench.press("2", "r")
        await finish(bench)
        heat = sweep_screen(bench).map
        for level in range(7):
            style = heat.paint(f"heat-{level}")
            if theme == "ansi":
                assert style.bgcolor is None or style.bgcolor.is_default
                continue
            assert style.color is not None and style.bgcolor is not None
            light = [sum(color.get_truecolor()) for color in (style.color, style.bgcolor)]
            assert abs(light[0] - light[1]) > 200, level


async def test_ascii_draws_ascii_alone(paths: Paths) -> None:
    from steer_tui.options import Options

    async with workbench(paths, size=(160, 48), options=Options(ascii=True)) as bench:
        await bench.press("2", "r")
        await finish(bench)
        for key in ("c", "v", "tab", "tab"):
            await bench.press(key)
            bench.app.clear_notifications()
            await bench.settle()
            assert bench.screen.isascii(), {sign for sign in bench.screen if not sign.isascii()}


async def test_hostile_texts_do_no_harm(paths: Paths) -> None:
    async with workbench(paths, size=(100, 40)) as bench:
        await bench.press("2", "i", "ctrl+u", "x", "enter", "r")
        for text in ("".join(NASTY.values()), NASTY["long"], NASTY["action"]):
            plan = sweep_screen(bench).plan
            assert plan is not None
            sweep_screen(bench).keep_plan(plan.with_prompt(0, text or "x"))
            await bench.press("R")
            sent = last_sweep(bench)
            for cell in all_cells(sent.request)[:2]:
                nasty = replace(cell, texts=tuple(replace(each, text=text) for each in cell.texts))
                bench.engine.events.append(SweepCells(sent.uid, (nasty,)))
            bench.engine.events.append(SweepFailed(sent.uid, text, text))
            await bench.settle()
            assert_harmless(bench)
            await bench.press("tab", "tab", "z")
            assert_harmless(bench)
            await bench.press("z")
        assert bench.app.is_running
