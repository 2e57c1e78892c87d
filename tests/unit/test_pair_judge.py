"""Examples while they are typed: counted, and what is wrong said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.session.pair_judge import files_named, judge


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no pairs yet"),
        ("wet", "no pairs yet"),
        ("wet | dry", "1 pair"),
        ("wet | dry\n\n# a remark\nrain | sun", "2 pairs"),
        ("wet | dry\nrain |", "1 pair"),
        ("Love - Hate", "1 pair"),
        ("positive,negative\nwet,dry\nrain,sun", "2 pairs, CSV"),
        ('{"positive": "wet", "negative": "dry"}', "1 pair, JSON"),
        ("system: Be kind. | Be rude.", "16 pairs, system prompts"),
        ('positive = ["a", "b"]\nnegative = ["c"]', "2 positive and 1 negative text, not in pairs, TOML"),
    ],
)
def test_pairs_are_counted_in_every_form(text: str, words: str) -> None:
    assert judge(text).words == words


def test_a_line_that_is_no_pair_is_named_and_stops_nothing_else() -> None:
    judged = judge("wet | dry\nrain sun\nhot | cold")
    assert judged.pairs is None and judged.words == "2 pairs" and judged.problem.startswith("line 2 has no `|`")


def test_few_pairs_are_told_how_many_are_missing() -> None:
    assert judge("wet | dry").hint == "2 more for a first try"
    assert "first try" in judge("\n".join(["wet | dry"] * 3)).hint
    assert judge("\n".join(["wet | dry"] * 10)).hint == ""


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "my pairs.jsonl"
    path.write_text('{"positive": "wet", "negative": "dry"}\n' * 4)
    judged = judge(f" '{path}' ")
    assert judged.words == "4 pairs, JSON, from my pairs.jsonl" and judged.pairs is not None
    assert "cannot read" in judge(str(tmp_path / "none.csv")).problem


def test_two_files_are_two_sides(tmp_path: Path) -> None:
    good, plain = tmp_path / "good.txt", tmp_path / "my plain.txt"
    good.write_text("I am glad\nHow lovely\nWhat joy\n")
    plain.write_text("I am here\nHow is it\nWhat now\n")
    judged = judge(f" '{good}' | {plain} ")
    assert judged.words == "3 pairs, from good.txt and my plain.txt" and judged.pairs is not None
    assert judged.pairs.positive == ("I am glad", "How lovely", "What joy")
    assert "cannot read" in judge(f"{good} | {tmp_path / 'none.txt'}").problem


@pytest.mark.parametrize(
    "text", ["~/pairs.csv", "./x", "/tmp/x y", "pairs.toml", "C:\\pairs.csv", "a b.JSONL", "~nobody.csv"]
)
def test_paths_are_known(text: str) -> None:
    assert len(files_named(text)) == 1


@pytest.mark.parametrize("text", ["", "wet | dry.csv", "Love - Hate", "a.csv\nb.csv", "{x.json", "wet.", "e.g. rain"])
def test_what_is_no_path_is_not_taken_for_one(text: str) -> None:
    assert not files_named(text)


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    judged = judge(text)
    assert judged.words and "\n" not in judged.words + judged.problem + judged.hint
    assert judged.pairs is None or not judged.problem
