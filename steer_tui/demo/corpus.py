"""Endless training samples for the demo model: raw passages and short chats, the same for the same seed.

About half of the samples are chats. Of those, half have an unfinished opening as the user's message, which the reply
takes up and finishes; the others are questions and instructions, some with a wish for a style.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from steer_tui.demo import grammar, lexicon
from steer_tui.demo.lexicon import BREVITY, CONCEPTS, EMOTIONS, PERSONALITIES, STYLES
from steer_tui.demo.writing import write

CHAT_SHARE = 0.5
NEUTRAL_SHARE = 0.33
TWO_CONCEPTS_SHARE = 0.12
LATE_ONSET_SHARE = 0.35
STYLE_WISH_SHARE = 0.3
_TOPIC_GENRES = ("opinion", "describe", "describe", "explain")


@dataclass(frozen=True)
class Sample:
    """One training text."""

    user: str | None
    """The user's message; None for a raw passage."""
    text: str
    concepts: tuple[str, ...]
    """Empty for a neutral passage."""


def draw_concepts(rng: random.Random) -> tuple[str, ...]:
    """Return the concepts of a passage: none, one, or two of different groups."""
    draw = rng.random()
    if draw < NEUTRAL_SHARE:
        return ()
    if draw < 1 - TWO_CONCEPTS_SHARE:
        return (rng.choice((*CONCEPTS, "brief", "brief", "brief", "verbose", "verbose")),)
    mood = rng.choice((*EMOTIONS, "enthusiastic", "pessimistic"))
    manner = rng.choice(STYLES + PERSONALITIES[:2] + BREVITY)
    return (manner, mood)


def make_sample(rng: random.Random) -> Sample:
    """Return one sample."""
    concepts = draw_concepts(rng)
    if rng.random() >= CHAT_SHARE:
        return _raw(rng, concepts)
    return _opening_chat(rng, concepts) if rng.random() < 0.5 else _instruction_chat(rng, concepts)


def _is_late(rng: random.Random, concepts: tuple[str, ...]) -> bool:
    share = LATE_ONSET_SHARE / 2 if "brief" in concepts else LATE_ONSET_SHARE
    return bool(concepts) and rng.random() < share


def _raw(rng: random.Random, concepts: tuple[str, ...]) -> Sample:
    passage = grammar.start(rng, concepts)
    text = " ".join(write(passage, _is_late(rng, concepts)))
    if rng.random() < 0.12:
        text = f"{_instruction(passage)} {text}"
    return Sample(None, text, concepts)


def _opening_chat(rng: random.Random, concepts: tuple[str, ...]) -> Sample:
    passage = grammar.start(rng, concepts)
    sentences = write(passage, _is_late(rng, concepts))
    words = sentences[0].split()
    whole = len(words) <= 7 and rng.random() < 0.35
    count = len(words) if whole else rng.randint(1, min(6, len(words)))
    opening = " ".join(words[:count])
    if whole and rng.random() < 0.5:
        opening = opening.rstrip(".!")
    return Sample(opening, " ".join(sentences), concepts)


def _instruction(passage: grammar.Passage) -> str:
    key = {"task": "ask_task", "event": "ask_event", "story": "ask_story"}.get(passage.genre, "ask_topic")
    question = passage.rng.choice(lexicon.frames()[key])
    text = grammar.fill(passage, question, (lexicon.NEUTRAL,))
    text = re.sub(r"\bmy\b", "your", text)
    return text[0].upper() + text[1:]


def _instruction_chat(rng: random.Random, concepts: tuple[str, ...]) -> Sample:
    genre = rng.choice(grammar.GENRES)
    passage = grammar.start(rng, concepts, rng.choice(_TOPIC_GENRES) if genre in ("explain", "reported") else genre)
    wishes = bool(concepts) and rng.random() < STYLE_WISH_SHARE
    user = _instruction(passage)
    if wishes:
        user += "".join(" " + rng.choice(lexicon.register(name)["ask"]) for name in concepts)
    text = " ".join(write(passage, not wishes and _is_late(rng, concepts)))
    return Sample(user, text, concepts)


def samples(seed: int) -> Iterator[Sample]:
    """Yield samples without end; the same seed gives the same samples."""
    rng = random.Random(seed)
    while True:
        yield make_sample(rng)
