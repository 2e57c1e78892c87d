"""`bench` measures what it says, in turns; how fast that is is for `tests/bench/speed.py`."""

from __future__ import annotations

import json

import pytest
import torch

from steer_tui.cli import main
from steer_tui.engine import bench as bench_module
from steer_tui.engine.bandwidth import bytes_per_token
from steer_tui.engine.bench import bench
from steer_tui.engine.hookbench import NONE, SHOWN, WATCHED, bench_hooks
from steer_tui.engine.random_llama import NumberTokenizer
from tests.unit.hooktools import is_clean, model_of
from tests.unit.tiny import left_behind, new_lm

WORKS = ["loop", "model.generate", "steered", "steered, statistics", "a/b", "a/b, statistics", "sweep"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "read_bandwidth", lambda device: 10e9)


def test_every_work_is_compared_with_one_that_was_measured() -> None:
    report = bench(new_lm(), rounds=1, tokens=4)
    assert [row.work for row in report.rows] == WORKS
    assert {row.to for row in report.rows} <= {*WORKS, "floor"}
    assert all(row.tokens_per_second > 0 and row.ratio > 0 for row in report.rows)
    assert report.floor_tokens_per_second == pytest.approx(10e9 / bytes_per_token(new_lm()))


def test_nothing_is_left_on_the_model() -> None:
    lm = new_lm()
    bench(lm, rounds=1, tokens=4)
    assert left_behind(lm) == []


def test_works_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[int] = []
    real = bench_module._decode

    def noted(lm: object, rows: list[object], *rest: object) -> list[float]:
        order.append(len(rows))
        return real(lm, rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(bench_module, "_decode", noted)
    bench(new_lm(), rounds=2, tokens=4)
    one_round = [1, 1, 1, 2, 2, 8]
    assert order == one_round * 3


def test_json_has_the_contract_s_keys(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steer_tui.engine.random_llama.random_llama", lambda *_: new_lm())
    assert main(["bench", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.keys() == {"version", "machine", "model", "rows", "floor_tokens_per_second"}
    assert all(row.keys() >= {"work", "tokens_per_second", "ratio", "to"} for row in report["rows"])


def test_the_table_names_every_work_and_the_floor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steer_tui.engine.random_llama.random_llama", lambda *_: new_lm())
    assert main(["bench"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{name} " in out for name in [*WORKS, "floor"])


def test_an_embedding_that_is_looked_up_only_counts_no_bytes() -> None:
    untied, tied = new_lm(tie_word_embeddings=False), new_lm(tie_word_embeddings=True)
    table = untied.structure.embed.weight.numel() * 4
    total = sum(parameter.numel() for parameter in untied.model.parameters()) * 4
    assert bytes_per_token(untied) == total - table
    assert bytes_per_token(tied) == bytes_per_token(untied)


def test_the_number_tokenizer_reads_and_writes() -> None:
    tokenizer = NumberTokenizer(50)
    ids = tokenizer("abc")["input_ids"]
    assert ids == [47, 48, 49]
    assert tokenizer.decode(torch.tensor(ids).tolist()) == " 47 48 49"


def test_the_cost_of_every_hook_is_told_and_the_model_left_clean() -> None:
    lm = model_of("llama")
    told: list[tuple[int, int]] = []
    costs = bench_hooks(lm, rounds=1, tokens=8, on_progress=lambda done, total: told.append((done, total)))
    names = [cost.hook for cost in costs]
    assert {NONE, WATCHED, SHOWN, "patch"} <= set(names) and len(set(names)) == len(names)
    assert all(cost.ratio > 0 and cost.error >= 0 for cost in costs)
    assert told == [(done, 2 * len(names)) for done in range(1, 2 * len(names) + 1)]
    assert [cost.hook for cost in bench_hooks(lm, rounds=1, tokens=1, only=[WATCHED])] == [WATCHED]
    assert is_clean(lm)
