"""Sweeps of tiny models: measures, controls, memory, stopping, going on, broken strengths, mixes, the search."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from steer_tui.demo.scoring import shows
from steer_tui.engine import sweepbatch, sweepmemory, sweeprun, sweepvectors
from steer_tui.engine.decode import Decoder, Drawn
from steer_tui.engine.generate import Controls
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.models import DEMO
from steer_tui.engine.recipe import Layers, parse_recipe
from steer_tui.engine.resolve import first_best
from steer_tui.engine.scope import parse_scope
from steer_tui.engine.sweep import sweep
from steer_tui.engine.sweepauto import next_sizes
from steer_tui.engine.sweepcells import Job
from steer_tui.engine.sweepfigures import goes_in_circles
from steer_tui.engine.sweepgrid import SweepResult
from steer_tui.engine.sweeprequest import SweepRequest, mixer
from steer_tui.engine.sweeptypes import Cell, SweepProgress
from steer_tui.engine.sweepvectors import random_vector, shuffled_vector
from steer_tui.engine.types import Sampling
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import OutOfMemory, RecipeError, ShapeMismatch, UsageError
from tests.unit.reference import steered_pass
from tests.unit.test_measure import plain_logprobs, slow_place
from tests.unit.tiny import left_behind, new_lm, new_vector, new_vectors, shared_lm

PROMPT = "The meeting went"
OTHER = "I am so happy today, and"
ROWS: tuple[Layers, ...] = ((1,), (0, 2))


@dataclass(frozen=True)
class Texts:
    """A concept's examples."""

    positive: tuple[str, ...] = ("I am so happy", "what a wonderful morning", "a joy", "glad")
    negative: tuple[str, ...] = ("a note about it", "as planned", "a table", "grey")
    words: tuple[str, ...] = ()
    instruction: str = "Answer happily."


def asked(**changes: Any) -> SweepRequest:
    plain = SweepRequest((PROMPT,), ("happy",), ROWS, (0.5, 2.0), sampling=Sampling(0.9, max_tokens=12), controls=False)
    return replace(plain, **changes)


def keys(result: SweepResult) -> list[str]:
    return [cell.key for grid in result.grids for cell in grid.all_cells()]


def figures(cell: Cell) -> list[float | None]:
    return [cell.concept, cell.perplexity, cell.kl_mean, cell.kl_p95, cell.distinct_2, cell.relative_norm]


def same(one: SweepResult, other: SweepResult) -> None:
    """Assert that two results have the same cells: equal texts, figures to rounding."""
    assert keys(one) == keys(other)
    for mine, yours in zip(one.grids, other.grids, strict=True):
        for left, right in zip(mine.all_cells(), yours.all_cells(), strict=True):
            assert [text.ids for text in left.texts] == [text.ids for text in right.texts], left.key
            assert figures(left) == pytest.approx(figures(right), rel=1e-3, abs=1e-4), left.key


# Measures


@pytest.mark.parametrize("op, scope", [("add", "all"), ("rotate", "generated"), ("keepnorm", "prompt")])
def test_figures_are_those_of_slow_loops_over_all_texts(op: str, scope: str) -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy")
    request = asked(prompts=(PROMPT, OTHER), seeds=(3, 4), op=op, scope=parse_scope(scope))
    cell = sweep(lm, request, vectors).grids[0].cells[3]
    surprise, places, kl, distinct = [], [], [], []
    for text in cell.texts:
        prompt, ids = lm.encode(request.prompts[text.prompt]), list(text.ids)
        plain = plain_logprobs(lm, prompt, ids)
        surprise += [-float(row[token]) for row, token in zip(plain, ids, strict=True)]
        places.append(slow_place(lm, vectors["happy"], prompt, ids))
        _, logits = steered_pass(lm, prompt + ids[:-1], len(prompt), parse_recipe(cell.recipe), vectors)
        drawn = torch.log_softmax(logits[len(prompt) - 1 :].double(), -1)
        kl += [float((p.exp() * (p - q)).sum()) for p, q in zip(drawn, plain, strict=True)]
        distinct.append((len(set(pairwise(ids))), len(ids) - 1))
    assert cell.perplexity == pytest.approx(math.exp(sum(surprise) / len(surprise)), rel=1e-3)
    assert cell.concept == pytest.approx(sum(places) / len(places), rel=1e-3, abs=1e-4)
    assert cell.kl_mean == pytest.approx(sum(kl) / len(kl), rel=1e-3)
    assert cell.kl_p95 == pytest.approx(float(np.percentile(kl, 95)), rel=1e-3)
    assert cell.distinct_2 == pytest.approx(sum(a for a, _ in distinct) / sum(b for _, b in distinct))
    assert set(cell.spread) == {"concept", "perplexity", "kl_mean", "distinct_2"}
    own = [text.concept for text in cell.texts]
    assert cell.spread["concept"] == pytest.approx(float(np.std(own, ddof=1)), rel=1e-5)
    assert not left_behind(lm)


