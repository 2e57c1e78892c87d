"""The word lists of the demo grammar, read from `words/*.txt`.

A line of those files is `key: item | item | ...`. This module knows how they are stored, not what is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEXICON_DIR = Path(__file__).parent / "words"
EMOTIONS = ("happy", "sad", "angry", "fearful", "excited", "calm")
STYLES = ("formal", "casual", "poetic", "technical")
PERSONALITIES = ("pirate", "shakespeare", "enthusiastic", "pessimistic")
BREVITY = ("brief", "verbose")
CONCEPTS = EMOTIONS + STYLES + PERSONALITIES + BREVITY
NEUTRAL = "neutral"

Lists = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Topic:
    """Something a passage can be about."""

    phrase: str
    """Noun phrase as it stands in the middle of a sentence."""
    plural: bool
    facts: tuple[str, ...]
    """Verb phrases that agree with `phrase`."""
    pronoun: str
    """Subject pronoun: it, they, he or she."""


def _lines(name: str) -> list[str]:
    text = (LEXICON_DIR / f"{name}.txt").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _items(text: str, separator: str = "|") -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(separator) if item.strip())


@cache
def register(name: str) -> Lists:
    """Return the slot fillers of one concept, or of `neutral`."""
    table: Lists = {}
    for line in _lines(name):
        key, value = line.split(":", 1)
        table[key] = table.get(key, ()) + _items(value)
    return table


@cache
def frames() -> Lists:
    """Return sentence frames and small word lists by name."""
    table: Lists = {}
    for line in _lines("frames"):
        key, value = line.split(":", 1)
        by_space = key.startswith("person_") or key in ("nadj", "no_end")
        table[key] = tuple(value.split()) if by_space else _items(value)
    return table


@cache
def topics() -> tuple[Topic, ...]:
    """Return the hand-written topics with facts of their own."""
    found = []
    for line in _lines("topics"):
        phrase, number, facts = (part.strip() for part in line.split("|"))
        found.append(Topic(phrase, number == "p", _items(facts, ";"), _pronoun(phrase, number == "p")))
    return tuple(found)


def _pronoun(phrase: str, plural: bool) -> str:
    if plural:
        return "they"
    if phrase in ("my sister", "my boss"):
        return "she"
    return "he" if phrase in ("my friend", "my brother", "my neighbour") else "it"


@cache
def nouns() -> dict[str, tuple[tuple[str, str], ...]]:
    """Return (singular, plural) nouns by kind."""
    table = {}
    for line in _lines("nouns"):
        kind, words = line.split(":", 1)
        pairs = [word.split("/") for word in words.split()]
        table[kind] = tuple((pair[0], pair[1]) for pair in pairs)
    return table


@cache
def kinds() -> Lists:
    """Return verb phrases in base form by kind of noun."""
    return {kind: _items(facts) for kind, facts in (line.split(":", 1) for line in _lines("kinds"))}


@cache
def pasts() -> tuple[str, ...]:
    """Return things people did, as verb phrases in the past tense."""
    return tuple(item for line in _lines("pasts") for item in _items(line))


@cache
def tasks() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return things one can do, each with its steps in order."""
    split = (line.split(":", 1) for line in _lines("tasks"))
    return tuple((name.strip(), _items(steps, ";")) for name, steps in split)
