"""A run is kept with the digest of its file of own hooks, and a replay says where the file is another one by now."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path

from steer_tui.engine.hookvalues import HookSpec
from steer_tui.engine.types import Change, Request, Sampling
from steer_tui.paths import Paths
from steer_tui.session.journal import Journal
from steer_tui.session.messages import Generate, Notice, RunFinished, RunSteps
from steer_tui.session.records import RunRecord, as_of_now, request_from_json, request_to_json
from steer_tui.session.runner import Engine
from tests.fakes import Listener
from tests.unit.test_runner_engine import WAIT, engine, in_use, loaded, model

__all__ = ["engine", "in_use", "loaded", "model"]  # fixtures

OWN = HookSpec("blocks.1.hook_resid_post", "file", (("name", "double"),))
TEXT = "def double(activation, hook):\n    return activation * 2\n"


def newest(paths: Paths) -> RunRecord:
    """Return the run that was kept last, once it is whole."""
    deadline = time.monotonic() + WAIT
    while True:
        assert time.monotonic() < deadline
        with Journal(paths.journal) as journal:
            entries = journal.list()
            record = journal.get(entries[0].id) if entries else None
        if record is not None and record.result is not None:
            return record
        time.sleep(0.02)


def notices(listener: Listener) -> list[str]:
    return [event.message for event in listener.all(Notice)]


def test_a_replay_says_that_the_file_has_changed_and_only_then(
    engine: Engine, loaded: Listener, paths: Paths, tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    own.write_text(TEXT)
    asked = Request("The meeting went", "", Sampling(max_tokens=4), hooks=(OWN,), hook_file=str(own))
    engine.send(Generate(1, asked))
    first = loaded.wait(RunFinished, WAIT).result
    record = newest(paths)
    assert record.request == first.request
    assert record.request.hook_sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    engine.send(Generate(2, record.request))
    assert loaded.wait(RunFinished, WAIT).result.steered.ids == first.steered.ids and notices(loaded) == []
    own.write_text(TEXT.replace("2", "-3"))
    engine.send(Generate(3, asked))
    loaded.wait(RunFinished, WAIT)
    assert notices(loaded) == [], "a new run takes the file as it is"
    engine.send(Generate(4, record.request))
    again = loaded.wait(RunFinished, WAIT).result
    assert notices(loaded) == ["own.py has changed since that run: the text may differ"]
    assert again.request.hook_sha256 == hashlib.sha256(own.read_bytes()).hexdigest()


def test_a_file_that_is_saved_while_text_streams_is_known_by_both_digests(
    engine: Engine, loaded: Listener, paths: Paths, tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    own.write_text(TEXT)
    asked = Request("The meeting went", "", Sampling(max_tokens=5000), hooks=(OWN,), hook_file=str(own))
    engine.send(Generate(1, asked))
    loaded.wait(RunSteps, WAIT)
    own.write_text(TEXT.replace("2", "0.25"))
    engine.change_hooks((OWN,), str(own))
    while not any(step.changed for event in loaded.all(RunSteps) for step in event.steps):
        time.sleep(0.01)
    engine.stop_run()
    loaded.wait(RunFinished, WAIT)
    request = newest(paths).request
    now = hashlib.sha256(own.read_bytes()).hexdigest()
    assert request.hook_sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert [change.hook_sha256 for change in request.changes] == [now]
    assert as_of_now(request)[1] == (str(own),), "it cannot be run as it was"


def test_requests_of_earlier_journals_and_lost_files(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.py")
    request = Request("a", "", hooks=(OWN,), hook_file=gone, changes=(Change(2, "", (OWN,), gone, "ab"),))
    assert request_from_json(request_to_json(request)) == request
    old = {key: value for key, value in request_to_json(request).items() if key != "hook_sha256"}
    assert request_from_json(old).hook_sha256 is None
    assert as_of_now(request) == (request, (gone,))
    assert as_of_now(replace(request, changes=())) == (replace(request, changes=()), ())
    assert as_of_now(Request("a", "happy")) == (Request("a", "happy"), ())
