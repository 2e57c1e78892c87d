"""Concepts and drafts on disk: what is written reads back, and nothing a person typed is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.errors import LibraryError, UsageError
from steer_tui.library.concept_writer import concept_text, describe_concept, save_concept
from steer_tui.library.concepts import Concept, load_concepts, parse_concept, read_concept
from steer_tui.library.pairtexts import from_sides, system_pair
from steer_tui.paths import Paths
from steer_tui.session.concept_draft import ConceptDraft, load_draft, save_draft
from steer_tui.text import clean, one_line

TEXT = st.text(min_size=1, max_size=40).map(lambda text: clean(text).strip()).filter(bool)


def concept(name: str = "rain", positive: tuple[str, ...] = ("wet",), negative: tuple[str, ...] = ("dry",)) -> Concept:
    return from_sides(positive, negative).as_concept(name)


def own(paths: Paths) -> dict[str, Concept]:
    return {each.name: each for each in load_concepts(paths)[0] if not each.bundled}


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5), TEXT)
def test_what_is_written_reads_back(pairs: list[tuple[str, str]], description: str) -> None:
    sides = (tuple(side) for side in zip(*pairs, strict=True))
    made = replace(concept("rain", *sides), description=one_line(description))
    read = parse_concept(concept_text(made), Path())
    assert replace(read, path=made.path) == made


def test_system_prompts_and_prompts_are_kept(paths: Paths) -> None:
    made = system_pair("Be wet.", "Be dry.", ["Hello", "How are you?"]).as_concept("rain")
    save_concept(paths, made)
    assert own(paths)["rain"].system == ("Be wet.", "Be dry.") and own(paths)["rain"].pairs_sha256 == made.pairs_sha256


def test_an_earlier_concept_of_the_name_goes_to_the_trash(paths: Paths) -> None:
    save_concept(paths, concept(positive=("first",)))
    save_concept(paths, concept(positive=("first",)))
    assert not paths.trash.exists()
    save_concept(paths, concept(positive=("second",)))
    assert own(paths)["rain"].positive == ("second",)
    (kept,) = (paths.trash / "concepts").iterdir()
    assert read_concept(kept).positive == ("first",)


def test_a_concept_gets_another_name_and_other_words(paths: Paths) -> None:
    save_concept(paths, concept())
    describe_concept(paths, own(paths)["rain"], "drizzle", "weather", "light")
    assert set(own(paths)) == {"drizzle"}
    made = own(paths)["drizzle"]
    assert (made.group, made.description, made.positive) == ("weather", "light", ("wet",))


def test_a_name_that_another_concept_has_is_refused(paths: Paths) -> None:
    save_concept(paths, concept("rain"))
    save_concept(paths, concept("wind"))
    with pytest.raises(LibraryError, match="already"):
        describe_concept(paths, own(paths)["rain"], "wind", "", "")
    assert set(own(paths)) == {"rain", "wind"}


@pytest.mark.parametrize("name", ["../x", "a/b", "CON", "x" * 300, "[/]", ""])
def test_names_that_are_no_names_write_nothing(paths: Paths, name: str) -> None:
    with pytest.raises(UsageError):
        save_concept(paths, replace(concept(), name=name))
    assert not paths.concepts.exists()


def test_more_than_can_be_read_back_is_not_written(paths: Paths) -> None:
    with pytest.raises(LibraryError, match="too many to keep"):
        save_concept(paths, concept(positive=("x" * 5_000_000,)))


def test_a_draft_is_kept_and_a_blank_one_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "state" / "draft.json"
    draft = ConceptDraft("rain", "wet | dry\nhalf a", "pca", "last:4")
    save_draft(path, draft)
    assert load_draft(path) == draft
    save_draft(path, ConceptDraft())
    assert not path.exists() and load_draft(path) == ConceptDraft()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 3, "text": null}', '{"name": "\\u001b[2J"}', "[" * 5000])
def test_a_broken_draft_is_a_blank_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "draft.json"
    path.write_text(text)
    assert "\x1b" not in load_draft(path).name and load_draft(path).text == ""
