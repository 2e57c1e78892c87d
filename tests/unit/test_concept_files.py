"""The bundled concept files: complete, well formed and told apart by their words."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "concepts"

GROUPS = {
    "emotions": ["happy", "sad", "angry", "fearful", "excited", "calm"],
    "styles": ["formal", "casual", "poetic", "technical"],
    "personalities": ["pirate", "shakespeare", "enthusiastic", "pessimistic"],
    "brevity": ["brief", "verbose"],
}
NAMES = [name for names in GROUPS.values() for name in names]
WORDED = [name for name in NAMES if name not in GROUPS["brevity"]]
FIELDS = {"name", "group", "description", "instruction", "positive", "negative", "test_prompts", "words"}


def load(name: str) -> dict[str, Any]:
    with (FOLDER / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def pattern(words: list[str]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(map(re.escape, words)) + r")\b", re.IGNORECASE)


def share(words: list[str], texts: list[str]) -> float:
    shows = pattern(words)
    return sum(shows.search(text) is not None for text in texts) / len(texts)


def lengths(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_there_are_exactly_sixteen() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.toml")) == sorted(NAMES)
    assert len(NAMES) == 16


@pytest.mark.parametrize("group, name", [(g, n) for g, names in GROUPS.items() for n in names])
def test_fields(group: str, name: str) -> None:
    concept = load(name)
    assert set(concept) == FIELDS
    assert concept["name"] == name
    assert concept["group"] == group
    assert 0 < len(concept["description"]) <= 60
    assert concept["instruction"].startswith("Answer ") and concept["instruction"].endswith(".")
    assert 6 <= len(concept["test_prompts"]) <= 8
    assert len(set(concept["test_prompts"])) == len(concept["test_prompts"])


@pytest.mark.parametrize("name", NAMES)
def test_pairs(name: str) -> None:
    concept = load(name)
    positive, negative = concept["positive"], concept["negative"]
    assert len(positive) == len(negative) >= 24
    assert len(set(positive)) == len(positive)
    assert len(set(negative)) == len(negative)
    assert not set(positive) & set(negative)


def test_no_text_belongs_to_two_concepts() -> None:
    texts = [text for name in NAMES for text in load(name)["positive"] + load(name)["negative"]]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", NAMES)
def test_plain_single_lines(name: str) -> None:
    concept = load(name)
    texts = [concept["description"]]
    for field in ("positive", "negative", "test_prompts", "words"):
        texts += concept[field]
    for text in texts:
        assert isinstance(text, str)
        assert text and text == text.strip() and "  " not in text
        # Cc, Cf (bidi and zero width), Cs, Co, Cn and the line separators
        assert not any(unicodedata.category(c) in {"Zl", "Zp"} for c in text), text
        assert not any(unicodedata.category(c).startswith("C") for c in text), text


@pytest.mark.parametrize("name", WORDED)
def test_texts_are_of_one_size(name: str) -> None:
    concept = load(name)
    positive, negative = lengths(concept["positive"]), lengths(concept["negative"])
    assert all(8 <= n <= 25 for n in positive + negative)
    assert all(0.65 <= p / n <= 1.5 for p, n in zip(positive, negative, strict=True))
    assert 0.85 <= sum(positive) / sum(negative) <= 1.15


@pytest.mark.parametrize("name", WORDED)
def test_words_mark_the_positive_side_only(name: str) -> None:
    concept = load(name)
    words = concept["words"]
    assert 25 <= len(words) <= 45
    assert len({word.lower() for word in words}) == len(words)
    assert share(words, concept["positive"]) >= 0.60
    assert share(words, concept["negative"]) <= 0.02


def test_no_word_is_shared_by_two_concepts() -> None:
    concepts = {name: load(name)["words"] for name in WORDED}
    for name, words in concepts.items():
        for other in WORDED:
            if other != name:
                shared = [word for word in words if pattern(concepts[other]).search(word)]
                assert not shared, (name, other, shared)


@pytest.mark.parametrize("name", NAMES)
def test_texts_show_no_other_concept(name: str) -> None:
    concept = load(name)
    for other in WORDED:
        words = load(other)["words"]
        assert share(words, concept["negative"]) == 0, other
        if other != name:
            assert share(words, concept["positive"]) <= 0.05, other


def test_brief_is_short_beside_ordinary_texts() -> None:
    concept = load("brief")
    positive, negative = lengths(concept["positive"]), lengths(concept["negative"])
    assert max(positive) <= 10
    assert all(12 <= n <= 35 for n in negative)
    assert all(2 * p <= n for p, n in zip(positive, negative, strict=True))


def test_verbose_is_long_beside_ordinary_texts() -> None:
    concept = load("verbose")
    positive, negative = lengths(concept["positive"]), lengths(concept["negative"])
    assert min(positive) >= 35
    assert all(8 <= n <= 25 for n in negative)
    assert all(p >= 2 * n for p, n in zip(positive, negative, strict=True))
