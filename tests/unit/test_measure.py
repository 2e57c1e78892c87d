"""The contract's measures against plain loops of plain passes, and in pieces as well as in one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from steer_tui.engine import judge, measure
from steer_tui.engine.generate import Controls, generate
from steer_tui.engine.measure import Reader, distinct_2, kl_divergence, quantile
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.types import Measures, Request, RunResult, Sampling
from steer_tui.engine.vector import SteeringVector
from tests.unit.decoding import sliding_lm
from tests.unit.reference import steered_pass
from tests.unit.tiny import KINDS, hooked, left_behind, new_lm, new_vectors, random_ids, shared_lm

PROMPT = "I am so"
TOKENS = 14


def plain_logprobs(lm: LanguageModel, prompt: Sequence[int], ids: Sequence[int]) -> Tensor:
    """Return the unsteered log-probabilities (n, V) at each generated position, each from a pass of its own."""
    rows = []
    for count in range(len(ids)):
        logits = lm.model(torch.tensor([[*prompt, *ids[:count]]]), use_cache=False).logits[0, -1].detach()
        rows.append(torch.log_softmax(logits.double(), dim=-1))
    return torch.stack(rows)


def slow_place(lm: LanguageModel, vector: SteeringVector, prompt: Sequence[int], ids: Sequence[int]) -> float:
    """Return the mean place of the generated tokens, the end token apart, at the vector's first best layer."""
    at, states = vector.meta.best_layers[0], []

    def keep(layer: int, hidden: Tensor) -> None:
        if layer == at:
            states.append(hidden[0])

    with hooked(lm, keep):
        lm.model(torch.tensor([[*prompt, *ids]]), use_cache=False)
    raw = vector.layers[at]
    places = [
        (float(state @ raw / raw.norm()) - vector.meta.origin[at]) / float(raw.norm())
        for token, state in zip(ids, states[0][len(prompt) :], strict=True)
        if token not in lm.eos_ids
    ]
    return sum(places) / len(places)


def slow_measures(lm: LanguageModel, result: RunResult, recipe: str, vectors: dict[str, SteeringVector]) -> Measures:
    prompt = list(result.prompt_ids)
    assert result.baseline is not None
    texts = [list(result.steered.ids), list(result.baseline.ids)]
    perplexity, distinct = [], []
    for ids in texts:
        logprobs = plain_logprobs(lm, prompt, ids)
        perplexity.append(
            math.exp(-sum(float(row[token]) for row, token in zip(logprobs, ids, strict=True)) / len(ids))
        )
        bigrams = list(pairwise(ids))
        distinct.append(len(set(bigrams)) / len(bigrams))
    steered = steered_pass(lm, prompt + texts[0][:-1], len(prompt), parse_recipe(recipe), vectors)[1][len(prompt) - 1 :]
    drawn, plain = torch.log_softmax(steered.double(), -1), plain_logprobs(lm, prompt, texts[0])
    kl = [float((p.exp() * (p - q)).sum()) for p, q in zip(drawn, plain, strict=True)]
    return Measures(
        {
            name: (slow_place(lm, vectors[name], prompt, texts[0]), slow_place(lm, vectors[name], prompt, texts[1]))
            for name in parse_recipe(recipe).names
        },
        (perplexity[0], perplexity[1]),
        sum(kl) / len(kl),
        float(np.percentile(kl, 95)),
        (distinct[0], distinct[1]),
    )


def flat(measures: Measures) -> dict[str, float | None]:
    """Return every figure under a name of its own."""
    pairs = {"perplexity": measures.perplexity, "distinct_2": measures.distinct_2, **measures.concepts}
    figures = {
        f"{name} {branch}": value for name, both in pairs.items() for branch, value in zip("sb", both, strict=True)
    }
    return figures | {"kl_mean": measures.kl_mean, "kl_p95": measures.kl_p95}


