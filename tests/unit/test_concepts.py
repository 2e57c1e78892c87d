"""Concept files: the user's own win, and a broken one costs itself only."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.errors import LibraryError, SteerError
from steer_tui.library.concepts import Concept, load_concepts, parse_concept, read_concept
from steer_tui.paths import Paths
from steer_tui.text import clean

HERE = Path("concept.toml")
GOOD = 'name = "happy"\npositive = ["I smiled.", "What joy!"]\nnegative = ["I sat.", "It rained."]\n'
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: clean(text).strip()), min_size=1)


def write(paths: Paths, name: str, text: str | bytes) -> Path:
    paths.concepts.mkdir(parents=True, exist_ok=True)
    path = paths.concepts / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_concept_needs_a_name_and_examples_and_no_more() -> None:
    concept = parse_concept(GOOD + "future = 1\n", HERE)
    assert concept == Concept(
        "happy", "other", "", ("I smiled.", "What joy!"), ("I sat.", "It rained."), (), (), HERE, bundled=False
    )
    assert concept.pairs == 2


def test_sides_of_different_length_are_no_pairs() -> None:
    concept = parse_concept('name = "x"\npositive = ["a", "b"]\nnegative = ["c"]', HERE)
    assert concept.pairs == 0


def test_the_digest_is_of_the_examples_in_their_order() -> None:
    same = parse_concept(GOOD + 'group = "moods"\n', Path("elsewhere"))
    other = parse_concept(GOOD.replace("I sat.", "I stood."), HERE)
    assert parse_concept(GOOD, HERE).pairs_sha256 == same.pairs_sha256 != other.pairs_sha256
    assert len(same.pairs_sha256) == 64


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "TOML"),
        ("", "no name"),
        ("name = 3", "not a text"),
        ('name = "x"', "no positive"),
        ('name = "x"\npositive = ["a"]', "no negative"),
        ('name = "x"\npositive = "a"\nnegative = ["b"]', "list of texts"),
        ('name = "x"\npositive = [1]\nnegative = ["b"]', "list of texts"),
        ('name = "x"\npositive = ["a", " \\u202e "]\nnegative = ["b"]', "blank text in positive, entry 2"),
        ('name = "../x"\npositive = ["a"]\nnegative = ["b"]', "cannot be a name"),
        ('name = "[@click=app.quit]x"\npositive = ["a"]\nnegative = ["b"]', "cannot be a name"),
        (f'name = "{"x" * 300}"\npositive = ["a"]\nnegative = ["b"]', "cannot be a name"),
        ("a = " + "[" * 50_000, "TOML"),
    ],
)
def test_what_is_no_concept_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(SteerError, match=says) as refused:
        parse_concept(text, HERE)
    assert refused.value.message.isprintable()


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from('name="x"\npositive=["a"]\n[]{}#.,')))
def test_any_text_is_a_concept_or_one_of_our_errors(text: str) -> None:
    with contextlib.suppress(SteerError):
        parse_concept(text, HERE)


@given(TEXTS, TEXTS)
def test_examples_come_back_as_clean_text(positive: list[str], negative: list[str]) -> None:
    def toml(texts: list[str]) -> str:
        return "[" + ", ".join('"' + "".join(f"\\U{ord(c):08x}" for c in text) + '"' for text in texts) + "]"

    concept = parse_concept(f'name = "x"\npositive = {toml(positive)}\nnegative = {toml(negative)}', HERE)
    assert concept.positive == tuple(clean(text).strip() for text in positive)
    assert concept.negative == tuple(clean(text).strip() for text in negative)


def test_the_bundled_concepts_load_without_a_problem(paths: Paths) -> None:
    concepts, problems = load_concepts(paths)
    assert len(concepts) == 16 and not problems
    assert all(concept.bundled and concept.pairs for concept in concepts)
    assert [(c.group, c.name) for c in concepts] == sorted((c.group, c.name) for c in concepts)


def test_the_users_own_concept_wins(paths: Paths) -> None:
    path = write(paths, "mine.toml", GOOD)
    concepts, problems = load_concepts(paths)
    happy = [concept for concept in concepts if concept.name == "happy"]
    assert [concept.path for concept in happy] == [path] and not happy[0].bundled
    assert len(concepts) == 16 and not problems


def test_broken_files_are_named_and_the_others_load(paths: Paths) -> None:
    write(paths, "a.toml", GOOD.replace("happy", "a"))
    broken = {
        write(paths, "b.toml", b"\xff\xfe"),
        write(paths, "c.toml", b"#" * (5 << 20)),
        write(paths, "d.toml", GOOD.replace("happy", "a")),
        write(paths, "[@click=app.quit] \x1b[31m.toml", ""),
    }
    (paths.concepts / "e.toml").mkdir()
    (paths.concepts / "f.toml").symlink_to("nowhere")
    os.mkfifo(paths.concepts / "g.toml")
    write(paths, "notes.txt", "not ours")
    write(paths, ".hidden.toml", "not ours")
    concepts, problems = load_concepts(paths)
    assert len(concepts) == 17
    assert {problem.path for problem in problems} == broken | {paths.concepts / f"{name}.toml" for name in "efg"}
    assert all(problem.message and problem.message.isprintable() for problem in problems)


def test_a_problem_says_what_is_wrong_not_where_twice(paths: Paths) -> None:
    write(paths, "b.toml", 'name = "b"')
    (problem,) = load_concepts(paths)[1]
    assert problem.message == "has no positive examples"


def test_a_missing_file_is_one_of_our_errors(paths: Paths) -> None:
    with pytest.raises(LibraryError, match="cannot be read"):
        read_concept(paths.concepts / "none.toml")
