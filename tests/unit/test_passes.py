"""Passes whose detectors wait for the end: what they read, hooks that change on the way, passes inside one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from steer_tui.engine.decode import Decoder, Row
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.tokentrace import fold_together
from steer_tui.engine.types import Sampling
from steer_tui.hooks import HookError, RunningStatsDetector, ScalingController, TokenTraceDetector
from tests.unit.hooktools import PROMPT, SHORT, is_clean, model_of


def test_what_is_read_at_the_end_of_a_pass_is_as_it_was_at_its_point() -> None:
    lm = model_of("llama")
    detectors = [TokenTraceDetector(), TokenTraceDetector()]
    points = ["blocks.0.hook_resid_post", "blocks.1.hook_resid_post"]
    _, cache = lm.run_with_cache(SHORT, points)
    calls: list[int] = []

    def write(module: Any, args: Any, output: Tensor) -> None:
        calls.append(len(detectors[0].trace()))
        output.zero_()

    with lm.layers.hooked(list(zip(points, detectors, strict=True))):
        handle = lm.layers[1].register_forward_hook(write)
        try:
            lm(SHORT)
        finally:
            handle.remove()
    count = len(lm.encode(SHORT, raw=True))
    assert calls == [0]
    for point, detector in zip(points, detectors, strict=True):
        wanted = cache[point][0].norm(dim=-1).tolist()
        assert [token.norm for token in detector.trace()] == pytest.approx(wanted, rel=1e-5) and len(wanted) == count
    assert is_clean(lm)


@contextmanager
def amid(lm: LanguageModel, block: int, act: Callable[[], object]) -> Iterator[None]:
    """Have something done once, while a block is at work."""
    todo = [act]

    def hook(module: Any, args: Any, output: Tensor) -> None:
        if todo:
            todo.pop()()

    handle = lm.layers[block].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def test_hooks_that_come_and_go_in_the_middle_of_a_pass_act_from_then_on() -> None:
    lm = model_of("llama")
    first, second = TokenTraceDetector(), RunningStatsDetector()
    count = len(lm.encode(SHORT, raw=True))
    wanted = lm.run_with_hooks(SHORT, [(1, ScalingController(None, 2.0))])
    with lm.layers.hooked([(0, first)]), amid(lm, 0, lambda: lm.layers.register_hook(1, ScalingController(None, 2.0))):
        assert torch.equal(lm(SHORT), wanted) and len(first.trace()) == count
    lm.reset_hooks()
    with lm.layers.hooked([(0, first)]), amid(lm, 0, lambda: lm.layers.register_hook(1, second)):
        lm(SHORT)
        assert len(first.trace()) == 2 * count and second.count == count
    lm.reset_hooks()
    for act in (lm.reset_hooks, lambda: lm.layers.alone().__enter__()):
        first.clear_captured()
        lm.layers.register_hook(0, first)
        with amid(lm, 0, act):
            lm(SHORT)
        assert len(first.trace()) == count
        lm.reset_hooks()
    assert is_clean(lm)


def test_a_pass_inside_another_has_rows_of_its_own() -> None:
    lm = model_of("llama")
    detectors = [TokenTraceDetector(), TokenTraceDetector()]
    count, steps = len(lm.encode(SHORT, raw=True)), 3
    rows = [Row(lm.encode(SHORT, raw=True), (), Sampling(temperature=0.0, max_tokens=steps)) for _ in range(2)]
    with Decoder(lm, rows, hooks=list(zip((0, 1), detectors, strict=True))) as decoder:
        for _ in range(steps):
            decoder.step()
            lm(PROMPT)
    once = steps * len(lm.encode(PROMPT, raw=True))
    for detector in detectors:
        assert [len(detector.trace(row)) for row in (0, 1)] == [count + steps - 1 + once, count + steps - 1]
    fold_together(detectors)
    before = len(detectors[0].trace())
    with lm.layers.hooked([(0, detectors[0])]):
        with amid(lm, 1, lambda: lm(PROMPT)):
            lm(SHORT)
        lm(SHORT)
        lm(PROMPT)
    seen = detectors[0].trace()[before:]
    apart = len(seen) // 2
    assert seen[:apart] == seen[apart:] and apart == count + len(lm.encode(PROMPT, raw=True))
    assert is_clean(lm)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_a_pass_that_breaks_off_leaves_nothing_that_waits(error: type[BaseException]) -> None:
    lm = model_of("llama")
    detector = TokenTraceDetector()
    count = len(lm.encode(SHORT, raw=True))

    def fail() -> None:
        raise error("broken")

    with lm.layers.hooked([(0, detector)]):
        with amid(lm, 1, fail), pytest.raises(error, match="broken"):
            lm(SHORT)
        assert detector.trace() == ()
        for _ in range(3):
            lm.layers[0](torch.zeros(1, 2, 32), position_embeddings=(torch.ones(1, 2, 8), torch.zeros(1, 2, 8)))
        assert len(detector.trace()) == 6
        lm(SHORT)
        assert len(detector.trace()) == 6 + count
    assert is_clean(lm)


def test_a_detector_that_fails_at_the_end_of_a_pass_names_its_point() -> None:
    lm = model_of("llama")
    wrong = RunningStatsDetector()
    later = lm.model.register_forward_hook(lambda *_: None)
    with pytest.raises(HookError, match="features were of shape") as error:
        lm.run_with_hooks(SHORT, [(["blocks.0.hook_resid_post", "hook_logits"], wrong)])
    later.remove()
    assert "hook_logits" in str(error.value) and is_clean(lm)
    assert lm(SHORT).shape[1] == len(lm.encode(SHORT, raw=True))


def test_an_error_in_a_pass_inside_another_leaves_none_running() -> None:
    lm = model_of("llama")
    ids = torch.tensor([lm.encode(SHORT, raw=True)])

    todo = [PROMPT]

    def inside(activation: Tensor, hook: Any) -> None:
        while todo:
            with pytest.raises(HookError):
                lm.run_with_hooks(todo.pop(), [(1, lambda a: a * float("nan"))])

    with lm.layers.paused():
        plain = lm(SHORT)
    lm.layers.register_hook(0, inside)
    with torch.no_grad():
        assert torch.equal(lm.model(input_ids=ids, use_cache=False).logits, plain)
    assert lm.layers._passes.current is None and is_clean(lm)


def test_detectors_copy_nothing_while_they_are_paused() -> None:
    lm = model_of("llama")
    detector = TokenTraceDetector()
    with lm.layers.hooked([(0, detector)]):
        seen: list[Any] = []
        with lm.layers.paused(), amid(lm, 0, lambda: seen.append(list(lm.layers._passes.current.waiting or ()))):
            lm(SHORT)
        assert seen == [[]] and detector.trace() == ()
