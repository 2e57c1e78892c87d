"""The journal: what it keeps of a run, kills at any instant, two programs at once, disks that take nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from steer_tui.engine.types import Change, Request, RunResult, Sampling, Step, Text, Token
from steer_tui.session import journal_writer
from steer_tui.session.journal import MIGRATIONS, Journal
from steer_tui.session.journal_writer import FLUSH_SECONDS, JournalWriter
from tests.fakes import model_info
from tests.stopwatch import Stopwatch

ROOT = Path(__file__).resolve().parents[2]
INFO = model_info()
REQUEST = Request("The meeting went", "happy:2@3-4", Sampling(seed=7, max_tokens=3), changes=(Change(9, "sad"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


def token(text: str) -> Token:
    return Token(1, text, -1.0, True, None)


def step(index: int, steered: str = " a", baseline: str = " b", change: str | None = None) -> Step:
    return Step(index, token(steered), token(baseline), change, Change(index, change) if change else None)


def result(request: Request = REQUEST, steered: str = " a b") -> RunResult:
    text = Text(steered, (1, 2), (-1.0, -2.0), "length")
    return RunResult(INFO, request, (1,), text, text, ((), ()), None, 30.0, 1.0)


# What is kept


def test_a_run_is_kept_whole(journal: Journal) -> None:
    run = journal.begin(INFO, REQUEST)
    journal.append(run, [step(0), step(1)])
    journal.finish(run, result())
    record = journal.get(run)
    assert record is not None
    assert record.request == REQUEST
    assert record.result == result().to_json()
    assert (record.steered, record.baseline) == (" a b", " a b")
    assert record.model["id"] == "demo"
    entry = record.entry
    assert (entry.model, entry.prompt, entry.recipe, entry.seed) == ("demo", REQUEST.prompt, REQUEST.recipe, 7)
    assert (entry.finish, entry.starred, entry.note, entry.head) == ("length", False, "", " a b")
    assert entry.created.endswith("+00:00")


def test_text_is_there_while_it_streams(journal: Journal) -> None:
    run = journal.begin(INFO, REQUEST)
    journal.append(run, [step(0, " one", " uno")])
    journal.append(run, [step(1, " two", " due"), Step(2, token(" three"), None)])
    record = journal.get(run)
    assert record is not None
    assert (record.steered, record.baseline) == (" one two three", " uno due")
    assert (record.entry.finish, record.result) == (None, None)


def test_a_run_without_baseline_has_none(journal: Journal) -> None:
    run = journal.begin(INFO, replace(REQUEST, baseline=False))
    journal.append(run, [Step(0, token(" one"), None)])
    record = journal.get(run)
    assert record is not None
    assert record.baseline is None


def test_live_changes_are_in_the_request_even_of_a_run_that_never_ended(journal: Journal) -> None:
    run = journal.begin(INFO, REQUEST)
    journal.append(run, [step(0), step(1, change="happy:3"), step(2)])
    record = journal.get(run)
    assert record is not None
    assert record.request.changes == (Change(1, "happy:3"), Change(9, "sad"))


def test_a_failed_run_keeps_its_reason(journal: Journal) -> None:
    run = journal.begin(INFO, REQUEST)
    journal.fail(run, "the run does not fit\x1b[2J")
    record = journal.get(run)
    assert record is not None
    assert (record.entry.finish, record.message) == ("failed", "the run does not fit[2J")


def test_hostile_text_is_kept_harmless(journal: Journal) -> None:
    hostile = "[/] [@click=app.quit]x \x1b]52;c;!\x07 \ud800 \u202e 'quote\" % _"
    run = journal.begin(INFO, replace(REQUEST, prompt=hostile))
    journal.append(run, [step(0, hostile, hostile)])
    journal.annotate(run, hostile)
    (entry,) = journal.list()
    for text in (entry.prompt, entry.head, entry.note):
        assert not set("\x1b\x07\ud800\u202e") & set(text)
    record = journal.get(run)
    assert record is not None
    assert record.request.prompt == hostile


def test_there_is_no_run_of_another_number(journal: Journal) -> None:
    assert journal.get(5) is None
    assert journal.list() == ()


# Lists


def test_runs_are_listed_newest_first_in_pages(journal: Journal) -> None:
    runs = [journal.begin(INFO, REQUEST) for _ in range(5)]
    assert [entry.id for entry in journal.list(2)] == [runs[4], runs[3]]
    assert [entry.id for entry in journal.list(2, 2)] == [runs[2], runs[1]]
    assert [entry.id for entry in journal.list(9, 4)] == [runs[0]]


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("WEATHER", {0}),
        ("sad", {1}),
        ("100%", {2}),
        ("a_b", {3}),
        ("noted", {3}),
        ("demo", {0, 1, 2, 3}),
        ("\\", set()),
    ],
)
def test_the_filter_finds_text_as_it_is_written(journal: Journal, filter: str, found: set[int]) -> None:
    asked = [("Tell me about the weather", ""), ("Hi", "sad:2"), ("Hi", ""), ("a_b", "")]
    runs = [journal.begin(INFO, Request(prompt, recipe)) for prompt, recipe in asked]
    journal.append(runs[2], [step(0, "100% sure")])
    journal.annotate(runs[3], "noted")
    assert {runs.index(entry.id) for entry in journal.list(filter=filter)} == found


def test_starred_runs_can_be_listed_alone(journal: Journal) -> None:
    first, second = journal.begin(INFO, REQUEST), journal.begin(INFO, REQUEST)
    journal.star(first)
    assert [entry.id for entry in journal.list(starred=True)] == [first]
    journal.star(first, False)
    journal.star(second)
    assert [entry.id for entry in journal.list(starred=True, filter="meeting")] == [second]


# Versions


def test_an_older_file_is_brought_up_to_date_and_keeps_its_runs(path: Path) -> None:
    with Journal(path) as journal:
        run = journal.begin(INFO, REQUEST)

    def second(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE runs ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'")

    with Journal(path, (*MIGRATIONS, second)) as journal:
        assert [entry.id for entry in journal.list()] == [run]
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT mood FROM runs").fetchall() == [("fine",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    connection.close()


def test_an_update_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    with Journal(path) as journal:
        journal.begin(INFO, REQUEST)

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE runs")
        connection.execute("nonsense")

    with pytest.raises(sqlite3.OperationalError):
        Journal(path, (*MIGRATIONS, broken))
    with Journal(path) as journal:
        assert len(journal.list()) == 1


def test_a_newer_file_is_refused_untouched(path: Path) -> None:
    with Journal(path, (*MIGRATIONS, lambda connection: None)):
        pass
    before = path.read_bytes()
    with pytest.raises(sqlite3.NotSupportedError, match="newer"):
        Journal(path)
    assert path.read_bytes() == before


# The writer


class Writer(JournalWriter):
    """A writer that remembers its complaints."""

    def __init__(self, path: Path) -> None:
        self.troubles: list[tuple[str, str]] = []
        super().__init__(path, lambda message, hint: self.troubles.append((message, hint)))


def eventually(condition: object, timeout: float = 60.0) -> None:
    assert callable(condition)
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_nothing_is_made_before_the_first_run(path: Path) -> None:
    writer = Writer(path)
    assert writer.close(60)
    assert not path.parent.exists()


def test_a_writer_keeps_runs_that_interleave(path: Path) -> None:
    writer = Writer(path)
    for key in (10, 20):
        writer.begin(key, INFO, REQUEST)
    for index in range(100):
        writer.step(10, step(index, "a"))
        writer.step(20, step(index, "b"))
    writer.finish(10, result(steered="a" * 100))
    writer.fail(20, "broken")
    assert writer.close(60)
    assert writer.troubles == []
    with Journal(path) as journal:
        second, first = journal.list()
        assert (first.finish, first.head) == ("length", "a" * 100)
        assert (second.finish, second.head) == ("failed", "b" * 100)


def test_streamed_text_is_written_without_an_end(path: Path) -> None:
    writer = Writer(path)
    writer.begin(1, INFO, REQUEST)
    writer.step(1, step(0, " hello"))

    def is_written() -> bool:
        with Journal(path) as journal:
            return any(entry.head == " hello" for entry in journal.list())

    watch = Stopwatch()
    eventually(is_written)
    assert watch.look() < 10 * FLUSH_SECONDS
    writer.close(60)


def test_steps_are_written_in_batches(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    append = Journal.append

    def counting(self: Journal, run_id: int, steps: list[Step]) -> None:
        batches.append(len(steps))
        append(self, run_id, steps)

    monkeypatch.setattr(Journal, "append", counting)
    writer = Writer(path)
    writer.begin(1, INFO, REQUEST)
    for index in range(1000):
        writer.step(1, step(index))
    writer.close(60)
    assert sum(batches) == 1000
    assert len(batches) < 100


def test_two_programs_write_at_once(path: Path) -> None:
    writers = [Writer(path) for _ in range(4)]

    def work(writer: Writer) -> None:
        for key in range(5):
            writer.begin(key, INFO, REQUEST)
            for index in range(70):
                writer.step(key, step(index))
            writer.finish(key, result())

    threads = [threading.Thread(target=work, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def are_all_written() -> bool:  # one that closes does not wait long for the others
        with Journal(path) as journal:
            return [entry.finish for entry in journal.list()] == ["length"] * 20

    eventually(are_all_written)
    assert all(writer.close(60) for writer in writers)
    assert [writer.troubles for writer in writers] == [[], [], [], []]
    with Journal(path) as journal:
        assert [entry.finish for entry in journal.list()] == ["length"] * 20


def test_a_file_held_by_another_program_only_delays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steer_tui.session.journal.WAIT_SECONDS", 0.05)
    monkeypatch.setattr(journal_writer, "FLUSH_SECONDS", 0.05)
    Journal(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer = Writer(path)
    writer.begin(1, INFO, REQUEST)
    writer.step(1, step(0, " kept"))
    time.sleep(0.5)
    other.execute("COMMIT")
    other.close()
    time.sleep(0.3)
    assert writer.close(60)
    assert writer.troubles == []
    with Journal(path) as journal:
        assert [entry.head for entry in journal.list()] == [" kept"]


def test_a_full_disk_is_said_once_and_the_text_before_it_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Journal.__init__

    def on_a_small_disk(self: Journal, file: Path) -> None:
        opened(self, file)
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        self._connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    monkeypatch.setattr(Journal, "__init__", on_a_small_disk)
    writer = Writer(path)
    writer.begin(1, INFO, REQUEST)
    for index in range(400):
        writer.step(1, step(index, "x" * 1000))
    writer.finish(1, result())
    writer.begin(2, INFO, REQUEST)
    assert writer.close(60)
    ((message, hint),) = writer.troubles
    assert "full" in message
    assert "--data-dir" in hint
    monkeypatch.undo()
    with Journal(path) as journal:
        (entry,) = journal.list()
        assert entry.finish is None


def test_an_error_nobody_foresaw_is_said_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Journal, model: object, request: object) -> int:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(Journal, "begin", broken)
    writer = Writer(path)
    writer.begin(1, INFO, REQUEST)
    writer.begin(2, INFO, REQUEST)
    assert writer.close(60)
    ((message, _),) = writer.troubles
    assert "ZeroDivisionError: boom" in message


def test_a_place_that_takes_no_file_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    writer = Writer(tmp_path / "file" / "journal.sqlite3")
    for key in range(3):
        writer.begin(key, INFO, REQUEST)
        writer.step(key, step(0))
        writer.finish(key, result())
    assert writer.close(60)
    assert len(writer.troubles) == 1


def test_a_journal_that_may_only_be_read_is_said_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(path) as journal:
        run = journal.begin(INFO, REQUEST)
    opened = Journal.__init__

    def read_only(self: Journal, file: Path) -> None:
        opened(self, file)
        self._connection.execute("PRAGMA query_only = ON")

    monkeypatch.setattr(Journal, "__init__", read_only)
    writer = Writer(path)
    writer.begin(1, INFO, REQUEST)
    writer.finish(1, result())
    assert writer.close(60)
    assert len(writer.troubles) == 1
    assert [entry.id for entry in Journal(path).list()] == [run]


def test_a_file_that_is_no_journal_is_said_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"dear diary " * 1000)
    writer = Writer(path)
    writer.begin(1, INFO, REQUEST)
    assert writer.close(60)
    assert len(writer.troubles) == 1
    assert path.read_bytes() == b"dear diary " * 1000


# Kills

STREAMING = """
import sys, time
from pathlib import Path
from steer_tui.session.messages import Generate, LoadModel
from steer_tui.engine.types import Request, Sampling
from steer_tui.paths import find_paths
from tests.fakes import Script, fake_engine
engine = fake_engine(find_paths(Path(sys.argv[1])), Script(tokens_per_second=100))
engine.start()
engine.send(LoadModel("demo"))
engine.send(Generate(1, Request("The meeting went", "happy:2", Sampling(max_tokens=100000))))
while True:
    time.sleep(0.1)
    print("alive", flush=True)
"""


def test_a_kill_in_the_middle_of_a_run_leaves_its_text(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.sqlite3"
    command = [sys.executable, "-c", STREAMING, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:

            def has_text() -> bool:
                if not path.exists():
                    return False
                with Journal(path) as journal:
                    return any(len(entry.head) > 100 for entry in journal.list())

            eventually(has_text, 60)
        finally:
            process.kill()
    with Journal(path) as journal:
        (entry,) = journal.list()
        record = journal.get(entry.id)
        assert record is not None
        assert entry.finish is None
        assert len(record.steered) > 100
        assert record.baseline is not None
        assert record.request == Request("The meeting went", "happy:2", Sampling(max_tokens=100000))
        run = journal.begin(INFO, REQUEST)
        journal.finish(run, result())
        assert [found.finish for found in journal.list()] == ["length", None]
