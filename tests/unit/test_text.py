"""Cleaned text can do a terminal no harm, and widths are what terminals draw."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from steer_tui.text import cell_width, clean, one_line, truncate

ANYTHING = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x1b\x9b\r\n\t\u202e\u2066\ud800\x7f[]/"))
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(ANYTHING)
def test_nothing_a_terminal_obeys_is_left(text: str) -> None:
    cleaned = clean(text)
    for character in cleaned:
        assert character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs")
        assert character not in BIDI
    cleaned.encode()


@given(ANYTHING)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@given(ANYTHING, ANYTHING)
def test_cleaning_piece_by_piece_is_cleaning_the_whole(first: str, second: str) -> None:
    assert clean(first) + clean(second) == clean(first + second)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b]0;title\x07x", "]0;titlex"),
        ("\x9b31mred", "31mred"),
        ("a\r\nb\rc", "a\nbc"),
        ("tab\there", "tab\there"),
        ("\ud83d", "\ufffd"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("[/dim] [@click=app.quit]x", "[/dim] [@click=app.quit]x"),
        ("👩‍👩‍👧 \u0301e\u0301", "👩‍👩‍👧 \u0301e\u0301"),
    ],
)
def test_known_cases(text: str, expected: str) -> None:
    assert clean(text) == expected


@given(ANYTHING)
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert one_line(line) == line


@pytest.mark.parametrize(
    ("text", "cells"),
    [("abc", 3), ("", 0), ("日本", 4), ("e\u0301", 1), ("a\u200bb", 2), ("😀", 2), ("—…·", 3), ("ｱ", 1)],
)
def test_widths_of_known_texts(text: str, cells: int) -> None:
    assert cell_width(text) == cells


@given(st.text(st.characters(codec="ascii") | st.characters(min_codepoint=0x3040, max_codepoint=0x9FFF)))
def test_widths_agree_with_the_screens_own_measure_for_common_scripts(text: str) -> None:
    text = clean(text).replace("\n", "").replace("\t", "")
    known = "".join(character for character in text if unicodedata.category(character) not in ("Cn", "Mn", "Me", "Cf"))
    assert cell_width(known) == cell_len(known)


@given(ANYTHING, st.integers(-1, 30))
def test_a_cut_text_fits_and_begins_as_the_text(text: str, cells: int) -> None:
    text = one_line(text)
    cut = truncate(text, cells)
    assert cell_width(cut) <= max(cells, 0)
    assert cut == text or text.startswith(cut.removesuffix("…"))
    if cells > 0 and cell_width(text) <= cells:
        assert cut == text


def test_a_cut_text_says_that_it_was_cut() -> None:
    assert truncate("steering", 5) == "steer"[:4] + "…"
    assert truncate("steering", 5, "...") == "st..."
    assert truncate("steering", 2, "...") == "st"
    assert truncate("日本語", 4) == "日…"
