"""Inspect on the real engine and the built-in model: live numbers, hooks of a file, whatever a hook may do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from steer_tui.config import load_config
from steer_tui.engine.hookvalues import FILE, HookSpec
from steer_tui.engine.models import demo_folder
from steer_tui.engine.types import Sampling, Step
from steer_tui.paths import Paths
from steer_tui.session.journal import Journal
from steer_tui.session.runner import Engine
from steer_tui.session.tools import Tools, engine_tools
from steer_tui.tui.app import SteerApp
from steer_tui.tui.screens.inspect import InspectScreen
from steer_tui.tui.terminal import claimed

POST = "blocks.2.hook_resid_post"
OWN = '''
"""Hooks for a test."""
import sys


def double(activation, hook):
    """Twice as much."""
    return activation * 2


def nothing(activation, hook):
    """Not a number."""
    return activation * float("nan")


def narrow(activation, hook):
    return activation[..., :3]


def divide(activation, hook):
    return activation / (1 // 0)


def leave(activation, hook):
    print("leaving now")
    print("for good", file=sys.stderr)
    sys.exit(3)


def give_up(activation, hook):
    raise KeyboardInterrupt


HOOKS = [("blocks.1.hook_mlp_out", double)]
'''
FOREVER = """
def forever(activation, hook):
    open(BEGUN, "w").close()
    while True:
        try:
            pass
        except Exception:
            pass

