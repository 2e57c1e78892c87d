"""Wrapping as text grows equals wrapping it all at once, and no line is wider than the width."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from steer_tui.tui.wrap import MOST_MARKS, Wrapper

TEXT = st.text(st.sampled_from("ab  \nxyz.,é漢字👩\u200d\ufe0f\u0301\t❤"), max_size=120)


def lines(wrapper: Wrapper) -> list[str]:
    return ["".join(run.text for run in runs) for runs in wrapper.lines()]


@given(text=TEXT, width=st.integers(2, 30), cuts=st.lists(st.integers(0, 120), max_size=8))
def test_pieces_wrap_as_the_whole_does(text: str, width: int, cuts: list[int]) -> None:
    whole, grown = Wrapper(width), Wrapper(width)
    whole.append(text, "")
    places = [0, *sorted(cut for cut in cuts if cut <= len(text)), len(text)]
    for start, end in pairwise(places):
        grown.append(text[start:end], "")
    assert lines(grown) == lines(whole)


@given(text=TEXT, width=st.integers(2, 30))
def test_no_line_is_wider_than_the_width(text: str, width: int) -> None:
    wrapper = Wrapper(width)
    wrapper.append(text, "")
    assert all(cell_len(line) <= width for line in lines(wrapper))


@given(words=st.lists(st.text("abcdef", min_size=1, max_size=9), max_size=40))
def test_words_that_fit_are_never_cut(words: list[str]) -> None:
    wrapper = Wrapper(10)
    wrapper.append(" ".join(words), "")
    assert " ".join(line.rstrip() for line in lines(wrapper)).split() == words


def test_styles_stay_with_their_text() -> None:
    wrapper = Wrapper(8)
    wrapper.append("one ", "a")
    wrapper.append("two three", "b")
    assert [[tuple(run) for run in runs] for runs in wrapper.lines()] == [
        [("one ", "a"), ("two ", "b")],
        [("three", "b")],
    ]


def test_append_names_the_first_line_that_changed() -> None:
    wrapper = Wrapper(5)
    assert wrapper.append("one ", "") == 0
    assert wrapper.append("two three", "") == 0
    assert wrapper.append("!", "") == 2


def test_a_flood_of_combining_marks_stays_on_its_cell() -> None:
    wrapper = Wrapper(10)
    wrapper.append("a" + "\u0301" * 10_000, "")
    assert lines(wrapper)[0].count("\u0301") <= MOST_MARKS


def test_the_last_line_costs_no_more_when_the_text_is_long() -> None:
    wrapper = Wrapper(40)
    for _ in range(4000):
        first = wrapper.append(" word", "")
        assert wrapper.count - first <= 2