@pytest.mark.parametrize("scope", ["all", "generated", "prompt", "last"])
def test_the_relative_norm_is_what_was_added_over_what_was_there(scope: str) -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy")
    request = asked(layers=((1,),), strengths=(2.0,), scope=parse_scope(scope), sampling=Sampling(0, max_tokens=6))
    cell = sweep(lm, request, vectors).grids[0].cells[0]
    prompt, ids = lm.encode(PROMPT), list(cell.texts[0].ids)
    recipe = parse_recipe(cell.recipe)
    after = steered_pass(lm, prompt + ids[:-1], len(prompt), recipe, vectors)[0][1]
    held = [place for place in range(len(after)) if recipe.terms[0].scope.contains(place, len(prompt))]
    added = 2.0 * vectors["happy"].layers[1]
    ratios = [float(added.norm() / (after[place] - added).norm()) for place in held]
    assert cell.relative_norm == pytest.approx(sum(ratios) / len(ratios), rel=1e-4)


@pytest.mark.parametrize("op", ["add", "keepnorm", "ablate", "rotate"])
def test_no_strength_changes_nothing(op: str) -> None:
    request = asked(strengths=(0.0, 1.0), op=op, seeds=(1, 2))
    grid = sweep(shared_lm(), request, new_vectors(shared_lm(), "happy")).grids[0]
    assert grid.baseline is not None and grid.baseline.kl_mean == pytest.approx(0, abs=1e-6)
    for row in grid.rows:
        cell = grid.at(row, 0.0)
        assert cell is not None and cell.kl_mean is not None and 0 <= cell.kl_mean < 1e-6
        assert [text.ids for text in cell.texts] == [text.ids for text in grid.baseline.texts]
        assert cell.relative_norm == 0 if op == "add" else (cell.relative_norm or 0.0) < 1e-4
        assert grid.at(row, 1.0).kl_mean > 1e-4  # type: ignore[union-attr, operator]


def test_without_measures_there_are_texts() -> None:
    grid = sweep(shared_lm(), asked(measures=False), new_vectors(shared_lm(), "happy")).grids[0]
    measured = sweep(shared_lm(), asked(), new_vectors(shared_lm(), "happy")).grids[0]
    assert [cell.texts[0].ids for cell in grid.cells] == [cell.texts[0].ids for cell in measured.cells]
    assert {(cell.concept, cell.kl_mean, cell.perplexity) for cell in grid.cells} == {(None, None, None)}
    assert all(cell.distinct_2 is not None for cell in grid.cells) and grid.best is None


def test_a_model_sweeps_itself_as_the_function_does() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy")
    told: list[Cell] = []
    found = lm.sweep(asked(strengths=(2.0,)), vectors, on_cell=told.append)
    same(found, sweep(lm, asked(strengths=(2.0,)), vectors))
    assert sorted(cell.key for cell in told) == sorted(keys(found)) and len(told) == 1 + len(ROWS)


def test_the_demo_models_concepts_have_a_share_of_texts_by_words() -> None:
    lm, request = new_lm(), asked(seeds=tuple(range(6)))
    vectors = new_vectors(lm, "happy")
    plain = sweep(lm, request, vectors, examples={"happy": Texts(words=("a",))}).grids[0]
    assert {cell.share for cell in plain.all_cells()} == {None}
    found = [word for cell in plain.cells for text in cell.texts for word in re.findall(r"\w+", text.text)]
    words = tuple(dict.fromkeys(found))[:5]
    lm.info = replace(lm.info, ref=DEMO)
    grid = sweep(lm, request, vectors, examples={"happy": Texts(words=words)}).grids[0]
    for cell in grid.all_cells():
        assert cell.share == sum(shows("happy", words, text.text) for text in cell.texts) / 6
    assert len({cell.share for cell in grid.cells}) > 1
    told = sweep(lm, request, {"happy": vectors["happy"]}, examples={"happy": Texts(words=())}).grids[0]
    assert {cell.share for cell in told.cells} == {None}


