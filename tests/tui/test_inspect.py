"""Inspect on a fake engine: points found, watched, hooked by keys; parameters written in place; runs, undo."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual import events

from steer_tui.engine.hookvalues import FILE, HookSpec, PointInfo
from steer_tui.options import Options
from steer_tui.paths import Paths
from steer_tui.session.hook_messages import (
    CheckHooks,
    HookFileFailed,
    HookFileLoaded,
    HooksChecked,
    ListPoints,
    LoadHookFile,
    OwnHookInfo,
    PointsListed,
)
from steer_tui.session.hook_work import stamp_of
from steer_tui.session.messages import Generate, RecipeRefused, RunFailed
from steer_tui.tui.actions import ACTIONS
from steer_tui.tui.inspect_layout import ATTACHED, PANES, POINTS, WATCH
from steer_tui.tui.screens.hook_file_dialog import joined
from steer_tui.tui.screens.inspect import InspectScreen
from tests.tui.desk import Bench, workbench
from tests.tui.fake import FakeEngine, model_info, summaries
from tests.tui.test_hostile import NASTY, assert_harmless

SIZES = [(60, 16), (80, 24), (120, 36), (200, 50)]
INSPECT_KEYS = ("space", "c", "x", "enter", "j", "k", "tab", "=", "-", "[", "]", "J", "K", "u", "r") * 3
POST = "blocks.3.hook_resid_post"
"""Where the cursor stands at first: what the first steered block puts out."""


@asynccontextmanager
async def inspect(
    paths: Paths, engine: FakeEngine | None = None, size: tuple[int, int] = (160, 48), options: Options | None = None
) -> AsyncIterator[tuple[Bench, InspectScreen]]:
    async with workbench(paths, engine, size, options) as bench:
        await bench.press("4")
        screen = bench.app.screen
        assert isinstance(screen, InspectScreen)
        yield bench, screen


def hooks(bench: Bench) -> list[tuple[str, str, dict[str, object]]]:
    return [(spec.point, spec.kind, dict(spec.values)) for spec in bench.app.bench.hooks]


async def put_on(bench: Bench, kind: str) -> None:
    """Put a hook on the point under the cursor."""
    await bench.press("c", *kind, "enter")


# The tree


async def test_the_tree_shows_blocks_points_shapes_and_what_cannot_be_had(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        assert isinstance(bench.engine.sent[-1], ListPoints)
        for words in ("hook_embed", "blocks.0", "attn.hook_pattern", "b p 4 64", "modules", "not here"):
            assert words in bench.screen, words
        assert screen.points.current and screen.points.current.name == POST
        assert "batch · pos · 256" in bench.screen
        await bench.press("g", "j")
        assert "positions are rotary or alibi" in bench.screen
        await bench.press("space", "c")
        assert "hook_pos_embed is not here" in bench.toasts
        assert not bench.app.bench.hooks


async def test_folders_open_and_close_by_enter_and_arrows(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await bench.press("g", "j", "j", "enter")
        assert screen.points.is_open() and bench.screen.count("attn.hook_pattern") == 2
        await bench.press("enter")
        assert bench.screen.count("attn.hook_pattern") == 1
        await bench.press("l", "j", "h")
        assert screen.points.row and screen.points.row.folder == "blocks.0"
        await bench.press("h", "G", "l", "j", "l")
        assert "+ layers" in bench.screen
        await bench.press("j", "j", "l", "j", "l")
        assert "mlp" in bench.screen
        assert screen.points.current and screen.points.current.name == "model.layers.0"


FILTERS = {
    "resid_post": (6, "blocks.0.hook_resid_post"),
    "4 attn": (4, "blocks.4.attn.hook_q"),
    "HOOK_Z 2": (1, "blocks.2.attn.hook_z"),
    "layers.5.mlp": (1, "model.layers.5.mlp"),
    "nothing like it": (0, ""),
}


async def test_the_filter_narrows_to_points_with_their_full_names(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        total = len(screen.points.tree_of.points)
        for words, (count, first) in FILTERS.items():
            await bench.press("/", *words)
            assert f"{count} of {total}" in bench.screen, words
            if count:
                await bench.press("enter", "g")
                assert screen.points.current and screen.points.current.name == first
            else:
                assert "no match: esc clears" in bench.screen
            await bench.press("escape")
            assert not screen.points.filter_text and f"{total} points" in bench.screen
        await bench.press("/", *"resid_post", "enter", "G", "space")
        assert bench.app.bench.hooks == (HookSpec("blocks.5.hook_resid_post", "watch", rows=(0, 1)),)


async def test_a_new_model_has_its_own_points(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        bench.engine.layers = 9
        bench.app.load_model("other")
        await bench.settle()
        await bench.settle()
        assert "blocks.8" in bench.screen
        bench.engine.events.append(PointsListed("of another model", ()))
        await bench.settle()
        assert "blocks.8" in bench.screen


async def test_before_the_points_are_there_keys_say_what_is_missing(paths: Paths) -> None:
    async with inspect(paths, FakeEngine(load_at_once=False)) as (bench, _):
        assert "the model is loading" in bench.screen
        await bench.press("space")
        assert "still loading" in bench.toasts
        bench.engine.finish_load()
        await bench.settle()
        await bench.settle()
        assert "blocks.0" in bench.screen


async def test_a_filter_may_be_written_before_the_points_are_there(paths: Paths) -> None:
    async with inspect(paths, FakeEngine(load_at_once=False)) as (bench, screen):
        await bench.press("/", *"4 resid_post")
        assert not bench.toasts and bench.app.current_mode == "inspect"
        bench.engine.finish_load()
        await bench.settle()
        await bench.settle()
        assert screen.points.filter_text == "4 resid_post" and "1 of " in bench.screen
        await bench.press("enter", "space")
        assert bench.app.bench.hooks == (HookSpec("blocks.4.hook_resid_post", "watch", rows=(0, 1)),)


# Watching


async def test_a_watch_shows_what_goes_on_whichever_was_put_on_first(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await bench.press("space")
        await put_on(bench, "scale")
        assert [kind for _, kind, _ in hooks(bench)] == ["scale", "watch"]
        await put_on(bench, "clamp")
        assert [kind for _, kind, _ in hooks(bench)] == ["scale", "clamp", "watch"]


async def test_space_watches_a_point_and_numbers_come_while_text_streams(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await bench.press("space")
        assert bench.app.bench.hooks == (HookSpec(POST, "watch", rows=(0, 1)),)
        assert "no token yet: r runs" in bench.screen
        screen.watch_list.pause = 0.0
        await bench.press("r")
        request = bench.engine.sent[-1]
        assert isinstance(request, Generate) and request.request.hooks == bench.app.bench.hooks
        await bench.tick(6)
        row = next(line for line in bench.lines if f"●{POST}" in line)
        for number in ("+0.01", "1.50", "10.0", "-3.25", "+4.50", "2x1x256"):
            assert number in row, number
        assert any(height in row for height in "▂▃▄▅▆▇")
        assert "token 9" in bench.screen
        await bench.tick(100)
        assert "means of 64 tokens" in bench.screen


async def test_watching_more_changes_the_running_text_and_space_again_ends_it(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await bench.press("r")
        await bench.tick(3)
        await bench.press("space")
        assert bench.engine.hook_changes == [bench.app.bench.hooks]
        await bench.tick(1)
        assert "‹" not in bench.screen  # a watch changes nothing that a mark would tell
        await bench.press("space")
        assert bench.app.bench.hooks == ()
        await bench.press("u")
        assert [spec.kind for spec in bench.app.bench.hooks] == ["watch"]


async def test_space_on_a_block_watches_what_it_puts_out(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await bench.press("g", "j", "j", "space")
        assert hooks(bench) == [("blocks.0.hook_resid_post", "watch", {})]


async def test_the_difference_to_the_unhooked_text_shows(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await bench.press("space")
        await put_on(bench, "scale")
        screen.watch_list.pause = 0.0
        await bench.press("r")
        await bench.tick(5)
        row = next(line for line in bench.lines if f"●{POST}" in line)
        assert "+1.00" in row
        assert "hooked unhooked" in bench.screen


# Attaching


async def test_c_puts_a_controller_on_with_its_parameters_shown(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await bench.press("c")
        for words in ("Hook 3.resid_post", "multiply", "no heads here", "reads only"):
            assert words in bench.screen, words
        await bench.press(*"scale", "enter")
        assert hooks(bench) == [(POST, "scale", {})]
        assert screen.place == ATTACHED
        for words in ("factor", "0 takes the activation away; default 1.5", "positions", "only at every Nth pass"):
            assert words in bench.screen, words
        assert any("◆" in line and "hook_resid_post" in line for line in bench.lines)
        assert bench.engine.sent[-1] == CheckHooks(bench.app.bench.hooks)


async def test_a_value_is_written_in_place_and_checked_at_once(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await put_on(bench, "neurons")
        await bench.press("enter", *"3,999", "enter")
        assert "neurons go from 0 to 255 here" in bench.screen
        assert screen.attached.editing == "3,999" and hooks(bench)[0][2] == {}
        await bench.press("ctrl+u", *"x")
        assert "is no list such as 0,3,5-7" in bench.screen
        await bench.press("ctrl+u", *"3,5-7", "enter")
        assert hooks(bench)[0][2] == {"neurons": (3, 5, 6, 7)}
        await bench.press("j", "enter", "enter")
        assert hooks(bench)[0][2]["action"] == "set"
        await bench.press("u")
        assert hooks(bench)[0][2]["action"] == "scale"
        await bench.press("j", "enter", *"2.5", "escape")
        assert "value" not in hooks(bench)[0][2] and screen.place == ATTACHED


async def test_a_wrong_value_is_refused_with_its_reason(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        for kind, keys, words in (
            ("clamp", ("j", "enter", *"-9", "enter"), "low lies above high"),
            ("scale", ("enter", *"1e9", "enter"), "factor is no usable number"),
            ("scale", ("enter", *"nan", "enter"), "'nan' is no"),
            ("scale", ("j", "j", "j", "j", "enter", *"0", "enter"), "is no whole number from 1"),
            ("neurons", ("enter", "ctrl+u", "enter"), "name at least one"),
        ):
            await put_on(bench, kind)
            before = bench.app.bench.hooks
            await bench.press(*keys)
            assert words in bench.screen, words
            assert bench.app.bench.hooks == before and screen.attached.editing is not None
            await bench.press("escape", "escape")


async def test_a_vector_is_chosen_from_those_there_are(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await put_on(bench, "add")
        assert hooks(bench)[0][2] == {"vector": "happy"}
        await bench.press("enter")
        assert "What calm text sounds like" in bench.screen
        await bench.press(*"calm", "enter")
        assert hooks(bench)[0][2] == {"vector": "calm"}


async def test_the_prompt_to_patch_from_is_asked_for_at_once(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await put_on(bench, "patch")
        assert screen.attached.editing == ""
        await bench.press("enter")
        assert "write the prompt to take the activation from" in bench.screen
        await bench.press(*"Paris is", "enter")
        assert hooks(bench)[0][2] == {"prompt": "Paris is"}


async def test_numbers_move_by_the_keys_of_strength_also_while_text_streams(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await put_on(bench, "scale")
        await bench.press("r")
        for key, value in {"=": 2.0, "+": 2.1, "-": 1.6, "_": 1.5, "0": 0.0}.items():
            await bench.tick(1)
            await bench.press(key)
            assert dict(bench.app.bench.hooks[0].values).get("factor", 1.5) == value
            assert bench.engine.hook_changes[-1] == bench.app.bench.hooks
        await bench.tick(2)
        shown = bench.app.screen.hooked._pieces  # type: ignore[attr-defined]
        marks = [text.strip() for text, paint in shown if paint == "mark"]
        assert marks[0] == "‹3.resid_post scale 2›" and marks[-1] == "‹3.resid_post scale 0›"


async def test_brackets_move_a_hook_or_a_watch_to_another_block(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await bench.press("space")
        await put_on(bench, "scale")
        await bench.press("]")
        assert hooks(bench)[0][0] == "blocks.4.hook_resid_post"
        assert screen.points.current and screen.points.current.name == "blocks.4.hook_resid_post"
        await bench.press("shift+tab", "[", "[", "[", "[")
        assert hooks(bench)[1][0] == "blocks.0.hook_resid_post"
        assert "no such block" in bench.toasts


async def test_order_switch_remove_and_undo(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        for kind in ("scale", "clamp", "running"):
            await put_on(bench, kind)
        await bench.press("K")
        assert [kind for _, kind, _ in hooks(bench)] == ["scale", "running", "clamp"]
        await bench.press("J", "space")
        assert [spec.enabled for spec in bench.app.bench.hooks] == [True, True, False]
        assert "2 of 3 on" in bench.screen
        await bench.press("x")
        assert [kind for _, kind, _ in hooks(bench)] == ["scale", "clamp"]
        assert "removed: u brings it back" in bench.toasts
        await bench.press("u", "u", "u", "u")
        assert [kind for _, kind, _ in hooks(bench)] == ["scale", "clamp", "running"]
        await bench.press("u", "u", "u")
        assert not bench.app.bench.hooks
        await bench.press("u")


async def test_x_on_a_point_takes_off_its_last_hook_then_its_watch(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await bench.press("space")
        await put_on(bench, "scale")
        await bench.press("h")
        assert screen.place == POINTS
        await bench.press("x")
        assert [kind for _, kind, _ in hooks(bench)] == ["watch"]
        await bench.press("x", "x")
        assert not bench.app.bench.hooks and "nothing to remove" in bench.toasts


async def test_what_only_the_engine_can_tell_is_shown_at_the_hook(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await put_on(bench, "scale")
        spec = bench.app.bench.hooks[0]
        bench.engine.events.append(HooksChecked((spec,), ((spec, "happy has no vector here"),)))
        await bench.settle()
        assert "✗" in bench.screen and "1 on, 1 wrong" in bench.screen
        await bench.press("=")  # another value: looked at anew
        assert "✗" not in bench.screen
        for event in (
            RunFailed(1, f"hook ScalingController at {POST} failed: it returned NaN", None),
            RecipeRefused(f"hook {spec.title}: too much", None),
        ):
            bench.engine.events.append(event)
            await bench.settle()
            assert "✗" in bench.screen
            await bench.press("=")


async def test_hooks_of_another_model_say_so(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        bench.app.change(bench.app.bench.set_hooks((HookSpec("blocks.77.hook_z", "scale"),)))
        await bench.settle()
        assert "✗" in bench.screen
        await bench.press("tab", "tab")
        assert "this model has no blocks.77.hook_z" in bench.screen


# Runs


async def test_a_run_shows_both_texts_what_hooks_did_and_the_logits(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await put_on(bench, "scale")
        await bench.press("r")
        await bench.tick(8)
        assert "went wonderfully, and" in bench.screen and "on until noon" in bench.screen
        await bench.tick(100)
        for words in ("64 tokens, limit", "happy:2@3-4 + 1 hook", "67/67 tokens by 50%", "' joy'", "+7.50"):
            assert words in bench.screen, words
        assert "max 7.50, mean 1.25" in bench.screen and "'\\nThe'" in bench.screen
        await bench.press("escape")
        assert "changed 67 of 67 tokens, by 50%, at most 50%" in bench.screen


async def test_the_run_is_repeated_with_its_hooks_and_live_changes(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await put_on(bench, "scale")
        await bench.press("r")
        await bench.tick(3)
        await bench.press("=")
        await bench.tick(100)
        await bench.press("x", ".")
        repeated = bench.engine.sent[-1]
        assert isinstance(repeated, Generate)
        assert [spec.kind for spec in repeated.request.hooks] == ["scale"]
        assert [
            (change.step, change.hooks and dict(change.hooks[0].values)) for change in repeated.request.changes
        ] == [(3, {"factor": 2.0})]


async def test_steer_says_that_hooks_act_and_marks_their_changes(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await bench.press("space")
        await put_on(bench, "scale")
        await bench.press("1")
        assert " Recipe +1 hook " in bench.screen
        await bench.press("r")
        await bench.tick(3)
        bench.app.change(bench.app.bench.undo())
        await bench.tick(3)
        assert "‹-3.resid_post scale›" in " ".join(bench.screen.split())
        assert " Recipe " in bench.screen and "hook" not in bench.screen.splitlines()[0]
        await bench.press("4")
        assert "wonderfully" in bench.screen


async def test_a_text_that_was_there_before_is_shown_at_the_first_visit(paths: Paths) -> None:
    async with workbench(paths, size=(160, 48)) as bench:
        await bench.press("r")
        await bench.tick(4)
        await bench.press("4")
        assert "went wonderfully, and" in bench.screen
        await bench.tick(4)
        assert "everyone left" in bench.screen


async def test_the_prompt_is_written_in_a_dialog_and_run(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await bench.press("i", *"!x", "enter")
        request = bench.engine.sent[-1]
        assert isinstance(request, Generate) and request.request.prompt == "The meeting went!x"
        await bench.press("i", "y", "escape")
        assert bench.app.bench.prompt == "The meeting went!xy"
        bench.app.change(bench.app.bench.set_prompt(" "))
        await bench.press("r")
        assert "the prompt is empty" in bench.toasts and " Prompt " in bench.screen


async def test_without_a_baseline_there_is_one_text(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await bench.press("b")
        await bench.settle()  # the panes are arranged anew after the first
        assert " Unhooked " not in bench.screen and " Logits " not in bench.screen
        await bench.press("r")
        await bench.tick(100)
        assert "wonderfully" in bench.screen and "until noon" not in bench.screen


async def test_copy_takes_what_the_pane_holds(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with inspect(paths) as (bench, _):
        copied: list[str] = []
        monkeypatch.setattr(bench.app, "copy_text", lambda text, what: copied.append(text))
        await bench.press("y")
        await put_on(bench, "scale")
        await bench.press("=", "y")
        assert copied == [POST, f"{POST}=scale,factor=2"]


# Own hooks from a file

OWN = (
    OwnHookInfo("double", "function", "Twice as much.", 3, ("blocks.1.hook_mlp_out",)),
    OwnHookInfo("halve", "function", "", 9, ()),
)


def loaded(path: str, *, is_reload: bool = False) -> HookFileLoaded:
    stamp = stamp_of(Path(path)) if Path(path).exists() else (0, 0)
    return HookFileLoaded(path, OWN, stamp, is_reload)


async def load(bench: Bench, path: str) -> None:
    """Name a file and let the engine load it."""
    await bench.press("f", "ctrl+u", *path, "enter")
    assert bench.engine.sent[-1] == LoadHookFile(path)
    bench.engine.events.append(loaded(path))
    await bench.settle()


async def test_f_loads_a_file_whose_hooks_can_then_be_put_on(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await load(bench, "/x/my.py")
        assert hooks(bench) == [("blocks.1.hook_mlp_out", FILE, {"name": "double"})]
        assert bench.app.bench.hook_file == "/x/my.py"
        assert "my.py: 2 hooks, 1 put on" in bench.toasts
        await bench.press("c")
        assert "Twice as much." in bench.screen and "line 3" in bench.screen
        await bench.press(*"halve", "enter")
        assert hooks(bench)[1] == (POST, FILE, {"name": "halve"})
        await bench.press("r")
        request = bench.engine.sent[-1]
        assert isinstance(request, Generate) and request.request.hook_file == "/x/my.py"
        assert "✗" not in bench.screen


async def test_hooks_of_another_file_come_off_and_undo_brings_them_back(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await bench.press("space")
        watched = bench.app.bench.hooks
        await load(bench, "/x/my.py")
        before = bench.app.bench.hooks
        assert len(before) == len(watched) + 1
        await load(bench, "/x/other.py")
        assert bench.app.bench.hook_file == "/x/other.py" and bench.app.bench.hooks == before
        assert "other.py: 2 hooks, 1 put on, 1 of my.py taken off: u undoes" in bench.toasts
        await bench.press("u")
        assert bench.app.bench.hook_file == "/x/my.py" and bench.app.bench.hooks == before


async def test_a_file_that_was_undone_is_not_brought_back_by_its_reading(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await load(bench, "/x/my.py")
        before = bench.app.bench.hooks
        await load(bench, "/x/other.py")
        await bench.press("u")
        bench.engine.events.append(loaded("/x/other.py", is_reload=True))
        await bench.settle()
        assert bench.app.bench.hook_file == "/x/my.py" and bench.app.bench.hooks == before


async def test_an_error_in_the_file_is_told_and_changes_nothing(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await load(bench, "/x/my.py")
        before = bench.app.bench
        await bench.press("f", "ctrl+u", *"/x/bad.py", "enter")
        bench.engine.events.append(HookFileFailed("/x/bad.py", "bad.py, line 3: SyntaxError: invalid syntax", "mend"))
        await bench.settle()
        assert "bad.py, line 3: SyntaxError" in bench.toasts
        assert bench.app.bench is before and len(screen.own) == 2


async def test_a_saved_file_is_loaded_again_also_in_the_running_text(paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    file = paths.data / "mine.py"
    file.write_text("one")
    async with inspect(paths) as (bench, screen):
        await load(bench, str(file))
        sent = len(bench.engine.sent)
        screen.look_at_file()
        assert len(bench.engine.sent) == sent
        await bench.press("r")
        await bench.tick(2)
        file.write_text("another")
        screen.look_at_file()
        assert bench.engine.hook_changes == [bench.app.bench.hooks]
        assert bench.engine.sent[-1] == LoadHookFile(str(file), is_reload=True)
        bench.engine.events.append(loaded(str(file), is_reload=True))
        await bench.settle()
        assert "loaded again" in bench.toasts and len(bench.app.bench.hooks) == 1


async def test_after_a_start_own_hooks_are_off_and_their_file_is_not_run_unasked(paths: Paths) -> None:
    paths.state.mkdir(parents=True)
    paths.session.write_text(
        '{"hook_file": "/x/my.py", "hooks": [{"point": "blocks.1.hook_mlp_out", "kind": "file",'
        ' "values": {"name": "double"}, "enabled": true}, {"point": "blocks.2.hook_resid_post", "kind": "scale"}]}'
    )
    async with inspect(paths) as (bench, _):
        assert [spec.enabled for spec in bench.app.bench.hooks] == [False, True]
        await bench.press("r")
        request = bench.engine.sent[-1]
        assert isinstance(request, Generate) and request.request.hook_file is None
        await bench.tick(100)
        await bench.press("tab", "tab", "space")
        assert "Run /x/my.py?" in bench.screen
        await bench.press("n")
        assert not any(isinstance(command, LoadHookFile) for command in bench.engine.sent)
        await bench.press("space", "y")
        assert bench.engine.sent[-1] == LoadHookFile("/x/my.py")
        bench.engine.events.append(loaded("/x/my.py"))
        await bench.settle()
        assert [spec.enabled for spec in bench.app.bench.hooks] == [True, True]


async def test_a_path_is_completed_and_folders_are_entered(paths: Paths) -> None:
    folder = paths.data / "with hooks"
    (folder / "inner").mkdir(parents=True)
    for name in ("first.py", "fiscal.py", "notes.txt"):
        (folder / name).write_text("")
    async with inspect(paths) as (bench, _):
        await bench.press("f", "ctrl+u", *str(paths.data / "wi"), "tab")
        assert "first.py" in bench.screen and "inner/" in bench.screen and "notes.txt" not in bench.screen
        await bench.press("f", "tab", "s", "down", "enter")
        assert bench.engine.sent[-1] == LoadHookFile(str(folder / "fiscal.py"))
        await bench.press("f", *"/x/my.py", "enter")
        assert bench.engine.sent[-1] == LoadHookFile("/x/my.py")


@pytest.mark.parametrize(
    ("text", "more", "path"),
    [("/w/", "/x.py", "/x.py"), ("/w/", "~", "~"), ("/w/", "x", "/w/x"), ("/w", "/", "/w/"), ("", "/", "/")],
)
def test_a_path_begins_anew_behind_a_separator(text: str, more: str, path: str) -> None:
    assert joined(text, more) == path


# Sizes and looks


@pytest.mark.parametrize("size", SIZES)
async def test_every_size_is_legible_and_every_pane_is_reached(paths: Paths, size: tuple[int, int]) -> None:
    async with inspect(paths, size=size) as (bench, screen):
        await bench.press("space")
        await put_on(bench, "scale")
        screen.watch_list.pause = 0.0
        await bench.press("r")
        await bench.tick(100)
        await bench.press("h")
        for name in PANES:
            assert screen.place == name
            assert f" {name.capitalize()} " in bench.screen
            assert len(bench.lines) == size[1] and all(len(line) == size[0] for line in bench.lines)
            assert "4 Inspect" in bench.lines[0] and "? keys" in bench.lines[-1]
            await bench.press("z")
            assert f" {name.capitalize()} " in bench.lines[1]
            await bench.press("z", "tab")


async def test_what_is_newly_watched_comes_to_the_front(paths: Paths) -> None:
    async with inspect(paths, size=(60, 16)) as (bench, screen):
        await put_on(bench, "scale")
        assert " Attached " in bench.screen and " Watch " not in bench.screen
        await bench.press("h", "space")
        assert " Watch " in bench.screen and "●3.res" in bench.screen and screen.place == POINTS


async def test_80x24_shows_tree_lists_and_both_texts_at_once(paths: Paths) -> None:
    async with inspect(paths, size=(80, 24)) as (bench, _):
        for name in (" Points ", " Watch ", " Attached ", " Hooked ", " Unhooked "):
            assert name in bench.screen


async def test_plain_ascii_is_enough(paths: Paths) -> None:
    async with inspect(paths, options=Options(ascii=True)) as (bench, screen):
        await bench.press("space")
        await put_on(bench, "scale")
        screen.watch_list.pause = 0.0
        await bench.press("r")
        await bench.tick(100)
        odd = {character for character in bench.screen if not character.isascii()}
        assert odd <= {"·"}
        assert "*" in bench.screen and "@" in bench.screen


async def test_a_small_terminal_says_so_and_grows_back(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await bench.press("tab")
        await bench.resize(50, 12)
        assert "too small" in bench.screen
        await bench.resize(80, 24)
        assert " Points " in bench.screen and screen.place == WATCH


async def test_esc_leaves_one_level_at_a_time(paths: Paths) -> None:
    async with inspect(paths) as (bench, screen):
        await put_on(bench, "scale")
        await bench.press("z", "enter")
        assert screen.attached.editing is not None
        await bench.press("escape")
        assert screen.attached.editing is None and screen.attached.opened == 0
        await bench.press("escape")
        assert screen.attached.opened < 0 and screen.desk.facts.zoomed
        await bench.press("escape")
        assert not screen.desk.facts.zoomed
        await bench.press("r", "escape")
        assert not bench.engine.is_running and bench.app.current_mode == "inspect"
        await bench.press("escape")
        assert bench.app.current_mode == "steer"


async def test_hostile_names_reasons_and_values_do_no_harm(paths: Paths) -> None:
    async with inspect(paths, FakeEngine(concepts=summaries()), size=(100, 40)) as (bench, screen):
        for text in NASTY.values():
            odd = (
                PointInfo(text, "m", ("batch", "pos", 256), True, None, text, 0),
                PointInfo(text + "2", text, (), False, text, text, None),
                PointInfo(text, text, (text,), True, None, text, None),
            )
            bench.engine.events.append(PointsListed(model_info().fingerprint, odd))
            own = OwnHookInfo(text, text, text, 1, (text,))
            bench.engine.events.append(HookFileLoaded(text, (own,), (0, 0), False))
            bench.engine.events.append(HookFileFailed(text, text, text))
            await bench.settle()
            screen.look_at_file()
            specs = (HookSpec(text, text, (("name", text),)), HookSpec(text, "patch", (("prompt", text),)))
            bench.app.change(bench.app.bench.set_hooks((*specs, HookSpec(text, "watch")), text))
            await bench.settle()
            assert_harmless(bench)
            screen.go_to(POINTS)
            for key in ("g", "space", "c", "escape", "tab", "tab", "enter", "escape"):
                await bench.press(key)
            assert_harmless(bench)
        await bench.press("r")
        await bench.tick(80)
        assert_harmless(bench)
        assert bench.app.is_running


async def test_keys_typed_ahead_while_a_filter_is_left_act(paths: Paths) -> None:
    async with inspect(paths) as (bench, _):
        await bench.press("/", *"3 resid_post")
        assert bench.app._driver is not None
        for name, character in (("enter", "\r"), ("space", " ")):
            event = events.Key(name, character)
            event.set_sender(bench.app)
            bench.app._driver.send_message(event)
        await bench.settle()
        assert hooks(bench) == [(POST, "watch", {})]


async def test_whatever_is_pressed_the_screen_goes_on(paths: Paths) -> None:
    dice = random.Random(7)
    keys = [key for action in ACTIONS for key in action.keys if key not in ("ctrl+q", "ctrl+z", "f", "1")]
    async with inspect(paths) as (bench, _):
        for step in range(160):
            await bench.press(dice.choice([*keys, *INSPECT_KEYS, *"0123,.x", "backspace"]))
            if step % 9 == 0:
                bench.engine.tick(dice.randrange(1, 9))
            if step % 23 == 0:
                await bench.pilot.resize_terminal(dice.randrange(40, 210), dice.randrange(10, 60))
            if bench.app.current_mode != "inspect" or len(bench.app.screen_stack) > 1:
                await bench.press("escape", "4")
            assert bench.app.is_running
        assert_harmless(bench)