def run(lm: LanguageModel, recipe: str, tokens: int = TOKENS, **options: bool) -> RunResult:
    request = Request(PROMPT, recipe, Sampling(temperature=0.9, seed=2, max_tokens=tokens), **options)
    return generate(lm, request, new_vectors(lm, "happy", "sad"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", ["happy:1.5,sad:0.5@1~keepnorm", "happy:3/generated", "sad~set/last"])
def test_measures_are_those_of_plain_loops(kind: str, recipe: str) -> None:
    lm = shared_lm(kind)
    result = run(lm, recipe)
    assert result.measures is not None
    assert flat(result.measures) == pytest.approx(
        flat(slow_measures(lm, result, recipe, new_vectors(lm, "happy", "sad"))), rel=1e-3, abs=1e-4
    )
    assert result.measures.kl_mean is not None and result.measures.kl_mean > 1e-4


@pytest.mark.parametrize("recipe", ["", "happy:0", "happy:0~rotate,sad:0~ablate"])
def test_without_strength_nothing_diverges(recipe: str) -> None:
    measures = run(shared_lm(), recipe).measures
    assert measures is not None and measures.kl_mean is not None and measures.kl_p95 is not None
    assert 0 <= measures.kl_mean < 1e-6 and measures.kl_p95 < 1e-6
    assert measures.perplexity[0] == pytest.approx(measures.perplexity[1], rel=1e-4)


def test_an_end_token_counts_as_surprise_but_not_as_content() -> None:
    lm = new_lm()
    free = run(lm, "happy:2")
    lm.eos_ids = frozenset({free.steered.ids[5]})
    result = run(lm, "happy:2")
    assert result.steered.finish == "stop" and result.measures is not None
    wanted = slow_measures(lm, result, "happy:2", new_vectors(lm, "happy"))
    assert flat(result.measures) == pytest.approx(flat(wanted), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("kept", [1, 3000, 10**9])
@pytest.mark.parametrize("piece", [1, 3000, 10**9])
def test_a_run_folded_in_pieces_measures_the_same(monkeypatch: pytest.MonkeyPatch, kept: int, piece: int) -> None:
    whole = run(shared_lm(), "happy:2", 20)
    monkeypatch.setattr(judge, "_MOST_BYTES", kept)
    monkeypatch.setattr(measure, "PIECE_BYTES", piece)
    folded = run(shared_lm(), "happy:2", 20)
    assert folded.steered == whole.steered
    assert whole.measures is not None and folded.measures is not None
    assert flat(folded.measures) == pytest.approx(flat(whole.measures), rel=1e-4, abs=1e-5)


def test_reading_while_the_run_goes_on_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = new_lm()
    whole = run(lm, "happy:2,sad:1@0-3~rotate", 20)
    monkeypatch.setattr(judge, "_MOST_BYTES", 1)
    folded = run(lm, "happy:2,sad:1@0-3~rotate", 20)
    assert (folded.steered, folded.baseline, folded.activations) == (whole.steered, whole.baseline, whole.activations)
    assert not left_behind(lm)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_several_lengths_are_read_as_each_alone(kind: str) -> None:
    lm = shared_lm(kind)
    vectors = new_vectors(lm, "happy")
    prompts = [random_ids(lm, length, length) for length in (2, 7, 4)]
    rows = [random_ids(lm, length, 50 + length) for length in (9, 3, 6)]
    together = Reader(lm, prompts, vectors)
    together.read(rows)
    for place, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
        alone = Reader(lm, [prompt], vectors)
        alone.read([row])
        found, wanted = together.readings[place], alone.readings[0]
        assert found.tokens == len(row)
        assert found.perplexity == pytest.approx(wanted.perplexity, rel=1e-4)
        assert found.place("happy") == pytest.approx(wanted.place("happy"), rel=1e-3, abs=1e-4)
        logprobs = plain_logprobs(lm, prompt, row)
        surprise = -sum(float(line[token]) for line, token in zip(logprobs, row, strict=True))
        assert found.surprise == pytest.approx(surprise, rel=1e-4)


@pytest.mark.parametrize("lengths", [(5, 5, 5, 5), (4, 7, 4, 7)])
@pytest.mark.parametrize("kind", ["llama", "bloom", "gemma2"])
def test_rows_that_begin_alike_are_read_as_each_alone_and_may_leave(kind: str, lengths: tuple[int, ...]) -> None:
    lm = shared_lm(kind) if kind in KINDS else sliding_lm(kind)
    vectors = new_vectors(lm, "happy")
    prompts = [random_ids(lm, length, length) for length in lengths]
    rows = [random_ids(lm, length, 50 + length) for length in (9, 3, 12, 6)]
    together = Reader(lm, prompts, vectors)
    together.read([row[:3] for row in rows])
    together.keep([0, 2, 3])
    together.read([rows[row][3:6] for row in (0, 2, 3)])
    together.keep([0, 2])
    together.read([rows[row][6:] for row in (0, 2)])
    for place, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
        alone = Reader(lm, [prompt], vectors)
        alone.read([row])
        found, wanted = together.readings[place], alone.readings[0]
        assert found.tokens == len(row)
        assert found.surprise == pytest.approx(wanted.surprise, rel=1e-4)
        assert found.place("happy") == pytest.approx(wanted.place("happy"), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("kind", ["llama", "mistral", "gemma3"])
def test_a_text_read_in_turns_is_read_as_one(kind: str) -> None:
    lm = shared_lm() if kind == "llama" else sliding_lm(kind)
    prompt, row = random_ids(lm, 5), random_ids(lm, 12, 1)
    whole, turns = Reader(lm, [prompt], new_vectors(lm, "happy")), Reader(lm, [prompt], new_vectors(lm, "happy"))
    whole.read([row])
    for start, stop in ((0, 1), (1, 7), (7, 12)):
        turns.read([row[start:stop]])
    assert turns.readings[0].perplexity == pytest.approx(whole.readings[0].perplexity, rel=1e-5)
    logprobs = plain_logprobs(lm, prompt, row)
    surprise = -sum(float(line[token]) for line, token in zip(logprobs, row, strict=True))
    assert whole.readings[0].surprise == pytest.approx(surprise, rel=1e-4)
    assert turns.readings[0].place("happy") == pytest.approx(whole.readings[0].place("happy"), rel=1e-4)


def test_no_text_has_no_measures() -> None:
    reader = Reader(shared_lm(), [[5, 6]], new_vectors(shared_lm(), "happy"))
    reading = reader.readings[0]
    assert (reading.perplexity, reading.place("happy"), reading.kl_mean, reading.kl_p95) == (None, None, None, None)
    reader.read([[]])
    assert reading.perplexity is None


def test_a_vector_of_zeros_has_no_scale_to_be_placed_on() -> None:
    lm = shared_lm()
    made = new_vectors(lm, "happy")["happy"]
    zero = SteeringVector("happy", {layer: torch.zeros_like(row) for layer, row in made.layers.items()}, made.meta)
    sampling = Sampling(max_tokens=4)
    result = generate(lm, Request(PROMPT, "happy:2", sampling, baseline=True), {"happy": zero})
    assert result.measures is not None and result.measures.concepts == {"happy": (None, None)}
    assert result.baseline is not None and result.steered.ids == result.baseline.ids


@pytest.mark.parametrize("folded", [False, True])
def test_a_concept_that_came_late_has_a_place_where_the_text_is_still_there(
    monkeypatch: pytest.MonkeyPatch, folded: bool
) -> None:
    lm = shared_lm()
    if folded:
        monkeypatch.setattr(judge, "_MOST_BYTES", 1)
    controls = Controls()
    measures = generate(
        lm,
        Request(PROMPT, "happy", Sampling(max_tokens=8)),
        new_vectors(lm, "happy", "sad"),
        on_step=lambda step: controls.change("sad") if step.index == 4 else None,
        controls=controls,
    ).measures
    assert measures is not None and list(measures.concepts) == ["happy", "sad"]
    assert (measures.concepts["sad"][0] is None) == folded
    assert measures.concepts["sad"][1] is not None and measures.concepts["happy"][0] is not None


logits = st.lists(st.floats(-30, 30, width=32), min_size=6, max_size=6)


@given(logits, logits)
def test_divergence_is_the_sum_of_the_definition(first: list[float], second: list[float]) -> None:
    p, q = torch.tensor([first]), torch.log_softmax(torch.tensor([second]), -1)
    drawn = torch.softmax(p.double()[0], -1)
    wanted = sum(
        float(share) * (math.log(float(share)) - float(other))
        for share, other in zip(drawn, q[0].double(), strict=True)
    )
    assert float(kl_divergence(p, q)[0]) == pytest.approx(max(wanted, 0), rel=1e-3, abs=1e-4)
    assert float(kl_divergence(p, torch.log_softmax(p, -1))[0]) == 0


def test_divergence_knows_impossible_tokens() -> None:
    never = torch.tensor([[0.0, -math.inf, 0.0]])
    plain = torch.log_softmax(torch.zeros(1, 3), -1)
    assert float(kl_divergence(never, plain)[0]) == pytest.approx(math.log(1.5), rel=1e-5)
    assert float(kl_divergence(torch.zeros(1, 3), torch.log_softmax(never, -1))[0]) == math.inf


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [([], None), ([1], None), ([1, 2], 1.0), ([1, 1, 1], 0.5), ([1, 2, 1, 2, 1], 0.5), ([1, 2, 3], 1.0)],
)
def test_distinct_bigrams(ids: list[int], wanted: float | None) -> None:
    assert distinct_2(ids) == wanted


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values: list[float], share: float) -> None:
    assert quantile(values, share) == pytest.approx(float(np.quantile(values, share)), rel=1e-6, abs=1e-6)
    assert quantile([], share) is None


def test_an_absurd_strength_gives_figures_or_none() -> None:
    for recipe in ("happy:1e6@all", "happy:-1e6@all~keepnorm"):
        measures = run(shared_lm(), recipe).measures
        assert measures is not None and measures.perplexity[0] is not None and not math.isnan(measures.perplexity[0])
