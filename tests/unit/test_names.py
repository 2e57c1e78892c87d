"""A name is one plain part of a path on any system, and stands in a recipe."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.engine.recipe import Recipe, Term, parse_recipe
from steer_tui.errors import UsageError
from steer_tui.library.names import check_name, is_name, slug

ANYTHING = st.text(st.characters(exclude_categories=()) | st.sampled_from("/\\.:-_ ,@~?<>*|\x00\n"))


@pytest.mark.parametrize("name", ["happy", "a", "very-happy_2.5", "Ärger", "怒り", "فرح", "हिन्दी", "0", "_x", "コン"])
def test_plain_names_are_kept(name: str) -> None:
    assert check_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", "C:", "a:b", "x ", " x", "a b", "-x", ".x", "x."),
        *("CON", "con", "nul.txt", "COM1", "lpt9.x", "x" * 101, "x" * 300, "怒" * 67, "a\x00b", "a\nb", "a\x1b[31m"),
        *(
            "[/]",
            "[@click=app.quit]x",
            "a,b",
            "a@3",
            "a~add",
            "a?b",
            "a>b",
            "a*",
            "😀",
            "a\u202eb",
            "a\ud800",
            "a\u200db",
        ),
        *("\u0301x", "\u3164", "a\ufe0f", "a\u00a0b", "~", "$HOME", "a|b", '"x"', "'x'"),
    ],
)
def test_what_could_leave_its_folder_or_a_recipe_is_refused_with_a_name_that_is_not(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(UsageError) as refused:
        check_name(name)
    assert refused.value.hint
    offered = refused.value.hint.rpartition("such as ")[2]
    assert check_name(offered) == offered
    assert refused.value.message.isprintable()


@given(ANYTHING)
def test_a_name_that_passes_is_a_file_in_its_folder_and_a_term_of_a_recipe(text: str) -> None:
    try:
        name = check_name(text)
    except UsageError:
        return
    path = Path(os.path.normpath(Path("/library") / f"{name}.safetensors"))
    assert path.parent == Path("/library")
    assert len(os.fsencode(path.name)) <= 255
    assert check_name(name) == name and is_name(name)
    assert parse_recipe(name) == Recipe((Term(name),))


@given(ANYTHING)
def test_any_text_has_a_slug_and_a_slug_is_its_own(text: str) -> None:
    name = slug(text)
    assert is_name(name)
    assert slug(name) == name


@given(ANYTHING.filter(is_name))
def test_a_names_slug_is_the_name(name: str) -> None:
    assert slug(name) == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/model-7B", "org--model-7B"),
        ("My Model (v2)", "My-Model-v2"),
        ("../..", "unnamed"),
        ("", "unnamed"),
        ("nul", "_nul"),
    ],
)
def test_slugs_of_known_texts(text: str, expected: str) -> None:
    assert slug(text) == expected