# Controls


def test_controls_are_as_long_as_the_vector_and_without_its_meaning() -> None:
    lm = shared_lm()
    vector = new_vector(lm, "happy")
    made = [random_vector(vector, number) for number in range(8)]
    shuffled = shuffled_vector(lm, vector, Texts())
    for layer, raw in vector.layers.items():
        for other in (*made, shuffled):
            assert float(other.layers[layer].norm()) == pytest.approx(float(raw.norm()), rel=1e-5)
    units = torch.stack([one.layers[1] / one.layers[1].norm() for one in made])
    assert float((units @ units.T - torch.eye(8)).abs().max()) < 0.6
    assert torch.equal(random_vector(vector, 3).layers[2], made[3].layers[2])
    assert shuffled.meta.origin == vector.meta.origin


def test_every_control_is_there_and_none_is_the_grid() -> None:
    lm = shared_lm()
    request = asked(controls=True, strengths=(-2.0, 0.0, 1.0, 2.0))
    grid = sweep(lm, request, new_vectors(lm, "happy"), examples={"happy": Texts()}).grids[0]
    sizes = [cell.strength for cell in grid.controls.random]
    assert sizes.count(1.0) == sizes.count(2.0) == 8 and len(sizes) == 16
    assert {cell.span for cell in grid.controls.random} == {"1", "0+2"}
    assert [cell.strength for cell in grid.controls.shuffled] == [1.0, 2.0]
    prompt = grid.controls.prompt
    assert prompt is not None and prompt.relative_norm == 0 and prompt.kl_mean is not None and prompt.kl_mean > 1e-3
    assert len(grid.cells) == 8 and grid.controls.band("concept", -2.0) is not None
    without = sweep(lm, request, new_vectors(lm, "happy")).grids[0].controls
    assert without.prompt is None and not without.shuffled and len(without.random) == 16


def test_the_random_band_covers_a_random_vector() -> None:
    lm = shared_lm()
    request = asked(controls=True, strengths=(1.0,), layers=((1,), (2,)), seeds=(0, 1))
    inside: list[bool | None] = []
    for number in range(10):
        vector = random_vector(new_vector(lm, "happy", length=6.0), 1000 + number)
        grid = sweep(lm, request, {"happy": vector}).grids[0]
        inside += [grid.is_noise(cell) for cell in grid.cells]
    assert None not in inside
    assert sum(map(bool, inside)) >= 0.85 * len(inside)


# Memory


def limited(monkeypatch: pytest.MonkeyPatch, rows: int) -> list[int]:
    """Let no batch be larger than `rows`; return the sizes of the batches to come."""
    sizes: list[int] = []
    monkeypatch.setattr(sweeprun, "rows_that_fit", lambda *_: rows)
    real = sweeprun.Batch

    def batch(lm: LanguageModel, jobs: Any, *more: Any) -> sweepbatch.Batch:
        sizes.append(len(jobs))
        return real(lm, jobs, *more)

    monkeypatch.setattr(sweeprun, "Batch", batch)
    return sizes


def test_a_sweep_that_does_not_fit_is_split_into_even_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    lm, request = shared_lm(), asked(seeds=(1, 2, 3))
    whole = sweep(lm, request, new_vectors(lm, "happy"))
    sizes = limited(monkeypatch, 4)
    parts = sweep(lm, request, new_vectors(lm, "happy"))
    assert sizes == [4, 4, 4, 3]
    same(parts, whole)


def test_rows_follow_the_memory_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = shared_lm()
    row = sweepmemory.row_bytes(lm, 100, 50, True)
    assert sweepmemory.row_bytes(lm, 200, 50, True) > row > sweepmemory.row_bytes(lm, 100, 50, False)
    found = []
    for free in (None, 1 << 50, int(10 * row / sweepmemory.SHARE), 1000):
        monkeypatch.setattr(sweepmemory, "device_free", lambda *_, free=free, **__: free)
        found.append(sweepmemory.rows_that_fit(lm, 100, 50, False))
    assert found[:2] == [64, 64] and 10 <= found[2] <= 25 and found[3] == 1


