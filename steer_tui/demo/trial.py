"""Trials of recipes on the demo model: texts for prompts and seeds, the share that shows a concept, the perplexity.

The texts of many trials are rows of one batch. Knows nothing of how recipes are chosen or printed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from steer_tui.demo.scoring import shows
from steer_tui.engine.decode import Decoder, Row
from steer_tui.engine.measure import Reader, Reading
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.resolve import resolve
from steer_tui.engine.types import Sampling
from steer_tui.engine.vector import SteeringVector
from steer_tui.library.concepts import Concept

MAX_TOKENS = 128
TEMPERATURE = 0.7
_MOST_ROWS = 200


@dataclass(frozen=True)
class Trial:
    """What a recipe did."""

    recipe: str
    texts: tuple[str, ...]
    perplexity: float
    """exp of the mean surprise over all generated tokens, under the unsteered model."""

    def share(self, concept: Concept) -> float:
        """Return the share of texts that show the concept."""
        return sum(shows(concept.name, concept.words, text) for text in self.texts) / len(self.texts)


@dataclass(frozen=True)
class Setting:
    """What the trials of a comparison have in common."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    raw: bool = False
    """True bypasses the chat template."""


def run_trials(
    lm: LanguageModel, recipes: Sequence[str], vectors: Mapping[str, SteeringVector], setting: Setting
) -> list[Trial]:
    """Return one trial per recipe: every prompt with every seed; an empty recipe steers nothing."""
    cases = [(prompt, seed) for prompt in setting.prompts for seed in setting.seeds]
    encoded = {prompt: lm.encode(prompt, setting.raw) for prompt in setting.prompts}
    rows = []
    for recipe in recipes:
        terms = resolve(parse_recipe(recipe), vectors, lm.info.layers, lm.info.width)
        for prompt, seed in cases:
            rows.append(Row(encoded[prompt], terms, Sampling(TEMPERATURE, seed=seed, max_tokens=MAX_TOKENS)))
    parts = [rows[start : start + _MOST_ROWS] for start in range(0, len(rows), _MOST_ROWS)]
    results = [result for part in parts for result in _generate(lm, part)]
    texts = [lm.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids, _ in results]
    if setting.raw:
        texts = [f"{cases[place % len(cases)][0]} {text}" for place, text in enumerate(texts)]
    trials = []
    for place, recipe in enumerate(recipes):
        own = slice(place * len(cases), (place + 1) * len(cases))
        trials.append(Trial(recipe, tuple(texts[own]), _perplexity([reading for _, reading in results[own]])))
    return trials


def _generate(lm: LanguageModel, rows: Sequence[Row]) -> Iterator[tuple[list[int], Reading]]:
    drawn: list[list[int]] = [[] for _ in rows]
    with Decoder(lm, rows) as decoder:
        while decoder.alive:
            for token in decoder.step():
                drawn[token.row].append(token.id)
    reader = Reader(lm, [row.prompt_ids for row in rows])
    reader.read(drawn)
    return zip(drawn, reader.readings, strict=True)


def _perplexity(readings: Sequence[Reading]) -> float:
    tokens = sum(reading.tokens for reading in readings)
    mean = sum(reading.surprise for reading in readings) / max(1, tokens)
    return math.exp(min(mean, 700.0))
