"""Runs and sweeps of the journal as one list: order, pages, filters, and what ten thousand of them cost."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from steer_tui.engine.hookvalues import HookSpec
from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.types import Request, Sampling, Step, Token
from steer_tui.session.journal import MIGRATIONS, Journal
from steer_tui.session.records import RunEntry, request_to_json
from steer_tui.session.sweep_records import SweepEntry
from tests.fakes import model_info
from tests.stopwatch import Stopwatch
from tests.sweeps import all_cells

INFO = model_info()
REQUEST = SweepRequest(("The meeting went", "Later"), ("happy",), ((2,), (3,)), (1.0, 2.0), seeds=(4, 5))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite3") as opened:
        yield opened


def add_run(journal: Journal, prompt: str = "Once", recipe: str = "happy", seed: int = 0, text: str = "") -> int:
    run = journal.begin(INFO, Request(prompt, recipe, Sampling(seed=seed)))
    journal.append(run, [Step(0, Token(1, text, -1.0, True, None), None)])
    return run


def titles(journal: Journal, filter: str = "", **more: int) -> list[str]:
    page = journal.history.page(filter, **more)
    return [entry.prompt if isinstance(entry, RunEntry) else f"sweep {entry.concept}" for entry in page.entries]


def mixed(journal: Journal) -> None:
    for number in range(3):
        add_run(journal, f"run {number}", seed=number, text=f"text {number}")
        time.sleep(0.002)
        journal.sweeps.begin(f"s{number}", INFO, SweepRequest((f"p{number}",), (f"c{number}",)))
        time.sleep(0.002)


def test_runs_and_sweeps_come_newest_first(journal: Journal) -> None:
    mixed(journal)
    assert titles(journal) == ["sweep c2", "run 2", "sweep c1", "run 1", "sweep c0", "run 0"]


def test_pages_join_without_a_gap(journal: Journal) -> None:
    mixed(journal)
    pages = [titles(journal, limit=4), titles(journal, limit=4, offset=4), titles(journal, limit=4, offset=8)]
    assert [title for page in pages for title in page] == titles(journal)
    assert journal.history.page(limit=1).total == 6


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("is:sweep", ["sweep c2", "sweep c1", "sweep c0"]),
        ("is:run", ["run 2", "run 1", "run 0"]),
        ("is:run is:sweep c1", ["sweep c1"]),
        ("RUN 2", ["run 2"]),
        ("text 1", ["run 1"]),
        ("seed:2", ["run 2"]),
        ("seed:0 is:run", ["run 0"]),
        ("seed:", []),
        ("on:1999 is:run", []),
        ("on:20 c1", ["sweep c1"]),
        ("p1", ["sweep c1"]),
        ("temperature", []),
        ("%", []),
        ("' OR 1=1 --", []),
        ("is:starred", []),
    ],
)
def test_a_filter_narrows_the_list(journal: Journal, filter: str, found: list[str]) -> None:
    mixed(journal)
    assert titles(journal, filter) == found
    assert journal.history.page(filter).total == len(found)


def test_stars_and_notes_are_found(journal: Journal) -> None:
    mixed(journal)
    journal.star(1)
    journal.sweeps.star(2)
    journal.sweeps.annotate(1, "look at this")
    assert titles(journal, "is:starred") == ["sweep c1", "run 0"]
    assert titles(journal, "LOOK") == ["sweep c0"]
    journal.sweeps.star(2, False)
    assert titles(journal, "is:starred") == ["run 0"]


def test_a_run_names_its_hooks(journal: Journal) -> None:
    spec = HookSpec("blocks.3.hook_resid_post", "scale", (("factor", 2.0),))
    journal.begin(INFO, Request("Once", "", hooks=(spec,)))
    (entry,) = journal.history.page("blocks.3").entries
    assert isinstance(entry, RunEntry) and entry.hooks == ("blocks.3.hook_resid_post=scale",)


def test_a_sweep_is_kept_cell_by_cell(journal: Journal) -> None:
    cells = all_cells(REQUEST)
    journal.sweeps.begin("one", INFO, REQUEST)
    journal.sweeps.keep("one", cells[:3])
    record = journal.sweeps.newest()
    assert record is not None
    assert (record.cells, record.request, record.entry.ending) == (cells[:3], REQUEST, None)
    assert (record.entry.done, record.entry.total) == (2, 4)
    journal.sweeps.keep("one", cells[3:])
    journal.sweeps.finish("one", True, "happy:2@3", 1.5, ("halved",))
    record = journal.sweeps.get(record.entry.id)
    assert record is not None
    entry = record.entry
    assert (entry.done, entry.ending, entry.best, entry.seed, entry.concept) == (4, "complete", "happy:2@3", 4, "happy")
    assert record.result.complete and record.result.grids[0].best is not None
    assert len(record.result.grids[0].controls.random) == 16
    assert (record.notes, record.seconds) == (("halved",), 1.5)


def test_a_resumed_sweep_is_one_sweep(journal: Journal) -> None:
    cells = all_cells(REQUEST)
    journal.sweeps.begin("one", INFO, REQUEST)
    journal.sweeps.keep("one", cells[:3])
    journal.sweeps.finish("one", False, "", 2.0, ())
    journal.sweeps.begin("one", INFO, REQUEST, cells[:3])
    journal.sweeps.keep("one", cells[2:])
    journal.sweeps.finish("one", True, "happy", 3.0, ())
    assert journal.history.page().total == 1
    record = journal.sweeps.newest()
    assert record is not None
    assert record.seconds == 5.0 and {cell.key for cell in record.cells} == {cell.key for cell in cells}


def test_a_failed_sweep_keeps_its_reason_and_its_cells(journal: Journal) -> None:
    journal.sweeps.begin("one", INFO, REQUEST, all_cells(REQUEST)[:2])
    journal.sweeps.fail("one", "no memory\x1b[2J")
    record = journal.sweeps.newest()
    assert record is not None
    assert (record.entry.ending, record.message, len(record.cells)) == ("failed", "no memory[2J", 2)
    assert journal.sweeps.get(99) is None


def test_an_older_journal_gets_the_tables_and_keeps_its_runs(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with Journal(path, MIGRATIONS[:1]) as journal:
        add_run(journal, "kept")
    with Journal(path) as journal:
        assert titles(journal) == ["kept"]
        assert journal.sweeps.newest() is None


def test_a_page_of_ten_thousand_comes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    Journal(path).close()
    request = json.dumps(request_to_json(Request("Once", "happy:2@3-4")))
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO runs (created, model_ref, model, prompt, recipe, request, steered)"
            " VALUES (?, 'demo', '{}', 'Once', 'happy:2@3-4', ?, ?)",
            ((f"2026-01-01T00:00:{n:06}", request, f"the text of run {n} " * 20) for n in range(10_000)),
        )
    connection.close()
    with Journal(path) as journal:
        watch = Stopwatch()
        newest, oldest = journal.history.page(), journal.history.page(offset=9_900)
        assert watch.look() < 2
        assert (newest.total, len(newest.entries), len(oldest.entries)) == (10_000, 100, 100)
        found = journal.history.page("run 7777").entries
        assert [entry.id for entry in found] == [7778]
        assert not isinstance(found[0], SweepEntry)