def failing(monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception], rows: int, step: int) -> list[int]:
    """Let every batch of more than `rows` rows run out of memory at a step; return the rows of batches that did."""
    failed: list[int] = []
    real, steps = Decoder.step, {}

    def broken(self: Decoder) -> list[Drawn]:
        steps[id(self)] = steps.get(id(self), 0) + 1
        if steps[id(self)] == step and len(self._rows) > rows:
            failed.append(len(self._rows))
            steps.clear()
            raise error()
        return real(self)

    monkeypatch.setattr(Decoder, "step", broken)
    return failed


@pytest.mark.parametrize(
    "error",
    [
        lambda: torch.OutOfMemoryError("CUDA out of memory"),
        lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        MemoryError,
    ],
)
def test_running_out_of_memory_halves_the_batch_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception]
) -> None:
    lm, request = new_lm(), asked(seeds=(1, 2, 3))
    whole = sweep(lm, request, new_vectors(lm, "happy"))
    failed = failing(monkeypatch, error, 4, 6)
    cells: list[str] = []
    notes: set[str] = set()
    found = sweep(
        lm, request, new_vectors(lm, "happy"), on_cell=lambda cell: cells.append(cell.key),
        on_progress=lambda progress: notes.add(progress.note),
    )  # fmt: skip
    assert failed == [15, 7] or failed[0] == 15
    same(found, whole)
    assert sorted(cells) == sorted(keys(whole)) and found.complete
    assert found.notes and "memory ran out with 15 texts at once" in found.notes[0] and set(found.notes) <= notes
    assert not left_behind(lm)


def test_rows_that_had_ended_are_kept_when_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lm, request = new_lm(), asked(sampling=Sampling(0, max_tokens=40), strengths=(0.5, 1.0, 2.0, 3.0))
    free = sweep(lm, request, new_vectors(lm, "happy"))
    ends = free.grids[0].cells[2].texts[0].ids[3]
    lm.eos_ids = frozenset({ends})
    whole = sweep(lm, request, new_vectors(lm, "happy"))
    lengths = {cell.key: len(cell.texts[0].ids) for cell in whole.grids[0].all_cells()}
    early = {key for key, length in lengths.items() if length <= 20}
    assert early and max(lengths.values()) == 40
    monkeypatch.setattr(sweepbatch, "_PATIENCE", 1)
    failing(monkeypatch, MemoryError, len(lengths) - 1, 38)
    rows: list[int] = []
    real = Decoder.__init__

    def counted(self: Decoder, lm: LanguageModel, given: Any, **more: Any) -> None:
        rows.append(len(given))
        real(self, lm, given, **more)

    monkeypatch.setattr(Decoder, "__init__", counted)
    found = sweep(lm, request, new_vectors(lm, "happy"))
    same(found, whole)
    assert rows[0] == len(lengths) and sum(rows[1:]) < rows[0]


def test_a_single_row_that_does_not_fit_says_so_and_leaves_the_model_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = new_lm()
    failing(monkeypatch, MemoryError, 0, 2)
    with pytest.raises(OutOfMemory):
        sweep(lm, asked(), new_vectors(lm, "happy"))
    assert not left_behind(lm)


def test_another_error_is_no_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = new_lm()
    failing(monkeypatch, lambda: RuntimeError("shapes differ"), 0, 2)
    with pytest.raises(RuntimeError, match="shapes differ"):
        sweep(lm, asked(), new_vectors(lm, "happy"))
    assert not left_behind(lm)


# Stopping and going on


def test_a_stopped_sweep_keeps_its_finished_cells_and_goes_on_to_the_same_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    lm, request = shared_lm(), asked(controls=True, seeds=(1, 2))
    whole = sweep(lm, request, new_vectors(lm, "happy"), examples={"happy": Texts()})
    limited(monkeypatch, 4)
    controls, first = Controls(), {}

    def take(cell: Cell) -> None:
        first[cell.key] = cell
        if len(first) == 3:
            controls.stop()

    part = sweep(lm, request, new_vectors(lm, "happy"), examples={"happy": Texts()}, on_cell=take, controls=controls)
    assert not part.complete and set(keys(part)) == set(first) and 3 <= len(first) < len(keys(whole))
    later: list[str] = []
    rest = sweep(
        lm, request, new_vectors(lm, "happy"), examples={"happy": Texts()}, done=first,
        on_cell=lambda cell: later.append(cell.key),
    )  # fmt: skip
    assert rest.complete and not set(later) & set(first) and len(later) + len(first) == len(keys(whole))
    same(rest, whole)


