"""Contrast examples in every form people write them, and hostile ones."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.errors import UsageError
from steer_tui.library.concepts import parse_concept
from steer_tui.library.pairfiles import KINDS, read_pair_file, read_pairs, read_sentence_files
from steer_tui.library.pairtexts import NEUTRAL_PROMPTS, from_sides, system_pair
from steer_tui.text import clean

LOVE = (("I love it", "I hate it"), ("What joy", "What a pain"))
PLAIN = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=20)
TEXTS = PLAIN.map(lambda text: clean(text).strip()).filter(bool)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6)

FORMS = {
    "toml": 'positive = ["I love it", "What joy"]\nnegative = ["I hate it", "What a pain"]\n',
    "json": '{"positive": "I love it", "negative": "I hate it"}\n\n{"pos": "What joy", "neg": "What a pain"}\n',
    "csv": "positive,negative\nI love it,I hate it\nWhat joy,What a pain\n",
    "lines": "# moods\nI love it | I hate it\r\n\n What joy|What a pain \n",
    "words": "I love it - I hate it\nWhat joy vs. What a pain",
}
SYSTEM = "system"
"""The form that holds no pairs of texts."""


def test_no_form_is_left_out_here() -> None:
    assert {*FORMS, SYSTEM} == set(KINDS)


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_each_form_is_known_and_read(kind: str) -> None:
    for found in (read_pairs(FORMS[kind]), read_pairs("\ufeff" + FORMS[kind], kind)):
        assert found.kind == kind
        assert tuple(zip(found.positive, found.negative, strict=True)) == LOVE
        assert (found.pairs, found.prompts, found.system) == (2, (), None)


@pytest.mark.parametrize(
    "text",
    [
        '[{"chosen": "I love it", "rejected": "I hate it"}, {"Chosen": "What joy", "Rejected": "What a pain"}]',
        '[["I love it", "I hate it"], ["What joy", "What a pain"]]',
        '{"positive": ["I love it", "What joy"], "negative": ["I hate it", "What a pain"]}',
        "negative;Positive\nI hate it;I love it\nWhat a pain;What joy",
        'pos\tneg\n"I love it"\tI hate it\nWhat joy\tWhat a pain',
        "I love it\tI hate it\nWhat joy\tWhat a pain",
        "positive | negative\nI love it | I hate it\nWhat joy | What a pain",
        '[moods]\nx = 1\n[more]\n"positive" = 2\n',
    ],
)
def test_usual_spellings_are_read(text: str) -> None:
    if text.startswith("[moods]"):
        with pytest.raises(UsageError):
            read_pairs(text)
        return
    found = read_pairs(text)
    assert tuple(zip(found.positive, found.negative, strict=True)) == LOVE


def test_two_words_are_one_pair() -> None:
    found = read_pairs("Love - Hate")
    assert (found.positive, found.negative, found.kind) == (("Love",), ("Hate",), "words")


def test_questions_come_along() -> None:
    record = {"question": "Is it good?", "answer_matching_behavior": "Yes", "answer_not_matching_behavior": "No"}
    found = read_pairs(json.dumps(record))
    assert (found.prompts, found.positive, found.negative) == (("Is it good?",), ("Yes",), ("No",))
    with pytest.raises(UsageError, match="record 2 has no prompt"):
        read_pairs(json.dumps([record, {"positive": "a", "negative": "b"}]))


def test_a_concept_file_keeps_its_names_prompts_and_system() -> None:
    text = (
        'name = "polite"\ngroup = "styles"\npositive = ["a"]\nnegative = ["b"]\nprompts = ["q"]\nsystem = ["x", "y"]\n'
    )
    found = read_pairs(text)
    assert (found.name, found.group, found.prompts, found.system) == ("polite", "styles", ("q",), ("x", "y"))
    concept = found.as_concept("courteous")
    assert (concept.name, concept.group, concept.prompts, concept.system) == ("courteous", "styles", ("q",), ("x", "y"))
    assert concept.pairs_sha256 != parse_concept(text.replace('"x"', '"z"'), Path()).pairs_sha256


def test_a_system_pair_stands_over_neutral_prompts() -> None:
    found = system_pair("You are kind.", "You are rude.")
    assert found.system == ("You are kind.", "You are rude.")
    assert found.positive == found.negative == NEUTRAL_PROMPTS
    for sides in (("", "x"), ("x", "x")):
        with pytest.raises(UsageError):
            system_pair(*sides)


@pytest.mark.parametrize("text", ["system: Be kind. | Be rude.", "\n# a remark\n System : Be kind.|system: Be rude.\n"])
def test_a_line_of_two_system_prompts_is_such_a_pair(text: str) -> None:
    assert read_pairs(text) == read_pairs(text, SYSTEM) == system_pair("Be kind.", "Be rude.")
    own = read_pairs(f"{text}\nWho are you?\nTell me a story.")
    assert own.system == ("Be kind.", "Be rude.") and own.positive == ("Who are you?", "Tell me a story.")


def test_pairs_that_begin_with_the_word_system_stay_pairs() -> None:
    found = read_pairs("system: up | system: down\nwet | dry")
    assert (found.kind, found.pairs, found.system) == ("lines", 2, None)


@given(PAIRS)
def test_what_is_written_as_json_or_csv_is_read_back(pairs: list[tuple[str, str]]) -> None:
    lines = "\n".join(json.dumps({"positive": one, "negative": other}) for one, other in pairs)
    table = io.StringIO()
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows([("positive", "negative"), *pairs])
    for text, kind in ((lines, "json"), (lines, None), (table.getvalue(), "csv")):
        found = read_pairs(text, kind)
        assert list(zip(found.positive, found.negative, strict=True)) == pairs


@given(PAIRS)
def test_lines_are_read_back_where_no_text_holds_their_mark(pairs: list[tuple[str, str]]) -> None:
    plain = [(one.replace("|", "").strip("# "), other.replace("|", "").strip()) for one, other in pairs]
    plain = [(one, other) for one, other in plain if one and other]
    if not plain or (plain[0][0].lower() in ("positive", "pos") and len(plain) > 1):
        return
    found = read_pairs("\n".join(f"{one} | {other}" for one, other in plain), "lines")
    assert list(zip(found.positive, found.negative, strict=True)) == plain


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("utf-8", "replace")))
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_any_text_gives_clean_pairs_or_one_line(kind: str | None, text: str) -> None:
    try:
        found = read_pairs(text, kind)
    except UsageError as error:
        assert error.message and "\n" not in error.message
        return
    texts = (*found.positive, *found.negative, *found.prompts)
    assert found.positive and found.negative and all(text == clean(text).strip() and text for text in texts)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no pairs"),
        ("\x00\x1b[2J", "pair"),
        ("just a sentence", "just a sentence"),
        ("a | b\nc", "line 2"),
        ("a | b | c", "3 parts"),
        ("a | ", "blank side"),
        ('{"positive": 3, "negative": "b"}', "not a text"),
        ('{"positive": "a"}', "negative"),
        ('{"positive": "a", "negative": "b"}\n{', "line 2"),
        ("[" * 100_000, "JSON"),
        ("[]", "no pairs"),
        ('[{"positive": " ", "negative": "b"}]', "blank"),
        ("positive = [1]", "not a list of texts"),
        ('positive = ["a"]\nnegative = ["b"]\nprompts = ["p", "q"]', "2 prompts"),
        ('positive = ["a"]\nnegative = ["b"]\nsystem = ["p"]', "not two texts"),
        ('name = "../x"\npositive = ["a"]\nnegative = ["b"]', "cannot be a name"),
        ("positive,negative\na", "negative"),
        ('positive,negative\n"a,b', "CSV"),
    ],
)
def test_what_is_no_pair_is_refused_in_one_line(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        read_pairs(text)
    assert "\n" not in caught.value.message and len(caught.value.message) < 250


def test_an_ending_says_what_a_file_is(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_bytes("glad, very glad;sad\n".replace(", ", " ").encode("utf-16"))
    assert read_pair_file(table).positive == ("glad very glad",)
    other = tmp_path / "pairs.txt"
    other.write_text(FORMS["lines"], encoding="utf-8-sig")
    assert read_pair_file(other).pairs == 2


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    binary, huge, pipe = tmp_path / "b.csv", tmp_path / "h.txt", tmp_path / "p.txt"
    binary.write_bytes(b"a,b\n\xff\xfa")
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    os.mkfifo(pipe)
    for path, told in (
        (binary, "UTF-8"),
        (huge, "larger"),
        (pipe, "regular"),
        (tmp_path, "."),
        (tmp_path / "x", "cannot read"),
    ):
        with pytest.raises(UsageError, match=told) as caught:
            read_pair_file(path)
        assert caught.value.hint and "\n" not in caught.value.message
    many = tmp_path / "many.txt"
    many.write_text("a | b\n" * 20_001, encoding="utf-8")
    with pytest.raises(UsageError, match="20001 texts"):
        read_pair_file(many)


def test_two_files_are_two_sides(tmp_path: Path) -> None:
    good, plain = tmp_path / "good.txt", tmp_path / "plain.txt"
    good.write_text("I am glad\n\n  How lovely\x1b[31m \n", encoding="utf-8")
    plain.write_text("I am here\nHow is it\nWhat now\n", encoding="utf-8")
    found = read_sentence_files(good, plain)
    assert (found.positive, len(found.negative), found.pairs) == (("I am glad", "How lovely[31m"), 3, 0)
    plain.write_text(" \n", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no text"):
        read_sentence_files(good, plain)
    with pytest.raises(UsageError, match="no negative"):
        from_sides(["a"], [" "])
