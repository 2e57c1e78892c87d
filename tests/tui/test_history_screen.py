"""History, key by key: reading, filtering, replaying exactly, comparing, stars and notes, export, ten thousand runs."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from steer_tui.engine.hookvalues import HookSpec
from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.types import Change, Measures, Request, RunResult, Sampling, Text
from steer_tui.errors import LibraryError
from steer_tui.paths import Paths
from steer_tui.session.history_file import HistoryFile
from steer_tui.session.history_rows import HistoryPage
from steer_tui.session.journal import Journal
from steer_tui.session.messages import Generate
from steer_tui.session.records import request_to_json
from steer_tui.session.sweep_messages import RunSweep
from steer_tui.tui.history_layout import ENTRIES, RECORD, HistoryFacts, arrange
from steer_tui.tui.screens.history import HistoryScreen
from tests.stopwatch import Stopwatch
from tests.sweeps import all_cells
from tests.tui.desk import Bench, workbench
from tests.tui.fake import FakeEngine, model_info
from tests.tui.test_hostile import NASTY, assert_harmless
from tests.tui.test_sweep_screen import paste

INFO = model_info()
SIZES = [(60, 16), (80, 24), (160, 48)]
CHANGED = Request("The meeting went", "happy:2@3-4", Sampling(seed=7, max_tokens=9), changes=(Change(3, "sad:1"),))
SWEEP = SweepRequest(("Once",), ("calm",), ((2,), (3,)), (1.0, 2.0))


def keep(journal: Journal, request: Request, steered: str, concept: float = 0.9) -> None:
    run = journal.begin(INFO, request)
    text, plain = (Text(words, (1, 2), (-1.0, -2.0), "length") for words in (steered, " as usual"))
    measures = Measures({"happy": (concept, 0.2)}, (6.1, 5.2), 0.8, 1.9, (0.9, 0.95))
    journal.finish(run, RunResult(INFO, request, (1,), text, plain, ((), ()), measures, 30.0, 1.0))


@pytest.fixture
def filled(paths: Paths) -> Paths:
    """A journal of a sweep that was cut off, and three runs after it."""
    with Journal(paths.journal) as journal:
        journal.sweeps.begin("cut", INFO, SWEEP, all_cells(SWEEP)[:3])
        time.sleep(0.002)
        keep(journal, Request("First", "formal:1", Sampling(seed=1)), " one formal text", 0.1)
        time.sleep(0.002)
        keep(journal, CHANGED, " a changed text")
        time.sleep(0.002)
        keep(journal, Request("Last", "happy:1", Sampling(seed=3)), " the newest text", 1.5)
    return paths


def history(bench: Bench) -> HistoryScreen:
    place = bench.app.places["history"]
    assert isinstance(place, HistoryScreen)
    return place


async def shows(bench: Bench, words: str | Callable[[], bool]) -> None:
    """Wait until the screen shows something: the journal is read on another thread."""

    def true() -> bool:
        return words in bench.screen + bench.toasts if isinstance(words, str) else words()

    deadline = time.monotonic() + 200
    while not true():
        assert time.monotonic() < deadline, f"{words!r} never came:\n{bench.screen}\n{bench.toasts}"
        await bench.pilot.pause(0.02)
        await bench.settle()


async def open_history(bench: Bench) -> None:
    await bench.press("5")
    await shows(bench, "the newest text")


async def test_the_newest_comes_first_with_recipe_model_and_text(filled: Paths) -> None:
    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        for row, words in zip(bench.lines[3:7], ("happy:1", "happy:2@3-4", "formal:1", "sweep calm"), strict=True):
            assert words in row
        await shows(bench, "seed 3")
        assert "temperature 0.7, 64 tokens, seed 3" in bench.screen and "as usual" in bench.screen
        await bench.press("j")
        await shows(bench, "3: sad:1")


async def test_that_hooks_acted_is_said_whole_on_a_narrow_screen(paths: Paths) -> None:
    long = "happy:2@3-4,formal:1.25@2-5,sad:-0.5"
    hooks = (HookSpec("blocks.3.hook_resid_post", "watch"), HookSpec("blocks.3.hook_resid_post", "scale"))
    with Journal(paths.journal) as journal:
        keep(journal, Request("One", long, Sampling(seed=1), hooks=hooks[:1]), " one hook")
        keep(journal, Request("Two", long, Sampling(seed=1), hooks=hooks), " the newest text")
    async with workbench(paths, size=(80, 24)) as bench:
        await open_history(bench)
        assert "… +2 hooks " in bench.screen and "… +1 hook " in bench.screen


async def test_an_empty_journal_says_the_next_key(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("5")
        await shows(bench, "r on Steer runs")
        await bench.press("*", "c", "x")
        assert "nothing here yet" in bench.toasts


async def test_a_damaged_journal_is_told(paths: Paths) -> None:
    paths.state.mkdir(parents=True)
    paths.journal.write_bytes(b"no database" * 200)
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("5")
        await shows(bench, "move it away to begin a new one")
        assert bench.app.is_running


async def test_a_filter_narrows_and_esc_clears_it(filled: Paths) -> None:
    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        await bench.press("/")
        await bench.type("is:run formal")
        await shows(bench, "1 match")
        assert "changed text" not in "\n".join(bench.lines[:8])
        await bench.press("enter", "escape")
        await shows(bench, lambda: history(bench).entries.total == 4)
        await bench.press("/")
        await bench.type("nonesuch")
        await shows(bench, "nothing matches: esc clears")


@pytest.mark.parametrize("key", [".", "r"])
async def test_a_replay_sends_the_very_request_live_changes_too(filled: Paths, key: str) -> None:
    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        await bench.press("j", key)
        await shows(bench, "with 1 live change")
        sent = bench.engine.sent[-1]
        assert isinstance(sent, Generate) and sent.request == CHANGED
        assert bench.app.current_mode == "steer"


async def test_a_replay_for_another_model_loads_it_first(paths: Paths) -> None:
    other = replace(model_info("org/other"), fingerprint="other")
    with Journal(paths.journal) as journal:
        journal.begin(other, Request("Once", "happy"))
    async with workbench(paths, size=(120, 36)) as bench:
        await bench.press("5")
        await shows(bench, "cut off")
        await bench.press(".")
        await shows(bench, "This run was made by org/other")
        await bench.press("enter")
        await bench.settle()
        await shows(bench, "replayed")
        assert bench.app.status.info is not None and bench.app.status.info.ref == "org/other"
        assert isinstance(bench.engine.sent[-1], Generate)


async def test_enter_reads_and_once_more_puts_it_on_steer(filled: Paths) -> None:
    spec = HookSpec("blocks.3.hook_resid_post", "scale", (("factor", 2.0),))
    with Journal(filled.journal) as journal:
        request = Request("With hooks", "sad:2@1", Sampling(0.0, seed=5), hooks=(spec,), raw=True)
        keep(journal, request, " hooked text")
    async with workbench(filled, size=(80, 24)) as bench:
        await bench.press("5")
        await shows(bench, "hooked text")
        await bench.press("enter")
        await shows(bench, lambda: history(bench).place == RECORD)
        await bench.press("z")
        assert "blocks.3.hook_resid_post=scale" in bench.screen
        await bench.press("enter")
        await shows(bench, lambda: bench.app.current_mode == "steer")
        state = bench.app.bench
        assert (state.prompt, bench.recipe, state.sampling, state.raw) == (
            "With hooks",
            "sad:2@1",
            request.sampling,
            True,
        )
        assert state.hooks == (spec,)


async def test_two_runs_stand_side_by_side_with_what_differs(filled: Paths) -> None:
    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        await bench.press("c")
        await shows(bench, "marked as A")
        await bench.press("G", "k", "c")
        await shows(bench, " Difference ")
        for words in ("the newest text", "one formal text", "recipe", "seed", "1.50", "0.10", "-1.40"):
            assert words in bench.screen, words
        await bench.press("escape")
        assert " History " in bench.screen and " Difference " not in bench.screen


async def test_a_sweep_cannot_be_compared_but_opens_and_goes_on(filled: Paths) -> None:
    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        await bench.press("G", "c")
        await shows(bench, "two runs can be compared")
        await bench.press("enter")
        await shows(bench, "2 of 4 cells: r goes on")
        assert bench.app.current_mode == "sweep" and "calm" in bench.screen
        await bench.press("r")
        sent = bench.engine.sent[-1]
        assert isinstance(sent, RunSweep) and (sent.uid, sent.request, len(sent.done)) == ("cut", SWEEP, 3)


async def test_stars_and_notes_are_kept(filled: Paths) -> None:
    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        await bench.press("*")
        await shows(bench, "★")
        await bench.press("w")
        await bench.type("look here")
        await bench.press("enter")
        await shows(bench, "look here: the newest")
        await bench.press("G", "*")
        await shows(bench, lambda: bench.screen.count("★") == 2)
        await bench.press("/")
        await bench.type("is:starred is:run")
        await shows(bench, "1 match")
    with Journal(filled.journal) as journal:
        newest, *_ = journal.list()
        assert newest.starred and newest.note == "look here"
        assert journal.history.page("is:starred is:sweep").total == 1


@pytest.mark.parametrize("ending", ["jsonl", "md"])
async def test_what_the_filter_lets_through_is_exported(filled: Paths, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"out.{ending}"
    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        await bench.press("x", "ctrl+u")
        await paste(bench, str(target))
        assert "4 entries" in bench.screen
        await bench.press("enter")
        await shows(bench, " written, ")
    text = target.read_text()
    if ending == "md":
        assert text.count("\n## ") + text.startswith("## ") == 4 and "> The meeting went" in text
        return
    entries = [json.loads(line) for line in text.splitlines()]
    assert [entry["kind"] for entry in entries] == ["run", "run", "run", "sweep"]
    assert entries[1]["request"] == request_to_json(CHANGED)
    assert entries[3]["cells"] and entries[3]["complete"] is False


async def test_a_run_that_ends_appears(filled: Paths) -> None:
    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        with Journal(filled.journal) as journal:
            keep(journal, Request("New", "calm"), " a brand new text")
        await bench.press("1", "5")
        await shows(bench, "a brand new text")


async def test_ten_thousand_runs_open_quickly_and_scroll(paths: Paths) -> None:
    Journal(paths.journal).close()
    request = json.dumps(request_to_json(Request("Once", "happy:2@3-4")))
    with sqlite3.connect(paths.journal) as connection:
        connection.executemany(
            "INSERT INTO runs (created, model_ref, model, prompt, recipe, request, steered)"
            " VALUES (?, 'demo', '{}', 'Once', 'happy:2@3-4', ?, ?)",
            ((f"2026-01-01T00:00:{n:06}", request, f"text of run {n} " * 20) for n in range(10_000)),
        )
    connection.close()
    async with workbench(paths, size=(80, 24)) as bench:
        watch = Stopwatch()
        await bench.press("5")
        await shows(bench, "text of run 9999")
        assert watch.look() < 3.0
        assert "10,000" in bench.screen
        await bench.press("G")
        await shows(bench, "text of run 0 ")
        await bench.press("g")
        await shows(bench, "text of run 9999")
        assert len(history(bench).entries._pages) <= 4


@pytest.mark.parametrize("size", SIZES)
async def test_it_is_legible_at_every_size(filled: Paths, size: tuple[int, int]) -> None:
    async with workbench(filled, size=size) as bench:
        await bench.press("5")
        await shows(bench, "newest")
        lines = bench.lines
        assert len(lines) == size[1] and all(len(line) == size[0] for line in lines)
        assert "5 History" in lines[0] and "? keys" in lines[-1]
        for words in (" History ", "sweep calm", "happy:2@3-4"):
            assert words in bench.screen


@pytest.mark.parametrize("comparing", [False, True])
def test_panes_cover_the_desk_and_never_overlap(comparing: bool) -> None:
    for width in range(60, 220, 20):
        for height in range(14, 60, 9):
            taken: set[tuple[int, int]] = set()
            for box in arrange(width, height, HistoryFacts(comparing=comparing, differences=5)).values():
                cells = {(x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)}
                assert box.height >= 3 and not cells & taken
                taken |= cells
            assert len(taken) == width * height


async def test_hostile_entries_do_no_harm(paths: Paths) -> None:
    nasty = "".join(NASTY.values())
    with Journal(paths.journal) as journal:
        for text in (nasty, NASTY["action"], NASTY["long"]):
            keep(journal, Request(text, "happy"), text)
            journal.annotate(1, text)
    async with workbench(paths, FakeEngine(), size=(100, 40)) as bench:
        await bench.press("5")
        await shows(bench, lambda: history(bench).record is not None)
        for key in ("j", "c", "j", "c", "escape", "tab", "z", "z", "w", "escape"):
            await bench.press(key)
            await bench.settle()
            assert_harmless(bench)
        assert history(bench).place in (ENTRIES, RECORD)


async def test_what_was_asked_before_a_change_does_not_undo_it_on_the_screen(
    filled: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = HistoryFile.page

    def slow(file: HistoryFile, filter: str, number: int) -> HistoryPage:
        page = plain(file, filter, number)
        time.sleep(0.2)
        return page

    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        monkeypatch.setattr(HistoryFile, "page", slow)
        history(bench).read_again()
        await bench._press("*")
        await bench._press("j")
        await bench._press("w")
        await bench.type("look here")
        await bench.press("enter")
        await shows(bench, "look here: a changed text")
        assert bench.screen.count("★") == 1 and "note        look here" in bench.screen


async def test_two_stars_in_one_burst_are_none(filled: Paths) -> None:
    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        await bench._press("*")
        await bench.press("*")
        assert "★" not in bench.screen
    with Journal(filled.journal) as journal:
        assert not any(entry.starred for entry in journal.list())


async def test_a_star_that_cannot_be_kept_goes_and_says_why(filled: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise LibraryError("the journal is read-only")

    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        monkeypatch.setattr(HistoryFile, "star", refuse)
        await bench.press("*")
        await shows(bench, "the journal is read-only")
        await shows(bench, lambda: "★" not in bench.screen)


async def test_a_star_is_kept_though_the_reading_before_it_fails_badly(
    filled: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles: list[type[BaseException]] = []

    def broken(*_: object) -> None:
        time.sleep(0.1)
        raise ZeroDivisionError

    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        monkeypatch.setattr(threading, "excepthook", lambda known: troubles.append(known.exc_type))
        monkeypatch.setattr(HistoryFile, "record", broken)
        await bench._press("j")
        await bench.press("*")
        await shows(bench, "★")
        bench.app.journal_work.finish(60.0)
    with Journal(filled.journal) as journal:
        assert [entry.starred for entry in journal.list()] == [False, True, False]
    assert set(troubles) == {ZeroDivisionError}


async def test_a_star_is_kept_where_the_next_key_leaves(filled: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = HistoryFile.page

    def slow(file: HistoryFile, filter: str, number: int) -> HistoryPage:
        time.sleep(0.3)
        return plain(file, filter, number)

    async with workbench(filled, size=(120, 36)) as bench:
        await open_history(bench)
        monkeypatch.setattr(HistoryFile, "page", slow)
        history(bench).read_again()
        await bench._press("*")
        bench.app.leave()
    bench.app.journal_work.finish(60.0)
    with Journal(filled.journal) as journal:
        assert journal.list()[0].starred