@pytest.mark.parametrize("measures", [True, False])
@pytest.mark.parametrize("ends", [(2, 30, 2, 30), (30, 2, 2), (2, 2, 30), (30, 30), (2, 2)])
def test_a_batch_that_is_stopped_gives_away_the_rows_that_have_ended(ends: tuple[int, ...], measures: bool) -> None:
    lm, vectors = shared_lm(), new_vectors(shared_lm(), "happy")
    ids = tuple(lm.encode("The meeting went"))
    jobs = [
        Job(str(row), 0, 0, ids, ids, (), Sampling(temperature=1.0, seed=row, max_tokens=most), ("happy",))
        for row, most in enumerate(ends)
    ]
    controls, steps, found = Controls(), [0], []

    def count(drawn: int) -> None:
        steps[0] += 1
        if steps[0] == 4:
            controls.stop()

    batch = sweepbatch.Batch(lm, jobs, vectors, measures)
    batch.run(controls, count, found.extend)
    assert {int(one.job.key) for one in found} >= {row for row, most in enumerate(ends) if most == 2}
    for one in found:
        assert len(one.text.ids) <= 4 and (one.reading is not None) == measures
        assert one.reading is None or len(one.reading.kl) == len(one.text.ids)
    assert not left_behind(lm)


def test_stopping_while_examples_are_read_keeps_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    lm, controls = shared_lm(), Controls()
    real = sweepvectors.extract

    def reading(*given: Any, **more: Any) -> Any:
        controls.stop()
        return real(*given, **more)

    monkeypatch.setattr(sweepvectors, "extract", reading)
    request = asked(controls=True)
    grid = sweep(lm, request, new_vectors(lm, "happy"), examples={"happy": Texts()}, controls=controls).grids[0]
    assert len(grid.cells) == 4 and grid.baseline is not None and not grid.controls.random


def test_nothing_is_run_when_all_is_done() -> None:
    lm, request = shared_lm(), asked(controls=True)
    whole = sweep(lm, request, new_vectors(lm, "happy"), examples={"happy": Texts()})
    done = {cell.key: cell for cell in whole.grids[0].all_cells()}
    again = sweep(lm, request, new_vectors(lm, "happy"), examples={"happy": Texts()}, done=done, on_cell=_never)
    assert again.grids == whole.grids and again.complete


def _never(cell: Cell) -> None:
    raise AssertionError(f"{cell.key} was run again")


