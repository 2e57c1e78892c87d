"""One run from prompt to result: live changes, replay, stopping, text, and the JSON of the contract."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from steer_tui.engine import generate as generate_module
from steer_tui.engine.generate import Controls, generate
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.quick_linear import QuickLinear
from steer_tui.engine.types import Request, RunResult, Sampling, Step
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import OutOfMemory, RecipeError, UsageError
from steer_tui.text import clean
from tests.unit.runs import PROMPT, TOKENS, request, said
from tests.unit.tiny import BLOCKS, hooked, left_behind, new_lm, new_vectors, shared_lm, tokenizer


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return shared_lm()


@pytest.fixture(scope="module")
def vectors(lm: LanguageModel) -> dict[str, SteeringVector]:
    return new_vectors(lm, "happy", "sad", "calm")


def test_a_run_is_the_same_again(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    first, second = (generate(lm, request(), vectors) for _ in range(2))
    assert replace(first, seconds=0, tokens_per_second=0) == replace(second, seconds=0, tokens_per_second=0)


def test_another_seed_gives_another_text(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    other = request(sampling=Sampling(temperature=0.9, seed=2, max_tokens=TOKENS))
    assert generate(lm, request(), vectors).steered.ids != generate(lm, other, vectors).steered.ids


def test_the_baseline_is_what_an_empty_recipe_gives(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    beside, alone = generate(lm, request(), vectors), generate(lm, request("", baseline=False), vectors)
    assert said(beside.baseline) == said(alone.steered)
    assert beside.steered.ids != alone.steered.ids
    assert alone.baseline is None


@pytest.mark.parametrize("recipe", ["", "happy:0", "happy:0,sad:0~keepnorm/generated"])
def test_without_strength_both_texts_are_one(
    lm: LanguageModel, vectors: dict[str, SteeringVector], recipe: str
) -> None:
    for seed in range(5):
        result = generate(lm, request(recipe, sampling=Sampling(1.3, seed=seed, max_tokens=TOKENS)), vectors)
        assert said(result.steered) == said(result.baseline)


def test_steps_bring_the_tokens_of_the_result(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    steps: list[Step] = []
    result = generate(lm, request(), vectors, on_step=steps.append)
    assert [step.index for step in steps] == list(range(TOKENS))
    for branch in ("steered", "baseline"):
        tokens = [getattr(step, branch) for step in steps]
        text = getattr(result, branch)
        assert tuple(token.id for token in tokens) == text.ids
        assert tuple(token.logprob for token in tokens) == text.logprobs
        assert "".join(token.text for token in tokens) == text.text
        assert all(token.stats.layers == tuple(range(BLOCKS)) for token in tokens)
    assert all(
        step.steered is not None and list(step.steered.stats.places) == ["happy"]
        for step in steps
        if step.steered.stats
    )


def test_a_branch_that_has_ended_brings_no_more_tokens(vectors: dict[str, SteeringVector]) -> None:
    lm = new_lm()
    free = generate(lm, request(), vectors)
    lm.eos_ids = frozenset({free.steered.ids[3]})
    steps: list[Step] = []
    result = generate(lm, request(), vectors, on_step=steps.append)
    assert result.steered.finish == "stop"
    end = free.steered.ids.index(free.steered.ids[3]) + 1
    assert result.steered.ids == free.steered.ids[:end]
    assert [step.steered is None for step in steps[:end]] == [False] * end
    assert all(step.steered is None for step in steps[end:])
    if not lm.eos_ids & set(free.baseline.ids if free.baseline else ()):
        assert said(result.baseline) == said(free.baseline)
    ended = tokenizer().decode(list(result.steered.ids[:-1]), skip_special_tokens=True)
    assert result.steered.text == clean(ended)


@pytest.mark.parametrize("seed", range(12))
def test_the_text_is_that_of_the_ids(lm: LanguageModel, vectors: dict[str, SteeringVector], seed: int) -> None:
    wild = request("sad:3", sampling=Sampling(temperature=8.0, seed=seed, max_tokens=60))
    result = generate(lm, wild, vectors, measures=False)
    for text in (result.steered, result.baseline):
        assert text is not None
        assert text.text == clean(tokenizer().decode(list(text.ids), skip_special_tokens=True))


def test_stopping_ends_the_run_before_the_next_step(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    controls, steps = Controls(), []

    def on_step(step: Step) -> None:
        steps.append(step)
        if step.index == 5:
            controls.stop()

    result = generate(lm, request(), vectors, on_step=on_step, controls=controls)
    whole = generate(lm, request(), vectors)
    assert len(steps) == 6
    assert (
        result.steered.finish == "cancelled" and result.baseline is not None and result.baseline.finish == "cancelled"
    )
    assert result.steered.ids == whole.steered.ids[:6]
    assert result.measures is not None and result.measures.perplexity[0] is not None
    assert not left_behind(lm)


def test_a_run_stopped_before_it_began_has_no_text(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    controls = Controls()
    controls.stop()
    result = generate(lm, request(), vectors, controls=controls)
    assert result.steered.ids == () and result.steered.finish == "cancelled" and result.steered.text == ""
    assert result.tokens_per_second == 0


def test_a_long_run_that_was_stopped_is_not_read_again(
    lm: LanguageModel, vectors: dict[str, SteeringVector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate_module, "_STOPPED_TOKENS", 4)
    controls = Controls()
    result = generate(
        lm, request(), vectors, on_step=lambda step: controls.stop() if step.index == 6 else None, controls=controls
    )
    assert result.measures is None
    assert generate(lm, request(), vectors).measures is not None


@pytest.mark.parametrize("tokens", [0, 1, 2])
def test_few_tokens_or_none_are_a_run_like_any_other(
    lm: LanguageModel, vectors: dict[str, SteeringVector], tokens: int
) -> None:
    result = generate(lm, request(sampling=Sampling(max_tokens=tokens)), vectors)
    assert len(result.steered.ids) == tokens and result.steered.finish == "length"
    assert result.measures is not None and (result.measures.perplexity[0] is None) == (tokens == 0)
    assert json.loads(json.dumps(result.to_json()))["steered"]["finish"] == "length"


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_prompt_up_to_the_end_of_the_context_is_answered_or_refused(kind: str) -> None:
    lm = new_lm(kind, **({"max_position_embeddings": 16} if kind == "llama" else {"n_positions": 16}))
    vectors = new_vectors(lm, "happy")
    for length, room in ((14, 2), (15, 1)):
        prompt = "\x01" * (length - 1)
        result = generate(lm, request(prompt=prompt), vectors)
        assert len(result.prompt_ids) == length and len(result.steered.ids) == room
        assert result.steered.finish == "length" and result.measures is not None
    with pytest.raises(UsageError, match="16 tokens and fills"):
        generate(lm, request(prompt="\x01" * 15), vectors)
    assert not left_behind(lm)


def test_an_empty_prompt_is_answered(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    result = generate(lm, request(prompt=""), vectors)
    assert len(result.prompt_ids) == 1 and len(result.steered.ids) == TOKENS


def test_two_hundred_runs_half_of_them_cut_off_leave_nothing_on_the_model(
    vectors: dict[str, SteeringVector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QuickLinear, "_quickest", lambda self, rows: dict.fromkeys(self._shapes, "onednn"))
    lm = new_lm()
    short = Sampling(temperature=0.9, max_tokens=3)
    recipes = ("happy", "", "sad~rotate/generated", "happy?sad>0,calm@all", "joy", "happy:")

    class Broken(Exception):
        pass

    for turn in range(200):
        controls = Controls()

        def on_step(step: Step, turn: int = turn, controls: Controls = controls) -> None:
            assert left_behind(lm)
            if turn % 4 == 1:
                controls.stop()
            if turn % 4 == 3:
                raise Broken

        asked = Request(PROMPT, recipes[turn % len(recipes)], short, turn % 3 > 0, statistics=turn % 5 > 0)
        with suppress(Broken, RecipeError):
            generate(lm, asked, vectors, on_step=on_step, controls=controls, measures=turn % 10 == 0)
        assert not left_behind(lm)


def test_running_out_of_memory_is_named_and_leaves_the_model_clean(vectors: dict[str, SteeringVector]) -> None:
    lm = new_lm()
    for error in (
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ):

        def fail(layer: int, hidden: Tensor, error: Exception = error) -> None:
            if layer == 1:
                raise error

        with hooked(lm, fail), pytest.raises(OutOfMemory) as caught:
            generate(lm, request(), vectors)
        assert caught.value.hint and not left_behind(lm)
    with hooked(lm, lambda layer, hidden: (_ for _ in ()).throw(RuntimeError("other"))):
        with pytest.raises(RuntimeError, match="other"):
            generate(lm, request(), vectors)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=-0.1),
        Sampling(temperature=float("nan")),
        Sampling(temperature=1e9),
        Sampling(top_p=0),
        Sampling(top_p=1.5),
        Sampling(top_p=float("nan")),
        Sampling(top_k=-1),
        Sampling(max_tokens=-1),
    ],
)
def test_numbers_that_no_sampling_has_are_refused(
    lm: LanguageModel, vectors: dict[str, SteeringVector], sampling: Sampling
) -> None:
    with pytest.raises(UsageError) as caught:
        generate(lm, request(sampling=sampling), vectors)
    assert caught.value.hint


def keys(value: object) -> object:
    """The keys of nested objects, lists by their first entry."""
    if isinstance(value, dict):
        return {key: keys(entry) for key, entry in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else None


def test_the_json_has_the_keys_of_the_contract(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    found: Any = keys(generate(lm, request(), vectors).to_json())
    text = {"text": None, "ids": [None], "logprobs": [None], "finish": None}
    pair = {"steered": None, "baseline": None}
    layer = [{"layer": None, "mean": None, "std": None, "norm": None}]
    model = ("ref", "id", "type", "layers", "width", "parameters", "device", "dtype", "fingerprint")
    wanted: dict[str, Any] = {
        "version": None,
        "model": dict.fromkeys(model),
        "prompt": None,
        "prompt_ids": [None],
        "recipe": None,
        "sampling": dict.fromkeys(("temperature", "top_p", "top_k", "seed", "max_tokens")),
        "steered": text,
        "baseline": text,
        "activations": {"steered": layer, "baseline": layer},
        "measures": {
            "concepts": {"happy": pair},
            "perplexity": pair,
            "kl_mean": None,
            "kl_p95": None,
            "distinct_2": pair,
        },
        "tokens_per_second": None,
        "seconds": None,
    }
    assert {key: found[key] for key in wanted} == wanted
    assert set(found) - set(wanted) == {"changes", "hooks", "hook_file", "logit_difference"}


def test_activations_are_the_mean_over_the_generated_tokens(
    lm: LanguageModel, vectors: dict[str, SteeringVector]
) -> None:
    steps: list[Step] = []
    result = generate(lm, request(), vectors, on_step=steps.append)
    for branch, name in zip(result.activations, ("steered", "baseline"), strict=True):
        assert branch is not None and [entry.layer for entry in branch] == list(range(BLOCKS))
        for entry in branch:
            stats = [getattr(step, name).stats for step in steps]
            assert entry.norm == pytest.approx(sum(one.norm[entry.layer] for one in stats) / TOKENS)
            assert entry.std == pytest.approx(sum(one.std[entry.layer] for one in stats) / TOKENS)
    silent = generate(lm, request(statistics=False), vectors)
    assert silent.activations[0] == () and silent.steered == result.steered


def test_speed_counts_the_tokens_of_one_branch(lm: LanguageModel, vectors: dict[str, SteeringVector]) -> None:
    alone: RunResult = generate(lm, request(baseline=False), vectors, measures=False)
    assert 0 < (TOKENS - 1) / alone.tokens_per_second <= alone.seconds
