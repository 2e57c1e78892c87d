"""Decoding and steering beyond the window that a sliding attention sees."""

from __future__ import annotations

import pytest

from steer_tui.engine.recipe import parse_recipe
from tests.unit.decoding import by_transformers, greedy, ids_of, sliding_lm, terms
from tests.unit.reference import steered_pass
from tests.unit.tiny import new_vectors, random_ids


@pytest.mark.parametrize("kind", ["mistral", "gemma2", "gemma3"])
def test_decoding_goes_on_beyond_a_sliding_window(kind: str) -> None:
    lm = sliding_lm(kind)
    prompts = [random_ids(lm, length, seed=length) for length in (3, 7, 8, 20)]
    wanted = [by_transformers(lm, prompt, 40) for prompt in prompts]
    assert [ids_of(lm, [greedy(prompt, tokens=40)])[0] for prompt in prompts] == wanted
    assert ids_of(lm, [greedy(prompt, tokens=40) for prompt in prompts]) == wanted
    both = ids_of(lm, [greedy(prompts[3], terms(lm, "happy:3/generated"), 40), greedy(prompts[3], tokens=40)])
    assert both[1] == wanted[3]


@pytest.mark.parametrize("kind", ["mistral", "gemma2", "gemma3"])
def test_steering_beyond_a_sliding_window_is_that_of_one_full_pass(kind: str) -> None:
    lm, recipe = sliding_lm(kind), "happy:1.5@1-2/after=9"
    prompt = random_ids(lm, 5)
    ids = ids_of(lm, [greedy(prompt, terms(lm, recipe), 30), greedy(random_ids(lm, 11), tokens=4)])[0]
    _, logits = steered_pass(lm, prompt + ids[:-1], 5, parse_recipe(recipe), new_vectors(lm, "happy"))
    assert ids == logits[4:].argmax(-1).tolist()