def test_progress_only_grows_and_ends_at_the_end() -> None:
    lm = shared_lm()
    seen: list[SweepProgress] = []
    whole = sweep(lm, asked(controls=True, seeds=(1, 2)), new_vectors(lm, "happy"), on_progress=seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and 0 < fractions[0] < 0.1 and fractions[-1] == pytest.approx(1.0)
    assert {progress.total for progress in seen} == {len(keys(whole))}
    assert all(progress.seconds_left is not None and progress.seconds_left >= 0 for progress in seen)


def test_texts_that_end_hand_their_cells_over_before_the_others_end() -> None:
    lm, request = new_lm(), asked(sampling=Sampling(0, max_tokens=60), strengths=(0.5, 1.0, 2.0, 3.0))
    free = sweep(lm, request, new_vectors(lm, "happy"))
    lm.eos_ids = frozenset({free.grids[0].cells[2].texts[0].ids[3]})
    order: list[tuple[str, int]] = []
    steps = [0]

    def step(progress: SweepProgress) -> None:
        steps[0] += 1

    whole = sweep(
        lm, request, new_vectors(lm, "happy"), on_cell=lambda cell: order.append((cell.key, steps[0])), on_progress=step
    )
    assert order[0][1] < 30 < order[-1][1]
    for cell in whole.grids[0].all_cells():
        assert cell.texts[0].finish == ("stop" if cell.texts[0].ids[-1] in lm.eos_ids else "length")


# Strengths that break the model


def test_a_strength_that_is_no_number_harms_its_own_cell_only() -> None:
    lm = new_lm(dtype=torch.float16)
    vectors = new_vectors(lm, "happy")
    request = asked(strengths=(1.0, 300_000.0), layers=((1,), (2,)))
    grid = sweep(lm, request, vectors).grids[0]
    calm = sweep(lm, replace(request, strengths=(1.0,)), vectors).grids[0]
    for row in grid.rows:
        broken, sound, alone = grid.at(row, 300_000.0), grid.at(row, 1.0), calm.at(row, 1.0)
        assert broken is not None and sound is not None and alone is not None
        assert broken.problem == "nan" and broken.kl_mean is None
        assert sound.problem != "nan" and sound.texts[0].ids == alone.texts[0].ids
        assert sound.kl_mean == pytest.approx(alone.kl_mean, rel=0.05, abs=1e-3)
    assert grid.best is None or grid.best.problem is None
    assert not left_behind(lm)


def test_a_text_that_goes_round_in_circles_is_named() -> None:
    lm = shared_lm()
    grid = sweep(lm, asked(strengths=(5000.0,), sampling=Sampling(0, max_tokens=24)), new_vectors(lm, "happy")).grids[0]
    assert {cell.problem for cell in grid.cells} <= {"repeats", "empty"} and grid.best is None
    assert "repeats" in {cell.problem for cell in grid.cells}


def test_circles_are_told_by_the_second_half() -> None:
    source = random.Random(0)
    plain = [source.randrange(500) for _ in range(40)]
    assert not goes_in_circles(plain) and not goes_in_circles([1, 1, 1, 1]) and not goes_in_circles([])
    assert goes_in_circles(plain[:20] + [7, 8] * 10) and goes_in_circles([5] * 30)


# What may be swept


def test_several_concepts_are_one_grid_each() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy", "sad")
    both = sweep(lm, asked(concepts=("happy", "sad"), controls=True), vectors)
    assert [grid.name for grid in both.grids] == ["happy", "sad"]
    for grid in both.grids:
        alone = sweep(lm, asked(concepts=(grid.name,), controls=True), vectors)
        same(replace(both, grids=(grid,)), alone)


def test_a_mix_has_the_weights_as_axes_and_places_both_concepts() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy", "sad")
    request = replace(mixer(PROMPT, ("happy", "sad"), strengths=(0.0, 2.0)), sampling=Sampling(0.9, max_tokens=10))
    grid = sweep(lm, request, vectors).grids[0]
    assert [cell.strengths for cell in grid.cells] == [(0.0, 0.0), (0.0, 2.0), (2.0, 0.0), (2.0, 2.0)]
    for cell in grid.cells:
        assert set(cell.concepts) == {"happy", "sad"} and cell.concept is not None
        assert cell.concept == pytest.approx(sum(value or 0.0 for value in cell.concepts.values()) / 2)
    plain, happy = grid.at("best", 0.0, 0.0), grid.at("best", 2.0, 0.0)
    assert plain is not None and grid.baseline is not None and happy is not None
    assert plain.texts[0].ids == grid.baseline.texts[0].ids != happy.texts[0].ids


def test_default_rows_are_layers_that_every_vector_has() -> None:
    lm = shared_lm()
    vectors = {"happy": new_vector(lm, "happy", layers=(1, 2, 3), best=(2,))}
    result = sweep(lm, asked(layers=()), vectors)
    assert result.grids[0].rows == ("1", "2", "3") and result.request.layers == ((1,), (2,), (3,))


def test_what_does_not_fit_is_refused_before_anything_runs() -> None:
    lm = new_lm()
    vectors = new_vectors(lm, "happy")
    alien = new_vector(new_lm(hidden_size=64), "happy")
    for request, given, kind in (
        (asked(concepts=("hapy",)), vectors, RecipeError),
        (asked(layers=((9,),)), vectors, RecipeError),
        (asked(), {"happy": alien}, ShapeMismatch),
        (asked(prompts=("word " * 400,)), vectors, UsageError),
        (asked(sampling=Sampling(-1)), vectors, UsageError),
        (asked(strengths=tuple(range(1, 4000))), vectors, UsageError),
    ):
        with pytest.raises(kind):
            sweep(lm, request, given, on_cell=_never)
    assert not left_behind(lm)


def test_hooks_of_the_user_act_on_cells_and_not_on_the_baseline() -> None:
    lm = new_lm()
    request = asked(sampling=Sampling(0, max_tokens=8), scope=parse_scope("generated"))
    plain = sweep(lm, request, new_vectors(lm, "happy")).grids[0]
    lm.layers.register_hook("layer_3", lambda activation, hook: -activation)
    try:
        hooked = sweep(lm, request, new_vectors(lm, "happy")).grids[0]
    finally:
        lm.layers.reset()
    assert plain.baseline is not None and hooked.baseline is not None
    assert hooked.baseline.texts[0].ids == plain.baseline.texts[0].ids
    assert all(a.texts[0].ids != b.texts[0].ids for a, b in zip(hooked.cells, plain.cells, strict=True))


# Looking closer, and the search


def test_refining_adds_cells_around_the_best_one() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy")
    coarse = sweep(lm, asked(kl_budget=50.0), vectors).grids[0]
    fine = sweep(lm, asked(kl_budget=50.0, refine=True), vectors).grids[0]
    assert coarse.best is not None and fine.best is not None
    assert {cell.key for cell in coarse.cells} < {cell.key for cell in fine.cells}
    assert (fine.best.concept or 0.0) >= (coarse.best.concept or 0.0)


@pytest.mark.parametrize("budget", [0.05, 0.4, 2.0])
def test_auto_finds_the_strength_of_a_budget(budget: float) -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy")
    request = asked(
        auto=True, layers=((1,), (2,)), kl_budget=budget, sampling=Sampling(0.9, max_tokens=24), seeds=(1, 2)
    )
    seen: list[Cell] = []
    result = sweep(lm, request, vectors, on_cell=seen.append)
    grid = result.grids[0]
    assert grid.best is not None and grid.best.kl_mean is not None and result.complete
    for row in ("1", "2"):
        within = [c.kl_mean for c in grid.cells if c.span == row and c.kl_mean is not None and c.kl_mean <= budget]
        assert max(within) > 0.6 * budget
    assert grid.best.kl_mean <= budget
    assert len(grid.cells) <= 2 * 13 and [c.key for c in seen if c.kind == "cell"] == [c.key for c in grid.cells]
    again = sweep(lm, request, vectors, done={c.key: c for c in grid.all_cells()}, on_cell=_never)
    assert keys(again) == keys(result)


def test_auto_tries_layers_by_their_diagnostics_and_puts_controls_beside_what_it_found() -> None:
    lm = new_lm(num_hidden_layers=10)
    vector = new_vector(lm, "happy", best=(4, 5))
    figures = {
        layer: {"separation": float(layer == 6) + float(layer == 3) / 2, "split_half": 0.9} for layer in range(10)
    }
    vector = SteeringVector("happy", vector.layers, replace(vector.meta, diagnostics=figures))
    request = asked(auto=True, layers=(), controls=True, kl_budget=0.5, sampling=Sampling(0.9, max_tokens=12))
    grid = sweep(lm, request, {"happy": vector}, examples={"happy": Texts()}).grids[0]
    assert set(grid.rows) > {"4-5", "6", "3"} and len(grid.rows) == 4
    best = grid.best
    assert best is not None and len(grid.controls.random) == 8 and len(grid.controls.shuffled) == 1
    assert {cell.strength for cell in grid.controls.random} == {abs(best.strength)}
    assert grid.is_noise(best) is not None and first_best(vector) == 4


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_the_search_closes_in_on_any_power_law(power: float, scale: float) -> None:
    tried = [(size, scale * size**power) for size in (0.5, 1.0, 2.0, 4.0)]
    steps = 0
    while wanted := next_sizes(tried, 1.0, 1e6):
        tried += [(size, scale * size**power) for size in wanted]
        steps += 1
        assert steps < 8
    assert 0.85 <= max(kl for _, kl in tried if kl <= 1.0) <= 1.0


def test_the_search_stops_at_the_limit_and_stays_below_what_breaks() -> None:
    assert next_sizes([(0.5, 0.1), (1.0, 0.2)], 1.0, 1.0) == ()
    assert next_sizes([(0.5, None), (1.0, None)], 1.0, 64.0) == (0.25, 0.125)
    assert all(1.0 < size < 2.0 for size in next_sizes([(1.0, 0.1), (2.0, None)], 1.0, 64.0))
