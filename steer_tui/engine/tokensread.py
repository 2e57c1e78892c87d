"""The tokens of examples with those marked that a vector is read from, for people to see. Plain values come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from steer_tui.engine.extractchoices import Read
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.passages import Pairs, prepare, prompts_of
from steer_tui.text import clean


@dataclass(frozen=True, slots=True)
class ShownToken:
    """One token."""

    text: str
    """Cleaned."""
    is_read: bool


@dataclass(frozen=True, slots=True)
class ShownText:
    """One example."""

    side: Literal["positive", "negative"]
    text: int
    """From 1, in the order of the side."""
    tokens: tuple[ShownToken, ...]


@dataclass(frozen=True)
class _Part:
    """The first few examples of a concept."""

    name: str
    group: str
    description: str
    positive: Sequence[str]
    negative: Sequence[str]
    prompts: Sequence[str]
    system: Any


def tokens_read(
    lm: LanguageModel, concept: Pairs, read: Read, template: str = "auto", most: int = 3
) -> tuple[ShownText, ...]:
    """Return the first texts of both sides in turn, `most` of each, token by token.

    Raises:
        UsageError, ModelError: As `passages.prepare`.
    """
    part = _Part(
        concept.name,
        concept.group,
        concept.description,
        concept.positive[:most],
        concept.negative[:most],
        prompts_of(concept)[:most],
        getattr(concept, "system", None),
    )
    found = prepare(lm, part, read, template)
    shown = []
    for place in range(max(len(found.positive), len(found.negative))):
        for side, passages in (("positive", found.positive), ("negative", found.negative)):
            if place < len(passages):
                one = passages[place]
                words = [clean(lm.tokenizer.decode([token])) for token in one.ids]
                tokens = [ShownToken(word, one.start <= at < one.end) for at, word in enumerate(words)]
                shown.append(ShownText(side, place + 1, tuple(tokens)))  # type: ignore[arg-type]
    return tuple(shown)


def marked(shown: ShownText, left: str = "[", right: str = "]") -> str:
    """Return a text in one piece, the tokens that are read between marks."""
    parts, inside = [], False
    for token in (*shown.tokens, ShownToken("", False)):
        if token.is_read is not inside:
            parts.append(right if inside else left)
            inside = token.is_read
        parts.append(token.text)
    return "".join(parts)