HOOKS = [(4, forever)]
"""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    if not (demo_folder() / "config.json").is_file():
        pytest.skip("no demo model")


@asynccontextmanager
async def opened(paths: Paths) -> AsyncIterator[tuple[SteerApp, InspectScreen, Pilot[int]]]:
    engine = Engine(paths)
    app = SteerApp(engine, paths, load_config(paths))
    async with app.run_test(size=(160, 48), notifications=True) as pilot:
        await until(lambda: app.status.info is not None)
        app.change(app.bench.clear_recipe().set_sampling(Sampling(temperature=0.0, max_tokens=12)))
        await pilot.press("4")
        await until(lambda: isinstance(app.screen, InspectScreen))
        screen = app.screen
        assert isinstance(screen, InspectScreen)
        await until(lambda: bool(screen.points.tree_of.points))
        yield app, screen, pilot
    engine.shutdown(3.0)
    app.saver.finish(1.0)


async def until(true: Callable[[], bool], seconds: float = 250.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def run(app: SteerApp, pilot: Pilot[int], key: str = "r") -> None:
    """Run, and wait for the end."""
    before = app.steer._run_id
    await pilot.press(key)
    await until(lambda: app.steer._run_id > before)
    await until(lambda: app.status.running is None)
    await pilot.pause()


def toasts(app: SteerApp) -> str:
    return "\n".join(toast.message for toast in app._notifications)


async def test_a_hook_changes_its_row_alone_and_the_run_is_kept_and_repeated(paths: Paths) -> None:
    async with opened(paths) as (app, screen, pilot):
        await run(app, pilot)
        plain = screen.unhooked.plain
        assert screen.hooked.plain == plain and screen.logits.difference is None
        hooks = (HookSpec(POST, "watch", rows=(0, 1)), HookSpec(POST, "scale", (("factor", 0.0),)))
        app.change(app.bench.set_hooks(hooks))
        await run(app, pilot)
        hooked = screen.hooked.plain
        assert screen.unhooked.plain == plain and hooked != plain
        known = screen.watch_list.history.of(POST)
        assert known.value("norm", 1) > 0 and known.count > 3
        report = screen.attached.reports[hooks[1]]
        assert report.changed_tokens == report.tokens > 3 and report.mean_change == pytest.approx(1.0)
        assert screen.logits.difference is not None and screen.logits.difference.max > 0
        await run(app, pilot, ".")
        assert screen.hooked.plain == hooked
    with Journal(paths.journal) as journal:
        newest = journal.get(journal.list()[0].id)
    assert newest is not None and newest.request.hooks == hooks


async def test_whatever_a_hook_does_the_workbench_goes_on(
    paths: Paths, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    async with opened(paths) as (app, screen, pilot):
        screen._load(str(file))
        await until(lambda: bool(screen.own))
        await until(lambda: [dict(spec.values)["name"] for spec in app.bench.hooks] == ["double"])
        await run(app, pilot)
        assert all(report.changed_tokens > 3 for report in screen.attached.reports.values())
        plain = screen.unhooked.plain
        for name, words in {
            "nothing": "it returned NaN",
            "narrow": "it returned shape",
            "divide": "ZeroDivisionError",
            "leave": "SystemExit",
            "give_up": "KeyboardInterrupt",
        }.items():
            app.clear_notifications()
            app.change(app.bench.set_hooks((HookSpec(POST, FILE, (("name", name),)),)))
            await run(app, pilot)
            await until(lambda words=words: words in toasts(app))
            assert screen.attached.problems, name
            assert words in screen.hooked._pieces[-1][0] and words not in screen.hooked.plain
            await until(lambda: "own.py" in toasts(app) and "line" in toasts(app))
        app.change(app.bench.set_hooks(()))
        await run(app, pilot)
        assert screen.hooked.plain == plain
    printed = capfd.readouterr().out  # descriptor 1, which is the log while the screen has the terminal
    assert "leaving now\n" in printed and "for good\n" in printed


async def test_a_saved_change_is_loaded_and_an_error_in_it_changes_nothing(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("def mine(activation, hook):\n    return activation * 0\n\nHOOKS = [(4, mine)]\n")
    async with opened(paths) as (app, screen, pilot):
        screen._load(str(file))
        await until(lambda: bool(screen.own))
        await until(lambda: [spec.point for spec in app.bench.hooks] == ["blocks.4.hook_resid_post"])
        file.write_text("def mine(activation, hook)\n    return activation * 0\n")
        screen.look_at_file()
        await until(lambda: "own.py, line 1: SyntaxError" in toasts(app))
        assert len(screen.own) == 1 and len(app.bench.hooks) == 1
        await until(lambda: "SyntaxError" in screen.attached.problems.get(app.bench.hooks[0], ""))
        file.write_text("def mine(activation, hook):\n    return activation\n\n\ndef other(activation, hook): ...\n")
        screen.look_at_file()
        await until(lambda: len(screen.own) == 2)
        await until(lambda: not screen.attached.problems)
        await run(app, pilot)
        assert screen.hooked.plain == screen.unhooked.plain


async def test_a_point_of_a_file_that_the_model_lacks_is_told(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("def mine(activation, hook): ...\n\n\nHOOKS = [('blocks.99.hook_resid_post', mine)]\n")
    async with opened(paths) as (app, screen, _):
        screen._load(str(file))
        said = "hook mine (line 1) is not put on: no hook point is called 'blocks.99.hook_resid_post'"
        await until(lambda: said in toasts(app))
        assert screen.own and app.bench.hooks == ()


async def test_a_hook_that_never_ends_is_interrupted_and_so_is_a_file(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    begun = tmp_path / "begun"
    file.write_text(FOREVER.replace("BEGUN", repr(str(begun))))
    async with opened(paths) as (app, screen, pilot):
        screen._load(str(file))
        await until(lambda: bool(screen.own))
        await pilot.press("r")
        await until(begun.exists)
        await pilot.press("escape")
        await until(lambda: app.status.running is None)
        await until(lambda: "forever at blocks.4.hook_resid_post failed: Interrupted" in toasts(app))
        await until(lambda: "line" in toasts(app) and bool(screen.attached.problems))
        app.change(app.bench.set_hooks(()))
        await run(app, pilot)
        assert screen.hooked.plain == screen.unhooked.plain != ""
        begun.unlink()
        file.write_text(f"open({str(begun)!r}, 'w').close()\nwhile True:\n    pass\n")
        screen._load(str(file))
        await until(begun.exists)
        await pilot.press("escape")
        await until(lambda: "own.py, line" in toasts(app))
        await until(lambda: not screen.is_loading_file)
        assert app.current_mode == "inspect"
        await run(app, pilot)
        assert screen.hooked.plain == screen.unhooked.plain != ""


async def test_what_the_engine_alone_can_tell_is_marked_before_a_run(paths: Paths) -> None:
    async with opened(paths) as (app, screen, pilot):
        spec = HookSpec("hook_logits", "add", (("vector", "happy"),))
        screen.put_hooks((spec,))
        await until(lambda: bool(screen.attached.problems))
        await until(lambda: "no vector for hook_logits" in screen.attached.problems.get(spec, ""))
        app.clear_notifications()
        await pilot.press("r")
        await until(lambda: "hook hook_logits=add" in toasts(app))
        assert app.status.running is None


def test_what_asks_for_input_while_the_screen_is_open_gets_none_of_its_keys(tmp_path: Path) -> None:
    with claimed(tmp_path / "log"), pytest.raises(EOFError):
        input("what now? ")


def slow_tools() -> Tools:
    """Return the engine's functions, a text's tokens 50 ms apart at least."""
    tools = engine_tools()

    def generate(*arguments: Any, on_step: Callable[[Step], None], **options: Any) -> Any:
        def slowly(step: Step) -> None:
            on_step(step)
            time.sleep(0.05)

        return tools.generate(*arguments, on_step=slowly, **options)

    return replace(tools, generate=generate)


async def test_points_and_files_come_also_while_a_text_streams(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("def mine(activation, hook):\n    return activation * 0\n\nHOOKS = [(4, mine)]\n")
    engine = Engine(paths, slow_tools)
    app = SteerApp(engine, paths, load_config(paths))
    async with app.run_test(size=(160, 48), notifications=True) as pilot:
        await until(lambda: app.status.info is not None)
        sampling = Sampling(temperature=3.0, max_tokens=450)  # too wild to come to an end
        app.change(app.bench.clear_recipe().set_raw(True).set_sampling(sampling))
        await pilot.press("r")
        await until(lambda: bool(app.steer.steered.plain))
        await pilot.press("4")
        await until(lambda: isinstance(app.screen, InspectScreen))
        screen = app.screen
        assert isinstance(screen, InspectScreen)
        await until(lambda: bool(screen.points.tree_of.points))
        assert app.status.running is not None and "hook_resid_mid" not in str(screen.points.tree_of.points)
        screen._load(str(file))
        await until(lambda: bool(app.bench.hooks))
        await until(lambda: bool(screen.running.hooks))
        assert app.status.running is not None
        await pilot.press("escape")
        await until(lambda: "blocks.0.hook_resid_mid" in screen.points.tree_of.points)
        await until(lambda: app.status.running is None and bool(screen.hooked.plain))
        assert "+4.resid_post mine" in "".join(text for text, paint in screen.hooked._pieces if paint == "mark")
    engine.shutdown(3.0)
    app.saver.finish(1.0)
