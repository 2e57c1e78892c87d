"""A recipe changed while text streams acts on the very next step, is kept with the run and replays with it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from steer_tui.engine.generate import Controls, generate
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.types import Change, Sampling, Step
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import RecipeError, ShapeMismatch, SteerError
from tests.unit.runs import TOKENS, changing, request, said
from tests.unit.tiny import hooked, new_lm, new_vector, new_vectors, shared_lm


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return shared_lm()


@pytest.fixture(scope="module")
def vectors(lm: LanguageModel) -> dict[str, SteeringVector]:
    return new_vectors(lm, "happy", "sad", "calm")


def test_a_live_change_is_in_the_residual_of_the_very_next_step(
    lm: LanguageModel, vectors: dict[str, SteeringVector]
) -> None:
    controls, seen, plain = Controls(), [], []

    def after(layer: int, hidden: Tensor) -> None:
        if layer == 2:
            seen.append(hidden[0, -1].clone())

    def before(layer: int, hidden: Tensor) -> None:
        if layer == 2:
            plain.append(hidden[0, -1].clone())

    later = changing(controls, {4: "sad:-3@2", 7: "", 9: "happy:1@2,sad:1@2"})
    hooks: list[Any] = []

    def on_step(step: Step) -> None:
        if step.index == 0:  # the run's own hooks are on: this one sees what they leave
            hooks.append(hooked(lm, after))
            hooks[0].__enter__()
        later(step)

    # Statistics put the run's own hook on every block from the start, before the one that looks.
    with hooked(lm, before):
        try:
            result = generate(lm, request("happy:2@2"), vectors, on_step=on_step, controls=controls, measures=False)
        finally:
            hooks[0].__exit__(None, None, None)
    happy, sad = vectors["happy"].layers[2], vectors["sad"].layers[2]
    in_force = [2 * happy] * 4 + [-3 * sad] * 3 + [0 * sad] * 2 + [happy + sad] * (TOKENS - 9)
    for step in range(1, TOKENS):
        torch.testing.assert_close(seen[step - 1] - plain[step], in_force[step], atol=1e-4, rtol=1e-4)
    assert result.request.changes == (Change(4, "sad:-3@2"), Change(7, ""), Change(9, "happy@2,sad@2"))


@pytest.mark.parametrize("heat", [0.0, 0.9])
@pytest.mark.parametrize("at", [{1: "sad:4"}, {3: "happy:-4@0-3", 4: "", 8: "sad:2~rotate/generated,calm?happy>-9"}])
def test_a_run_with_live_changes_replays_to_the_same(
    lm: LanguageModel, vectors: dict[str, SteeringVector], heat: float, at: dict[int, str]
) -> None:
    controls, steps, again = Controls(), [], []
    asked = request(sampling=Sampling(heat, seed=3, max_tokens=TOKENS))

    def on_step(step: Step) -> None:
        steps.append(step)
        changing(controls, at)(step)

    live = generate(lm, asked, vectors, on_step=on_step, controls=controls)
    assert [change.step for change in live.request.changes] == list(at)
    assert [step.index for step in steps if step.change is not None] == list(at)
    replayed = generate(lm, live.request, vectors, on_step=again.append)
    assert (replayed.steered, replayed.baseline) == (live.steered, live.baseline)
    assert replayed.request == live.request
    assert [step.change for step in again] == [step.change for step in steps]
    assert replayed.measures == live.measures
    unchanged = generate(lm, asked, vectors)
    assert live.steered.ids != unchanged.steered.ids
    assert said(live.baseline) == said(unchanged.baseline)


def test_a_change_before_the_first_step_acts_on_the_prompt_and_replays(
    lm: LanguageModel, vectors: dict[str, SteeringVector]
) -> None:
    controls = Controls()
    controls.change("sad:5")
    live = generate(lm, request(), vectors, controls=controls)
    assert live.request.changes == (Change(0, "sad:5"),)
    assert live.steered == generate(lm, request("sad:5"), vectors).steered
    assert generate(lm, live.request, vectors).steered == live.steered


def test_of_several_changes_between_two_steps_the_last_counts_and_none_is_no_change(
    lm: LanguageModel, vectors: dict[str, SteeringVector]
) -> None:
    controls = Controls()

    def on_step(step: Step) -> None:
        if step.index == 2:
            controls.change("sad:9")
            controls.change("calm:1")
        if step.index == 5:
            controls.change(" calm : 1 ")

    result = generate(lm, request(), vectors, on_step=on_step, controls=controls, measures=False)
    assert result.request.changes == (Change(3, "calm"),)


@pytest.mark.parametrize("bad", ["happy:", "joy:2", "happy@99", "happy?joy>1", "odd:1"])
def test_a_refused_change_is_told_and_changes_nothing(
    lm: LanguageModel, vectors: dict[str, SteeringVector], bad: str
) -> None:
    refused: list[SteerError] = []
    other = new_vector(new_lm(hidden_size=64), "odd")
    controls = Controls(refused.append)
    result = generate(lm, request(), {**vectors, "odd": other}, on_step=changing(controls, {4: bad}), controls=controls)
    assert len(refused) == 1 and isinstance(refused[0], RecipeError | ShapeMismatch)
    assert result.request.changes == ()
    assert result.steered == generate(lm, request(), vectors).steered


def test_a_replayed_change_that_a_refused_one_meets_is_made(
    lm: LanguageModel, vectors: dict[str, SteeringVector]
) -> None:
    asked = request(changes=(Change(4, "sad:3"),))
    controls = Controls()
    met = generate(lm, asked, vectors, on_step=changing(controls, {4: "nonsense:::"}), controls=controls)
    assert met.steered == generate(lm, asked, vectors).steered
    assert met.request.changes == asked.changes


def test_a_change_from_another_thread_is_made(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    controls = Controls()

    def on_step(step: Step) -> None:
        if step.index == 3:
            thread = threading.Thread(target=controls.change, args=("calm:2",))
            thread.start()
            thread.join()

    result = generate(lm, request(), vectors, on_step=on_step, controls=controls, measures=False)
    assert result.request.changes == (Change(4, "calm:2"),)
