"""Toasts are calm: they lie over the bottom line, and a note takes the place of the note before it."""

from __future__ import annotations

import pytest

from steer_tui.options import Options
from steer_tui.paths import Paths
from steer_tui.tui.quick import Severity
from tests.tui.desk import Bench, workbench

SIZES = [(60, 16), (80, 24), (160, 48)]


def row_of(bench: Bench, words: str) -> int:
    return next(row for row, line in enumerate(bench.lines) if words in line)


@pytest.mark.parametrize("size", SIZES)
async def test_a_note_covers_no_line_but_the_bottom_one(paths: Paths, size: tuple[int, int]) -> None:
    async with workbench(paths, size=size) as bench:
        await bench.press("r")
        await bench.tick(40)
        before = bench.lines
        bench.app.say("a mix takes two or three concepts: space adds one")
        await bench.settle()
        assert row_of(bench, "a mix takes two or three concepts: space adds one") == size[1] - 1
        assert bench.lines[:-1] == before[:-1]
        assert "? keys" not in bench.lines[-1]  # no rest of the keys beside it


@pytest.mark.parametrize("severity", ["information", "warning", "error"])
async def test_toasts_are_plain_in_ascii(paths: Paths, severity: Severity) -> None:
    async with workbench(paths, options=Options(ascii=True)) as bench:
        bench.app.say("the trash is empty", severity)
        await bench.settle()
        assert "the trash is empty" in bench.lines[-1] and bench.screen.isascii()


async def test_an_error_with_a_hint_hides_neither_text_nor_prompt_at_80x24(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("r")
        await bench.tick(40)
        before = bench.lines
        bench.app.complain("the vector is for another model", "n makes one for this model")
        await bench.settle()
        assert "n makes one for this model" in bench.lines[-1]
        assert "error: the vector is for another model" in bench.lines[-2]
        assert bench.lines[:-2] == before[:-2]
        assert "The meeting went" in bench.lines[-3]


async def test_a_note_takes_the_place_of_the_note_before_it(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        bench.app.say("the trash is empty")
        await bench.settle()
        bench.app.say("16 files read")
        await bench.settle()
        assert bench.toasts == "16 files read"
        assert "the trash is empty" not in bench.screen


async def test_a_note_leaves_warnings_and_errors_where_they_are(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        bench.app.say("made for another model", "warning")
        bench.app.complain("cannot be read")
        await bench.settle()
        bench.app.say("16 files read")
        await bench.settle()
        assert bench.toasts.splitlines() == ["made for another model", "error: cannot be read", "16 files read"]
        for words in bench.toasts.splitlines():
            assert words in bench.screen
