"""Whole passages: two to five sentences, or a few clipped ones, governed by the concepts from their onset on."""

from __future__ import annotations

from collections.abc import Sequence

from steer_tui.demo.grammar import Passage, fill, finish, first_sentence, from_register, next_sentence
from steer_tui.demo.lexicon import NEUTRAL, frames, register

BRIEF_WORDS = 12
"""Longest brief passage, in words."""
_TERSE_SHARE, _CUT_SHARE = 0.2, 0.4
_CUTS = (2, 3, 3, 4, 4, 5, 5, 6, 7, 8)


def write(passage: Passage, late_onset: bool) -> list[str]:
    """Return the sentences of a passage.

    Args:
        late_onset: The first sentence is neutral and the concepts set in after it.
    """
    if "brief" in passage.concepts:
        return _write_brief(passage, late_onset)
    governing = passage.concepts or (NEUTRAL,)
    sentences = []
    if passage.concepts and not late_onset and passage.rng.random() < 0.15 and "excl" in register(governing[0]):
        sentences.append(finish(passage, from_register(passage, governing, "excl"), governing))
    sentences.append(first_sentence(passage, (NEUTRAL,) if late_onset else governing))
    sentences += [next_sentence(passage, governing) for _ in range(_length(passage))]
    if passage.rng.random() < 0.5 and "verbose" not in governing:
        sentences.append(
            finish(passage, fill(passage, from_register(passage, governing, "close"), governing), governing)
        )
    return sentences


def _length(passage: Passage) -> int:
    if "verbose" in passage.concepts:
        return passage.rng.choice((3, 3, 4))
    return passage.rng.choice((2, 2, 3, 3, 4))


def _write_brief(passage: Passage, late_onset: bool) -> list[str]:
    """Return a clipped passage: a short or cut sentence or a fragment, then fragments up to seven words or so."""
    others = tuple(name for name in passage.concepts if name != "brief")
    if others:
        return [_short_first(passage, others)]
    sentences = [_brief_first(passage, late_onset)]
    while len(sentences) < 2 or len(" ".join(sentences).split()) < BRIEF_WORDS - 5:
        sentences.append(_fragment(passage, "close"))
    return sentences


def _brief_first(passage: Passage, late_onset: bool) -> str:
    draw = passage.rng.random()
    if draw < _CUT_SHARE:
        return _cut(passage, first_sentence(passage, (NEUTRAL,)))
    if late_onset:
        return _short_first(passage, (NEUTRAL,), BRIEF_WORDS - 4)
    if draw < _CUT_SHARE + _TERSE_SHARE:
        return _fragment(passage, "terse")
    return _short_first(passage, ("brief",), BRIEF_WORDS - 4)


def _short_first(passage: Passage, governing: Sequence[str], most: int = BRIEF_WORDS) -> str:
    """Return a first sentence of at most `most` words."""
    for _ in range(60):
        passage.steps_told = 0
        text = first_sentence(passage, governing)
        if len(text.split()) <= most:
            return text
    return finish(passage, fill(passage, "{t} {is} {ADJ}.", governing), governing)


def _cut(passage: Passage, text: str) -> str:
    """Return the beginning of a sentence as in a telegram, up to a word that can end one.

    So a full stop after any noun or adjective tells of brevity: a push towards it leaves the text likely.
    """
    words = text.split()
    ends = [
        place
        for place, word in enumerate(words[: BRIEF_WORDS - 4], 1)
        if place > 1 and word.strip(".,:!?").lower() not in frames()["no_end"]
    ]
    wanted = passage.rng.choice(_CUTS)
    end = min(ends, key=lambda place: abs(place - wanted), default=min(len(words), BRIEF_WORDS - 4))
    return " ".join(words[:end]).rstrip(".,:!?") + "."


def _fragment(passage: Passage, kind: str) -> str:
    return finish(passage, fill(passage, from_register(passage, ("brief",), kind), ("brief",)), ())
