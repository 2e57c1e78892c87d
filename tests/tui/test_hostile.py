"""Text from models, people and files does no harm on any pane: no markup acts, no control byte reaches the terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.segment import Segment
from textual import events
from textual.color import Color

from steer_tui.paths import Paths
from steer_tui.session.messages import LoadFailed, LoadProgress, Notice, RunFailed, VectorSummary
from steer_tui.text import clean
from steer_tui.tui.safe import Scrubber, fit, label, steady
from tests.tui.desk import Bench, workbench
from tests.tui.fake import FakeEngine, summaries

NASTY = {
    "closing tag": "[/] [/dim] [/b]",
    "action": "[@click=app.quit]x[/]",
    "style": "[red on blue]x[/red on blue] [$error]",
    "escape": "\x1b]0;owned\x07 \x1b[2J \x1b[31mred \x1bc",
    "c1": "\x9b31m \x9d0;owned\x9c \x85",
    "osc 52": "\x1b]52;c;aGk=\x07",
    "bells and backspaces": "a\x07b\x08\x08c\x00\x7f",
    "bidi": "abc\u202edcba\u2066x\u2069 \u200f\u061c",
    "surrogate": "half \ud83d and \udc00",
    "wide": "漢字かな交じり文 " * 6,
    "zero width": "a\u200bb\u200dc\ufeff" + "e" + "\u0301" * 50,
    "joined": "👩‍👩‍👧‍👦 ❤️ 🏳️‍🌈 🇩🇪",
    "newlines": "one\ntwo\r\nthree\rfour\ttab",
    "long": "x" * 3000,
    "rtl": "שלום עולם مرحبا بالعالم",
}


def assert_harmless(bench: Bench) -> None:
    """Every line that would go to the terminal is clean and as wide as the screen."""
    width = bench.app.size.width
    for strip in bench.app.screen._compositor.render_strips():
        text = "".join(segment.text for segment in strip)
        assert clean(text) == text and "\n" not in text and "\t" not in text
        assert text.encode("utf-8")
        assert strip.cell_length == width, text


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
async def test_streamed_text_prompt_and_concepts_do_no_harm(paths: Paths, text: str) -> None:
    first = summaries()[0]
    odd = VectorSummary(text, text, text, True, (1,), "", False)
    sick = replace(odd, name=text + "2", problem=text)
    engine = FakeEngine(text=text, plain_text=text, concepts=(odd, sick, first))
    async with workbench(paths, engine, size=(100, 40)) as bench:
        assert_harmless(bench)
        bench.app.change(bench.app.bench.set_prompt(text or "x"))
        await bench.press("r")
        await bench.tick(9)
        assert_harmless(bench)
        await bench.tick(200)
        for key in ("j", "space", "tab", "tab", "z", "tab", "tab", "z", "tab"):
            await bench.press(key)
            assert_harmless(bench)
        assert bench.app.is_running


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
async def test_messages_refs_and_toasts_do_no_harm(paths: Paths, text: str) -> None:
    async with workbench(paths, FakeEngine(fail=LoadFailed(text, text, text)), size=(100, 40)) as bench:
        for event in (
            LoadProgress(text, 0.3, text),
            LoadFailed(text, text, text),
            LoadFailed(text, text, text, smaller=text),
            RunFailed(0, text, text),
            Notice(text, text),
        ):
            bench.engine.events.append(event)
            await bench.settle()
            assert_harmless(bench)
        await bench.press("escape")
        bench.engine.fail = None
        bench.app.load_model(text)
        await bench.settle()
        assert_harmless(bench)
        assert bench.app.is_running


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
async def test_what_is_pasted_anywhere_does_no_harm(paths: Paths, text: str) -> None:
    async with workbench(paths, size=(100, 40)) as bench:
        for opening in ("i", "/", "e", ":", "m", "t"):
            await bench.press(opening)
            focused = bench.app.focused
            assert focused is not None
            focused.post_message(events.Paste(text))
            await bench.settle()
            assert_harmless(bench)
            await bench.press("escape", "escape", "escape")
        assert bench.app.is_running


async def test_what_is_pasted_into_the_prompt_is_there_once(paths: Paths) -> None:
    async with workbench(paths) as bench:
        bench.app.change(bench.app.bench.set_prompt(""))
        await bench.press("i")
        bench.app.post_message(events.Paste("a walk\rin the rain"))  # as terminals end lines
        await bench.settle()
        assert bench.app.steer.prompt.text == "a walk\nin the rain"


async def test_a_hostile_session_file_does_no_harm(paths: Paths) -> None:
    paths.state.mkdir(parents=True)
    paths.session.write_text(
        '{"prompt": "\\u001b[2J[/]", "recipe": "[/]:2", "theme": "[/]", "model": "\\u001b]0;x\\u0007"}'
    )
    async with workbench(paths) as bench:
        assert_harmless(bench)


def test_the_last_gate_lets_no_control_character_through() -> None:
    segments = [Segment("a\x1b[2Jb"), Segment("fine"), Segment("\u202e\ud800x\x9b")]
    kept = Scrubber().apply(segments, Color(0, 0, 0))
    assert "".join(segment.text for segment in kept) == "a[2Jbfine�x"


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
def test_a_fitted_label_has_exactly_its_width(text: str) -> None:
    from rich.cells import cell_len

    for cells in (0, 1, 2, 7, 40):
        assert cell_len(fit(label(text), cells)) == cells


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("👩‍👧", "👩👧"),
        ("❤️", "❤"),
        ("🇩🇪", "DE"),
        ("👍🏽", "👍"),
        ("a\u200bb\ufeff", "ab"),
        ("e\u0301é漢", "e\u0301é漢"),
    ],
)
def test_what_terminals_draw_in_different_widths_is_drawn_plainly(text: str, drawn: str) -> None:
    assert steady(text) == drawn


async def test_what_is_copied_is_what_was_generated(paths: Paths) -> None:
    async with workbench(paths, FakeEngine(text="🇩🇪 👩‍👧 ")) as bench:
        await bench.press("r")
        await bench.tick(2)
        assert bench.app.steer.steered.plain == "🇩🇪 👩‍👧"
        assert "DE" in bench.screen
