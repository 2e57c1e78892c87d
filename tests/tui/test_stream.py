"""Streaming: a token costs the same at the end as at the start, the tail is followed, marks are seen and not copied."""

from __future__ import annotations

import time
from dataclasses import replace

from steer_tui.engine.types import Sampling, Step, Token
from steer_tui.options import Options
from steer_tui.paths import Paths
from steer_tui.session.messages import RunSteps
from steer_tui.tui.running_text import describe_change
from tests.tui.desk import Bench, workbench
from tests.tui.fake import FakeEngine

TOKENS = 4000
BLOCK = 20
"""Tokens between two looks into the outbox: four hundred a second at 20 Hz."""


async def test_four_thousand_tokens_cost_no_more_at_the_end_than_at_the_start(paths: Paths) -> None:
    """A cost that grows does so in every run; what else the machine does makes one or another dearer at its end."""
    async with workbench(paths) as bench:
        bench.app.change(bench.app.bench.set_sampling(_long()))
        bench.app.steer.activations.pause = 0.0  # drawn every time, however fast the machine is
        found = []
        for _ in range(3):
            early, late = await _costs(bench)
            found.append((early, late))
            assert len(bench.app.steer.steered.plain.split()) > TOKENS * 0.9
            if late < early * 1.6 + 0.002:
                return
        raise AssertionError(found)


async def _costs(bench: Bench) -> tuple[float, float]:
    """Run, and return the seconds of this thread that a block of tokens costs at first and at the end."""
    await bench.press("r")
    costs = []
    for _ in range(TOKENS // BLOCK):
        bench.engine.tick(BLOCK)
        start = time.thread_time()
        bench.app.look_into_outbox()
        await bench.idle()
        bench.app.screen._on_timer_update()
        costs.append(time.thread_time() - start)
    part = len(costs) // 4
    return sorted(costs[2 : part + 2])[part // 2], sorted(costs[-part:])[part // 2]


def _long() -> Sampling:
    return Sampling(max_tokens=TOKENS)


async def test_a_live_change_leaves_its_mark_at_the_token_where_it_began(paths: Paths) -> None:
    async with workbench(paths, size=(200, 50)) as bench:
        await bench.press("r")
        await bench.tick(2)
        await bench.press("=")
        await bench.tick(2)
        assert "went wonderfully, and ‹happy:2.5› everyone left" in bench.screen
        await bench.press("]")
        await bench.tick(2)
        assert "‹happy@4-5›" in bench.screen
        await bench.press("j", "space")
        await bench.tick(2)
        assert "‹+sad:2@3-4›" in bench.screen
        assert "‹" not in bench.app.steer.steered.plain


async def test_marks_are_plain_in_ascii(paths: Paths) -> None:
    async with workbench(paths, size=(200, 50), options=Options(ascii=True)) as bench:
        await bench.press("r")
        await bench.tick(2)
        await bench.press("=")
        await bench.tick(100)
        assert "<happy:2.5>" in bench.screen
        assert bench.screen.isascii()


async def test_tokens_that_a_scope_leaves_alone_are_marked(paths: Paths) -> None:
    async with workbench(paths, size=(200, 50)) as bench:
        bench.app.change(bench.app.bench.set_recipe("happy:2@3-4/first=3"))
        await bench.press("r")
        await bench.tick(6)
        assert "wonderfully, and everyone ‹off› left the room" in bench.screen
        bench.app.change(bench.app.bench.set_recipe("happy:2@3-4"))
        await bench.tick(3)
        assert "‹on›" in bench.screen


async def test_the_tail_is_followed_until_someone_scrolls_away(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        steered = bench.app.steer.steered
        bench.app.change(bench.app.bench.set_sampling(_long()))
        await bench.press("r", "tab", "tab")
        await bench.tick(300)
        assert steered.top == steered.last_top > 0
        await bench.press("k", "k")
        top = steered.top
        await bench.tick(100)
        assert steered.top == top
        await bench.press("G")
        await bench.tick(100)
        assert steered.top == steered.last_top


async def test_resizing_keeps_the_text_and_the_tail(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        steered = bench.app.steer.steered
        bench.app.change(bench.app.bench.set_sampling(_long()))
        await bench.press("r")
        await bench.tick(300)
        text = steered.plain
        for size in ((120, 36), (60, 20), (200, 50), (80, 24)):
            await bench.resize(*size)
            assert steered.top == steered.last_top
            assert steered.plain == text


async def test_activations_scroll_for_a_deep_model(paths: Paths) -> None:
    async with workbench(paths, FakeEngine(layers=80)) as bench:
        await bench.press("r")
        await bench.tick(5)
        bench.app.steer.go_to("activations")
        await bench.press("G")
        assert "  79 " in bench.screen
        assert "layer" in bench.screen and "norm" in bench.screen
        await bench.press("g", "z")
        assert "▸     3" in bench.screen and "    25 " in bench.screen and "    79 " not in bench.screen


async def test_steps_of_a_run_that_was_replaced_are_not_shown(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        await bench.tick(2)
        bench.engine.events.append(RunSteps(99, (_step("stale"),), 1.0))
        await bench.settle()
        assert "stale" not in bench.screen


def _step(text: str) -> Step:
    return Step(0, Token(0, text, 0.0, True, None), None)


async def test_a_second_run_replaces_the_first(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        await bench.tick(5)
        await bench.press("r")
        await _first_words(bench)
        assert bench.screen.count("wonderfully,") == 1


async def _first_words(bench: Bench) -> None:
    await bench.tick(2)
    assert "generating" in bench.screen


def test_a_change_is_described_by_what_changed() -> None:
    assert describe_change("happy:2@3", "happy:1@3") == "happy:1"
    assert describe_change("happy:2@3", "happy:2@4") == "happy@4"
    assert describe_change("happy:2", "happy:2~set/last") == "happy~set/last"
    assert describe_change("happy:2", "") == "-happy"
    assert describe_change("", "happy:2,sad") == "+happy:2, +sad"
    assert describe_change("not a recipe @", "happy") == "happy"


async def test_an_answer_to_a_chat_prompt_begins_on_a_line_of_its_own(paths: Paths) -> None:
    async with workbench(paths, size=(200, 50)) as bench:
        info = bench.app.status.info
        assert info is not None
        bench.app.status = replace(bench.app.status, info=replace(info, has_chat_template=True))
        await bench.press("r")
        await bench.tick(3)
        assert "went wonderfully" not in bench.screen and "wonderfully" in bench.screen
        bench.engine.text = " and on it went"
        await bench.press("r")
        await bench.tick(3)
        assert "The meeting went  and on" in bench.screen


async def test_a_finished_run_shows_means_over_its_tokens(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        await bench.tick(4)
        assert "newest token" in bench.screen
        await bench.tick(100)
        assert "mean of 64 tokens" in bench.screen
