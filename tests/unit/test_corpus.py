"""The demo grammar: deterministic, correct on its surface, and its concepts show where they govern and nowhere else."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from steer_tui.demo import corpus, grammar, lexicon, surface, writing
from steer_tui.demo.scoring import shows
from steer_tui.demo.vectors import bundled_concepts
from steer_tui.library.concepts import Concept

COUNT = 6000


@pytest.fixture(scope="module")
def samples() -> list[corpus.Sample]:
    return list(itertools.islice(corpus.samples(7), COUNT))


def test_the_same_seed_gives_the_same_samples(samples: list[corpus.Sample]) -> None:
    assert list(itertools.islice(corpus.samples(7), 200)) == samples[:200]


def test_another_seed_gives_other_samples(samples: list[corpus.Sample]) -> None:
    assert list(itertools.islice(corpus.samples(8), 50)) != samples[:50]


def test_hardly_a_passage_comes_twice(samples: list[corpus.Sample]) -> None:
    texts = [sample.text for sample in samples if "brief" not in sample.concepts]
    assert len(set(texts)) > 0.995 * len(texts)


def test_every_concept_governs_some_passages_and_many_are_neutral(samples: list[corpus.Sample]) -> None:
    for concept in lexicon.CONCEPTS:
        assert sum(concept in sample.concepts for sample in samples) > 0.02 * COUNT
    assert 0.25 < sum(not sample.concepts for sample in samples) / COUNT < 0.45


def test_about_half_of_the_samples_are_chats(samples: list[corpus.Sample]) -> None:
    assert 0.45 < sum(sample.user is not None for sample in samples) / COUNT < 0.55


def test_text_has_no_double_space_and_no_open_slot(samples: list[corpus.Sample]) -> None:
    for sample in samples:
        assert not re.search(r" {2}|[{}|]| [,.!?]|,[,.]", f"{sample.user or ''} {sample.text}".strip()), sample


def test_sentences_begin_with_a_capital_and_end_with_a_mark(samples: list[corpus.Sample]) -> None:
    for sample in samples:
        assert sample.text[-1] in ".!?\"'", sample
        assert not re.search(r"(^|[.!?] )[a-z]", re.sub(r"\d\.\d", "", sample.text)), sample


def test_articles_fit_the_next_word(samples: list[corpus.Sample]) -> None:
    for sample in samples:
        assert not re.search(r"\b[Aa]n [bcdfgjklmnpqrstvwxz]", sample.text), sample
        assert not re.search(r"\b[Aa] (?!one|uni|use|usu)[aeiou]", sample.text), sample


def test_subjects_and_verbs_agree(samples: list[corpus.Sample]) -> None:
    wrong = re.compile(r"\b(they (is|was|has|does)|(he|she|it) (are|were|have|do))\b")
    for sample in samples:
        if not {"pirate", "shakespeare"} & set(sample.concepts):
            assert not wrong.search(sample.text.lower().replace("as it were", "")), sample


@pytest.mark.parametrize("concept", bundled_concepts(), ids=lambda concept: concept.name)
def test_a_concept_shows_where_it_governs_and_hardly_in_neutral_text(
    concept: Concept, samples: list[corpus.Sample]
) -> None:
    alone = [sample.text for sample in samples if sample.concepts == (concept.name,)]
    neutral = [sample.text for sample in samples if not sample.concepts]
    assert sum(shows(concept.name, concept.words, text) for text in alone) > 0.85 * len(alone)
    assert sum(shows(concept.name, concept.words, text) for text in neutral) < 0.04 * len(neutral)


def test_an_opening_is_taken_up_by_the_reply(samples: list[corpus.Sample]) -> None:
    taken_up = [s for s in samples if s.user and s.text.startswith(s.user.rstrip(".!?"))]
    assert len(taken_up) > 0.15 * COUNT


def test_every_genre_can_carry_every_concept() -> None:
    for genre, concept in itertools.product(grammar.GENRES, lexicon.CONCEPTS):
        passage = grammar.start(random.Random(genre + concept), (concept,), genre)
        assert writing.write(passage, late_onset=False)


@pytest.mark.parametrize(
    ("base", "third"), [("have good ears", "has good ears"), ("carry", "carries"), ("go", "goes"), ("play", "plays")]
)
def test_third_person_forms(base: str, third: str) -> None:
    assert surface.third_person(base) == third


@pytest.mark.parametrize(
    ("given", "wanted"), [("a hour", "an hour"), ("an university", "a university"), ("A old cat", "An old cat")]
)
def test_articles_go_by_sound(given: str, wanted: str) -> None:
    assert surface.fix_articles(given) == wanted
