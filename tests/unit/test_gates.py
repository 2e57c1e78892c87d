"""Gates hold by the prompt's place on a concept scale, and what they gate acts on generated tokens only."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from steer_tui.engine.decode import Decoder, Row
from steer_tui.engine.gates import decide_gates
from steer_tui.engine.generate import Controls, generate
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.resolve import resolve
from steer_tui.engine.types import Change, Request, Sampling
from steer_tui.engine.vector import SteeringVector
from tests.unit.reference import steered_pass
from tests.unit.tiny import KINDS, hooked, left_behind, new_vectors, random_ids, shared_lm

TOKENS = 6


def prompt_place(lm: LanguageModel, vector: SteeringVector, prompt: Sequence[int]) -> float:
    """Return where the prompt lies on the concept scale, its own tokens averaged, from one plain pass."""
    states: dict[int, Tensor] = {}
    with hooked(lm, states.__setitem__):
        lm.model(torch.tensor([list(prompt)]))
    own = [place for place, token in enumerate(prompt) if token != lm.tokenizer.bos_token_id]
    at = vector.meta.best_layers[0]
    raw = vector.layers[at]
    return (float(states[at][0, own].mean(0) @ raw / raw.norm()) - vector.meta.origin[at]) / float(raw.norm())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bos", [False, True])
def test_a_gate_holds_on_its_side_of_the_prompts_place(kind: str, bos: bool) -> None:
    lm = shared_lm(kind)
    vectors = new_vectors(lm, "happy", "sad")
    for seed in range(4):
        prompt = [0] * bos + random_ids(lm, 3 + seed, seed)
        place = prompt_place(lm, vectors["sad"], prompt)
        for sign, threshold, holds in ((">", -1e-3, True), (">", 1e-3, False), ("<", 1e-3, True), ("<", -1e-3, False)):
            recipe = parse_recipe(f"happy?sad{sign}{place + threshold:.6f}")
            terms = resolve(recipe, vectors, lm.info.layers, lm.info.width)
            assert decide_gates(lm, prompt, terms)[0].is_open == holds
    assert not left_behind(lm)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", ["", "/all", "/prompt", "/generated", "/pos=3..6"])
@pytest.mark.parametrize("lengths", [(5, 4), (1, 1)])
def test_a_gated_term_acts_on_generated_tokens_of_its_scope_where_it_holds(
    kind: str, scope: str, lengths: tuple[int, int]
) -> None:
    lm = shared_lm(kind)
    vectors = new_vectors(lm, "happy", "sad")
    prompts = [random_ids(lm, length, seed) for seed, length in enumerate(lengths)]
    places = [prompt_place(lm, vectors["sad"], prompt) for prompt in prompts]
    between = sum(places) / 2
    recipe = parse_recipe(f"happy:6@0-3{scope}?sad>{between:.4f}")
    terms = resolve(recipe, vectors, lm.info.layers, lm.info.width)
    rows = [Row(prompt, terms, Sampling(0, max_tokens=TOKENS)) for prompt in prompts]
    ids: list[list[int]] = [[], []]
    logits: list[list[Tensor]] = [[], []]
    with Decoder(lm, rows) as decoder:
        while decoder.alive:
            for token in decoder.step():
                assert not (token.steered and not ids[token.row])
                ids[token.row].append(token.id)
                assert decoder.last_logits is not None
                logits[token.row].append(decoder.last_logits[token.row])
    for row, prompt in enumerate(prompts):
        closed = () if places[row] > between else recipe.terms
        _, wanted = steered_pass(lm, prompt + ids[row][:-1], len(prompt), recipe, vectors, closed)
        torch.testing.assert_close(torch.stack(logits[row]), wanted[len(prompt) - 1 :], atol=1e-3, rtol=1e-4)


def test_a_gate_put_in_force_while_text_streams_asks_the_prompt_and_replays() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy", "sad")
    request = Request(
        "The meeting went", "", Sampling(0.9, seed=1, max_tokens=12), changes=(Change(4, "happy:9?sad>-99"),)
    )
    opened = generate(lm, request, vectors)
    closed = generate(
        lm, Request("The meeting went", "", request.sampling, changes=(Change(4, "happy:9?sad>99"),)), vectors
    )
    plain = generate(lm, Request("The meeting went", "", request.sampling), vectors)
    always = generate(lm, Request("The meeting went", "", request.sampling, changes=(Change(4, "happy:9"),)), vectors)
    assert opened.steered.ids == always.steered.ids != plain.steered.ids == closed.steered.ids
    controls = Controls()
    live = generate(
        lm,
        Request("The meeting went", "", request.sampling),
        vectors,
        on_step=lambda step: controls.change("happy:9?sad>-99") if step.index == 3 else None,
        controls=controls,
    )
    assert live.steered == opened.steered
    assert live.measures is not None and list(live.measures.concepts) == ["happy", "sad"]
