"""Runs of the journal in words: what differs between two, and Markdown that no text can break out of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steer_tui.engine.types import Change, Measures, ModelInfo, Request, RunResult, Sampling, Text
from steer_tui.session.history_words import differences, facts, moment, settings, short, to_markdown
from steer_tui.session.journal import Journal
from steer_tui.session.records import RunRecord
from tests.fakes import model_info

INFO = model_info()
REQUEST = Request("Once", "happy:2", Sampling(seed=7))


def record(
    journal: Journal, request: Request = REQUEST, info: ModelInfo = INFO, concept: float = 0.5, text: str = " a"
) -> RunRecord:
    made = Text(text, (1,), (-1.0,), "length")
    measures = Measures({"happy": (concept, 0.2)}, (6.0, 5.0), 0.8, 1.9, (0.9, 0.95))
    run = journal.begin(info, request)
    journal.finish(run, RunResult(info, request, (1,), made, made, ((), ()), measures, 1.0, 1.0))
    found = journal.get(run)
    assert found is not None
    return found


@pytest.fixture
def journal(paths: object) -> Journal:
    return Journal(paths.journal)  # type: ignore[attr-defined]


def test_the_same_run_differs_in_no_setting(journal: Journal) -> None:
    rows = differences(record(journal), record(journal))
    assert {row.name for row in rows} == {"happy", "perplexity", "KL, nats", "distinct-2"}
    assert all(row.delta == "+0.00" for row in rows)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"recipe": "sad"}, "recipe"),
        ({"prompt": "Twice"}, "prompt"),
        ({"sampling": Sampling(seed=8)}, "seed"),
        ({"sampling": Sampling(0.0, seed=7)}, "sampling"),
        ({"raw": True}, "sampling"),
        ({"changes": (Change(3, "sad"),)}, "live changes"),
    ],
)
def test_each_setting_that_differs_has_a_line(journal: Journal, change: dict[str, object], name: str) -> None:
    rows = differences(record(journal), record(journal, replace(REQUEST, **change)))  # type: ignore[arg-type]
    assert [row.name for row in rows if row.left != row.right] == [name]


def test_other_weights_of_one_name_differ(journal: Journal) -> None:
    rows = differences(record(journal), record(journal, info=replace(INFO, fingerprint="retrained")))
    assert [row.name for row in rows if row.left != row.right] == ["weights"]


def test_measures_say_by_how_much(journal: Journal) -> None:
    (row,) = (row for row in differences(record(journal), record(journal, concept=-0.25)) if row.name == "happy")
    assert (row.left, row.right, row.delta) == ("0.50", "-0.25", "-0.75")


def test_nothing_is_written_as_minus_nothing() -> None:
    assert (short(-0.001), short(None), short(1234.5)) == ("0.00", "-", "1234")


def test_facts_name_live_changes_and_sampling(journal: Journal) -> None:
    known = dict(facts(record(journal, replace(REQUEST, changes=(Change(3, "sad:1"),)))))
    assert known["from token"] == "3: sad:1"
    assert known["sampling"] == settings(REQUEST) == "temperature 0.7, 64 tokens, seed 7"


def test_a_moment_that_is_none_is_shown_as_it_is() -> None:
    assert moment("long ago") == "long ago"


def test_markdown_keeps_texts_in_their_place(journal: Journal) -> None:
    wild = "``` # heading\n## other\n\n- list `tick`"
    text = "".join(to_markdown([record(journal, replace(REQUEST, prompt=wild), text=wild)]))
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in text.splitlines() if line.startswith(("## 2", "### Prompt", "### Steered", "### Baseline"))
    ]
    assert "> ## other" in text
