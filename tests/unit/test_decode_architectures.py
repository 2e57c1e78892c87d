"""What the decode core promises, on every architecture that is named as supported."""

from __future__ import annotations

import pytest
import torch

from steer_tui.engine.decode import Decoder, Row
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.resolve import resolve
from steer_tui.engine.types import Sampling
from tests.unit.architectures import ARCHITECTURES, architecture
from tests.unit.decoding import by_transformers, greedy, ids_of
from tests.unit.reference import steered_pass
from tests.unit.tiny import left_behind, new_vectors, random_ids

LENGTHS = (1, 9, 4, 6)
RECIPE = "happy:6@1,sad:-2@0-1~keepnorm/generated,happy:0.5@2~rotate/after=3"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_unsteered_greedy_ids_are_those_of_transformers_alone_and_beside_a_steered_row(name: str) -> None:
    lm = architecture(name)
    terms = resolve(parse_recipe("happy:6@1"), new_vectors(lm, "happy"), lm.info.layers, lm.info.width)
    for seed, length in enumerate(LENGTHS):
        prompt = random_ids(lm, length, seed)
        wanted = by_transformers(lm, prompt)
        assert ids_of(lm, [greedy(prompt)]) == [wanted]
        assert ids_of(lm, [greedy(prompt, terms), greedy(prompt)])[1] == wanted
    assert not left_behind(lm)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_they_are_also_in_a_padded_batch(name: str) -> None:
    lm = architecture(name)
    prompts = [random_ids(lm, length, seed) for seed, length in enumerate(LENGTHS)]
    assert ids_of(lm, [greedy(prompt) for prompt in prompts]) == [by_transformers(lm, prompt) for prompt in prompts]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_steered_rows_of_a_padded_batch_are_those_of_one_full_pass_each(name: str) -> None:
    lm = architecture(name)
    vectors = new_vectors(lm, "happy", "sad")
    terms = resolve(parse_recipe(RECIPE), vectors, lm.info.layers, lm.info.width)
    rows = [Row(random_ids(lm, length, length), terms, Sampling(0, max_tokens=8)) for length in LENGTHS]
    logits: list[list[torch.Tensor]] = [[] for _ in rows]
    ids: list[list[int]] = [[] for _ in rows]
    with Decoder(lm, rows) as decoder:
        while decoder.alive:
            for place, token in enumerate(decoder.step()):
                assert decoder.last_logits is not None
                ids[token.row].append(token.id)
                logits[token.row].append(decoder.last_logits[place])
    for row, given in enumerate(rows):
        prompt = list(given.prompt_ids)
        _, wanted = steered_pass(lm, prompt + ids[row][:-1], len(prompt), parse_recipe(RECIPE), vectors)
        found = torch.stack(logits[row])
        scale = max(1.0, float(wanted.abs().max()))
        torch.testing.assert_close(found, wanted[len(prompt) - 1 :], atol=1e-4 * scale, rtol=1e-4)
