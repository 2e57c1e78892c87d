"""What each detector and controller costs per generated token, as a ratio to decoding without hooks, all in one run.

Every hook sits on the outputs of all blocks (heads on z, taps on the pattern). Tokens with and without hooks take turns
in one text, so that a slow spell of the machine hits both; the ratio is the median over the rounds.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from steer_tui.engine.bandwidth import synchronize
from steer_tui.engine.conditional import ConditionalController, PipelineController, TokenConditionalController
from steer_tui.engine.controllers import (
    AddController,
    ClampController,
    FunctionController,
    NormaliseController,
    ProjectOutController,
    ScalingController,
)
from steer_tui.engine.coordinated import PatchController, StatisticsController
from steer_tui.engine.decode import Decoder, Row
from steer_tui.engine.detectors import LayerActivationDetector, LimitedAccumulator
from steer_tui.engine.hooks import Hook
from steer_tui.engine.hookstatistics import RunningStatsDetector
from steer_tui.engine.hookvalues import WATCH_SECONDS
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.selective import HeadController, SelectiveController
from steer_tui.engine.tokentrace import TokenTraceDetector, fold_together
from steer_tui.engine.toptexts import TopKTextsDetector
from steer_tui.engine.types import Sampling

NONE = "no hook"
WATCHED = "mean and std of each token"
"""All that a run does for watched points, the transfer at each step included; at most 3% on the 124M model."""
SHOWN = "mean and std as they are shown"
"""Likewise, the transfers as the workbench asks for them."""
_TURN = 4
"""Tokens with hooks, then as many without: few, so that a slow spell of the machine hits both."""
PROMPT_TOKENS = 32


@dataclass(frozen=True, slots=True)
class HookCost:
    """What one hook at all blocks came to."""

    hook: str
    ratio: float
    """Time per token over that without hooks; 1.03 is 3% more."""
    milliseconds: float
    """Per token, more than without; negative where the machine's noise is larger than the cost."""


def bench_hooks(
    lm: LanguageModel,
    *,
    rounds: int = 7,
    tokens: int = 24,
    only: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[HookCost, ...]:
    """Time every hook in turn.

    Args:
        lm: The model; its text is thrown away.
        rounds: Rounds that count, after one to warm up.
        tokens: Tokens with hooks in each round, and as many without; 1 at least.
        only: Names of works; none for all.
        on_progress: Called with (works done, works in all).
    """
    works = {name: make for name, make in _works(lm).items() if not only or name in only}
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    total = len(works) * (rounds + 1)
    for turn in range(rounds + 1):
        for place, (name, make) in enumerate(works.items()):
            pair = _seconds(lm, tokens, make(), WATCH_SECONDS if name == SHOWN else 0.0)
            if turn:
                costs[name].append(pair)
            if on_progress is not None:
                on_progress(turn * len(works) + place + 1, total)
    return tuple(_cost(name, pairs) for name, pairs in costs.items())


def _cost(name: str, pairs: Sequence[tuple[float, float]]) -> HookCost:
    ratio = statistics.median(hooked / plain for plain, hooked in pairs)
    return HookCost(name, ratio, 1000 * statistics.median(hooked - plain for plain, hooked in pairs))


def _seconds(lm: LanguageModel, tokens: int, hooks: Sequence[tuple[Any, Hook]], every: float) -> tuple[float, float]:
    """Return the median seconds of a token without hooks and of one with them.

    What is done for many tokens together is shared out among them: what `every` so many seconds is brought to the host,
    and what is counted at the end.
    """
    words = lm.structure.embed.weight.shape[0]  # type: ignore[index]
    prompt = [3 + 7 * place % (int(words) - 3) for place in range(PROMPT_TOKENS)]
    row = Row(prompt, (), Sampling(temperature=0.0, max_tokens=4 * (tokens + _TURN)))
    watched = [hook for _, hook in hooks if isinstance(hook, TokenTraceDetector)]
    waiting = [hook for _, hook in hooks if isinstance(hook, RunningStatsDetector)]
    times: tuple[list[float], list[float]] = ([], [])
    brought, shared, steps, hooked_steps = -math.inf, 0.0, 0, 0
    with Decoder(lm, [row]) as decoder:
        decoder.step()
        while decoder.alive and len(times[1]) < tokens:
            turn, place = divmod(steps, _TURN)
            is_hooked = turn % 2 == 1
            if place == 0:
                decoder.hook(hooks if is_hooked else ())
            began = time.perf_counter()
            decoder.step()
            synchronize(lm.device)
            ended = time.perf_counter()
            if is_hooked and ended - brought >= every:
                fold_together(watched)
                brought = time.perf_counter()
                shared += brought - ended
            if place > 0:  # the first step after a change finds its code cold
                times[is_hooked].append(ended - began)
            steps += 1
            hooked_steps += is_hooked
        began = time.perf_counter()
        for detector in waiting:
            detector.get_captured()
        shared += time.perf_counter() - began
    return statistics.median(times[0]), statistics.median(times[1]) + shared / hooked_steps


def _works(lm: LanguageModel) -> dict[str, Callable[[], list[tuple[Any, Hook]]]]:
    """Return name -> what makes the hooks of one run."""
    blocks = range(len(lm.structure.blocks))
    vector = 0.01 * torch.randn(lm.info.width, generator=torch.Generator().manual_seed(0)).to(lm.device)
    middle = lm.info.width // 2

    def each(
        make: Callable[[], Hook], point: str = "blocks.{}.hook_resid_post"
    ) -> Callable[[], list[tuple[Any, Hook]]]:
        return lambda: [(point.format(block), make()) for block in blocks]

    z, pattern = "blocks.{}.attn.hook_z", "blocks.{}.attn.hook_pattern"
    source = torch.zeros(1, 4, lm.info.width, device=lm.device, dtype=lm.dtype)
    return {
        NONE: list,
        WATCHED: each(TokenTraceDetector),
        SHOWN: each(TokenTraceDetector),
        "running mean, std, min, max": each(RunningStatsDetector),
        "last batch": each(LayerActivationDetector),
        "last 10 batches": each(LimitedAccumulator),
        "top texts": each(lambda: TopKTextsDetector(None, 3, tokenizer=lm.tokenizer)),
        "watched pattern": each(TokenTraceDetector, pattern),
        "scale": each(lambda: ScalingController(None, 1.01)),
        "neurons": each(lambda: SelectiveController(None, [0, middle], 1.01)),
        "heads": each(lambda: HeadController(None, [0], "scale", 1.01), z),
        "add": each(lambda: AddController(None, vector)),
        "project out": each(lambda: ProjectOutController(None, vector, 0.01)),
        "clamp": each(lambda: ClampController(None, -1e4, 1e4)),
        "normalise": each(lambda: NormaliseController(None)),
        "function": each(lambda: FunctionController(None, lambda x: x * 1.01)),
        "pipeline of three": each(lambda: PipelineController(None, [lambda x: x * 1.01] * 3)),
        "condition": each(lambda: ConditionalController(None, lambda x: x.abs().mean() > 1e9)),
        "positions": each(lambda: TokenConditionalController(None, [1, 2])),
        "counted scale": each(lambda: StatisticsController(None, ScalingController(None, 1.01))),
        "patch": each(lambda: PatchController(None, source)),
    }
