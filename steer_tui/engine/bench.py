"""How fast text is decoded on this machine, work by work, all in one run.

Promises that the works take turns (A B C A B C ...), so that a slow spell of the machine hits all of them, and that a
ratio compares neighbours of the same round. A speed counts the tokens of one row, prefill excluded. Ratios carry over
to other machines of a kind; seconds do not.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from steer_tui.engine.bandwidth import bytes_per_token, read_bandwidth, synchronize
from steer_tui.engine.decode import Decoder, Row
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import Recipe, Term
from steer_tui.engine.resolve import ActiveTerm, resolve
from steer_tui.engine.timings import processor
from steer_tui.engine.types import ModelInfo, Sampling
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta

ROUNDS = 9
TOKENS = 24
"""Tokens of a row in one round; those of the first step, which reads the prompt, are not timed."""
PROMPT_TOKENS = 32
SWEEP_ROWS = 8
FLOOR = "floor"


@dataclass(frozen=True)
class Work:
    """One thing to time."""

    name: str
    to: str
    """Name of the work, or `floor`, that its speed is compared with."""
    rows: int
    steps: Callable[[], list[float]]
    """Decodes once and returns the moments, in seconds, at which each token was there."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What one work came to."""

    work: str
    rows: int
    tokens_per_second: float
    """Of one row; all rows together are `rows` times as many."""
    ratio: float
    """This speed over that of `to`."""
    to: str

    def to_json(self) -> dict[str, object]:
        """Return one entry of `rows` in `bench --json`."""
        return {name: getattr(self, name) for name in ("work", "rows", "tokens_per_second", "ratio", "to")}


@dataclass(frozen=True, slots=True)
class Report:
    """A whole benchmark."""

    machine: dict[str, object]
    model: ModelInfo
    rows: tuple[Speed, ...]
    floor_tokens_per_second: float
    """Read bandwidth over the bytes of weights that a token needs: no decoder of one row is faster."""

    def to_json(self) -> dict[str, object]:
        """Return the object of `bench --json`."""
        return {
            "version": 1,
            "machine": self.machine,
            "model": self.model.to_json(),
            "rows": [row.to_json() for row in self.rows],
            "floor_tokens_per_second": self.floor_tokens_per_second,
        }


def bench(
    lm: LanguageModel,
    *,
    rounds: int = ROUNDS,
    tokens: int = TOKENS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Time every work in turn, `rounds` times after one round to warm up.

    Args:
        lm: The model; its text is thrown away.
        rounds: Rounds that count.
        tokens: Tokens of each row and round, 3 at least.
        on_progress: Called with (works done, works in all).
    """
    works = _works(lm, tokens)
    total = len(works) * (rounds + 1)
    taken: dict[str, list[float]] = {work.name: [] for work in works}
    for turn in range(rounds + 1):
        for place, work in enumerate(works):
            seconds = _seconds_per_token(work.steps())
            if turn > 0:
                taken[work.name].append(seconds)
            if on_progress is not None:
                on_progress(turn * len(works) + place + 1, total)
    bandwidth = read_bandwidth(lm.device)
    floor = bandwidth / bytes_per_token(lm)
    speeds = tuple(_speed(work, taken, floor) for work in works)
    return Report(_machine(lm, bandwidth), lm.info, speeds, floor)


def _seconds_per_token(moments: Sequence[float]) -> float:
    """Return the median time between tokens; the first token waits for the prompt and does not count."""
    return statistics.median(after - before for before, after in pairwise(moments))


def _speed(work: Work, taken: dict[str, list[float]], floor: float) -> Speed:
    own = taken[work.name]
    other = taken[work.to] if work.to != FLOOR else [1 / floor] * len(own)
    ratio = statistics.median(theirs / ours for ours, theirs in zip(own, other, strict=True))
    return Speed(work.name, work.rows, 1 / statistics.median(own), ratio, work.to)


def _works(lm: LanguageModel, tokens: int) -> list[Work]:
    prompt = [3 + 7 * place % (_vocabulary(lm) - 3) for place in range(PROMPT_TOKENS)]
    vector = random_vector(lm)
    middle = (lm.info.layers // 3, lm.info.layers // 3 + 1) if lm.info.layers > 1 else (0,)
    terms = resolve(Recipe((Term(vector.name, 1.0, middle),)), {vector.name: vector}, lm.info.layers, lm.info.width)
    greedy = Sampling(temperature=0.0, max_tokens=tokens)

    def decode(row_terms: Sequence[tuple[ActiveTerm, ...]], watched: bool = False) -> Callable[[], list[float]]:
        rows = [Row(prompt, row, greedy) for row in row_terms]
        return lambda: _decode(lm, rows, tokens, {vector.name: vector} if watched else {})

    return [
        Work("loop", "model.generate", 1, decode([()])),
        Work("model.generate", FLOOR, 1, lambda: _transformers(lm, prompt, tokens)),
        Work("steered", "loop", 1, decode([terms])),
        Work("steered, statistics", "steered", 1, decode([terms], watched=True)),
        Work("a/b", "loop", 2, decode([terms, ()])),
        Work("a/b, statistics", "a/b", 2, decode([terms, ()], watched=True)),
        Work("sweep", "loop", SWEEP_ROWS, decode([terms] * SWEEP_ROWS)),
    ]


def _decode(lm: LanguageModel, rows: Sequence[Row], tokens: int, followed: dict[str, SteeringVector]) -> list[float]:
    moments: list[float] = []
    with Decoder(lm, rows, watch=range(lm.info.layers) if followed else ()) as decoder:
        decoder.follow(followed)
        while decoder.alive and len(moments) < tokens:
            decoder.step()
            synchronize(lm.device)
            moments.append(time.perf_counter())
    return moments


class _Clock:
    """Notes when transformers hands over each token; it hands over the prompt first."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.moments: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        synchronize(self._device)
        self.moments.append(time.perf_counter())

    def end(self) -> None:
        return


def _transformers(lm: LanguageModel, prompt: Sequence[int], tokens: int) -> list[float]:
    clock = _Clock(lm.device)
    ids = torch.tensor([list(prompt)], device=lm.device)
    options: dict[str, Any] = {"do_sample": False, "pad_token_id": lm.pad_id, "streamer": clock}
    with torch.inference_mode():
        lm.model.generate(
            ids, attention_mask=torch.ones_like(ids), min_new_tokens=tokens, max_new_tokens=tokens, **options
        )
    return clock.moments[1:]


def random_vector(lm: LanguageModel, name: str = "random") -> SteeringVector:
    """Return a vector that steers a little, in no direction anybody means."""
    source = torch.Generator().manual_seed(0)
    layers = {layer: torch.randn(lm.info.width, generator=source) * 0.01 for layer in range(lm.info.layers)}
    info = lm.info
    made_for = MadeFor(id=info.id, type=info.type, layers=info.layers, width=info.width, fingerprint=info.fingerprint)
    return SteeringVector(name, layers, VectorMeta(name, made_for))


def _vocabulary(lm: LanguageModel) -> int:
    return int(next(lm.structure.embed.parameters()).shape[0])


def _machine(lm: LanguageModel, bandwidth: float) -> dict[str, object]:
    device = torch.cuda.get_device_name(lm.device) if lm.device.type == "cuda" else processor()
    return {
        "processor": device,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "read_bytes_per_second": bandwidth,
    }
