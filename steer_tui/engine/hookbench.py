"""What each detector and controller costs per generated token, as a ratio to decoding without hooks, all in one run.

Every hook sits on the outputs of all blocks (heads on z, taps on the pattern). A few tokens with hooks and a few
without take turns in one text, so that a slow spell of the machine hits both: each turn with hooks is compared with the
one before and the one after it, and the ratio is the median over all of these pairs.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
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
from steer_tui.engine.hookvalues import WATCH_SECONDS, HookSpec
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.runhooks import RunHooks
from steer_tui.engine.selective import HeadController, SelectiveController
from steer_tui.engine.toptexts import TopKTextsDetector
from steer_tui.engine.types import Sampling
from steer_tui.errors import UsageError

NONE = "no hook"
WATCHED = "mean and std of each token"
"""All that a run does for watched points, the transfer at each step included; at most 3% on the 124M model."""
SHOWN = "mean and std as they are shown"
"""Likewise, the transfers as the workbench asks for them."""
_POINT = "blocks.{}.hook_resid_post"
TIMED_LONGER = (NONE, WATCHED, SHOWN)
"""What the targets are about."""
_LONGER = 4
"""Times as many tokens."""
_TURN = 4
"""Tokens with hooks, then as many without: few, so that neighbouring turns find the machine alike."""
PROMPT_TOKENS = 32


@dataclass(frozen=True, slots=True)
class _Work:
    """What one run has on."""

    hooks: Sequence[tuple[Any, Any]]
    bring: Callable[[], object] | None = None
    """Brings to the host what was seen."""
    every: float = 0.0
    """Seconds of hooked text from one time to the next; 0 at each step, infinity once at the end."""


@dataclass(frozen=True, slots=True)
class HookCost:
    """What one hook at all blocks came to."""

    hook: str
    ratio: float
    """Time per token over that without hooks; 1.03 is 3% more."""
    error: float
    """Standard error of the ratio: what the machine's noise leaves open."""
    milliseconds: float
    """Per token, more than without; negative where the noise is larger than the cost."""


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
        tokens: Tokens with hooks in each round, and about as many without, of most works; a whole turn at least.
        only: Names of works; none for all.
        on_progress: Called with (works done, works in all).

    Raises:
        UsageError: The model's context has no room for three turns.
    """
    works = {name: make for name, make in _works(lm).items() if not only or name in only}
    turns = {name: max(1, tokens // _TURN) * (_LONGER if name in TIMED_LONGER else 1) for name in works}
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    total = len(works) * (rounds + 1)
    for turn in range(rounds + 1):
        for place, (name, make) in enumerate(works.items()):
            pairs = _pairs(lm, turns[name], make())
            if turn:
                costs[name] += pairs
            if on_progress is not None:
                on_progress(turn * len(works) + place + 1, total)
    return tuple(_cost(name, pairs) for name, pairs in costs.items())


def _cost(name: str, pairs: Sequence[tuple[float, float]]) -> HookCost:
    if not pairs:
        raise UsageError("no token could be timed", hint="take a model with a longer context")
    ratios = [hooked / plain for plain, hooked in pairs]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    # Of a median: 1.253 standard deviations over the root of the count, a deviation being the quartiles' gap / 1.349.
    # Each turn with hooks is in two pairs, which do not count twice.
    error = 1.253 * (high - low) / 1.349 / math.sqrt(len(ratios) / 2)
    return HookCost(name, ratio, error, 1000 * statistics.median(hooked - plain for plain, hooked in pairs))


def _pairs(lm: LanguageModel, turns: int, work: _Work) -> list[tuple[float, float]]:
    """Return the seconds of a token without hooks and of one with them, for each turn with hooks and each beside it.

    What is brought for many tokens together is shared out among them.
    """
    times: list[float] = []
    """Of a token, turn by turn."""
    since, shared = 0.0, 0.0
    with Decoder(lm, [_row(lm, (2 * turns + 1) * _TURN + 1)], hook_rows=(0,)) as decoder:
        decoder.step()
        while decoder.alive:
            is_hooked = len(times) % 2 == 1
            decoder.hook(work.hooks if is_hooked else ())
            steps: list[float] = []
            while decoder.alive and len(steps) < _TURN:
                began = time.perf_counter()
                decoder.step()
                synchronize(lm.device)
                ended = time.perf_counter()
                steps.append(ended - began)
                since += steps[-1] if is_hooked else 0.0
                if work.bring is not None and is_hooked and since >= work.every:
                    work.bring()
                    since = 0.0
                    shared += time.perf_counter() - ended
            if len(steps) == _TURN:
                times.append(statistics.median(steps[1:]))  # the first step after a change finds its code cold
        began = time.perf_counter()
        if work.bring is not None:
            work.bring()
        shared += time.perf_counter() - began
    each = shared / (max(1, len(times) // 2) * _TURN)
    return [
        (times[beside], times[turn] + each) for turn in range(1, len(times) - 1, 2) for beside in (turn - 1, turn + 1)
    ]


def _row(lm: LanguageModel, tokens: int) -> Row:
    words = int(lm.structure.embed.weight.shape[0])  # type: ignore[index]
    prompt = [3 + 7 * place % (words - 3) for place in range(PROMPT_TOKENS)]
    return Row(prompt, (), Sampling(temperature=0.0, max_tokens=tokens))


def _works(lm: LanguageModel) -> dict[str, Callable[[], _Work]]:
    """Return name -> what makes the hooks of one run."""
    blocks = range(len(lm.structure.blocks))
    vector = 0.01 * torch.randn(lm.info.width, generator=torch.Generator().manual_seed(0)).to(lm.device)
    middle = lm.info.width // 2

    def each(make: Callable[[], Hook], point: str = _POINT) -> Callable[[], _Work]:
        return lambda: _Work([(point.format(block), make()) for block in blocks])

    def watched(every: float, point: str = _POINT) -> Callable[[], _Work]:
        return lambda: _watched(lm, [point.format(block) for block in blocks], every)

    z, pattern = "blocks.{}.attn.hook_z", "blocks.{}.attn.hook_pattern"
    source = torch.zeros(1, 4, lm.info.width, device=lm.device, dtype=lm.dtype)
    return {
        NONE: lambda: _Work(()),
        WATCHED: watched(0.0),
        SHOWN: watched(WATCH_SECONDS),
        "running mean, std, min, max": lambda: _running(blocks),
        "last batch": each(LayerActivationDetector),
        "last 10 batches": each(LimitedAccumulator),
        "top texts": each(lambda: TopKTextsDetector(None, 3, tokenizer=lm.tokenizer)),
        "watched pattern": watched(WATCH_SECONDS, pattern),
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


def _watched(lm: LanguageModel, points: Sequence[str], every: float) -> _Work:
    """Watch points as a run does that a person asked for."""
    run = RunHooks(lm, {}, is_counted=True)
    hooks = run.put([HookSpec(point, "watch") for point in points], None, 0)
    return _Work(tuple(hooks or ()), run.watched, every)


def _running(blocks: Iterable[int]) -> _Work:
    detectors = [RunningStatsDetector() for _ in blocks]
    hooks = [(_POINT.format(block), detector) for block, detector in zip(blocks, detectors, strict=True)]
    return _Work(hooks, lambda: [detector.get_captured() for detector in detectors], math.inf)
