"""One batch of a sweep: its rows stepped together, and re-read by the unsteered model as they end.

What a row was drawn from is kept until it is read, within a bound. Promises that a row's text is that of the same row
alone, and that rows which were handed over are whole whatever happens to the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steer_tui.engine.branch import Branch
from steer_tui.engine.decode import Decoder, Drawn, Row
from steer_tui.engine.generate import Controls
from steer_tui.engine.measure import Reader, Reading
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.normmeter import NormMeter
from steer_tui.engine.sweepcells import Job, Vectors
from steer_tui.engine.types import Text

KEPT_BYTES = 256 * 2**20
"""Logits kept before they are read and let go."""
_PATIENCE = 8
"""Steps between two readings for the sake of rows that have ended."""


@dataclass(frozen=True)
class Finished:
    """A row that has ended and been read."""

    job: Job
    text: Text
    reading: Reading | None
    """None where nothing was to be measured."""
    added: tuple[float, int]
    """Sum of ||added|| / ||residual|| over steered positions and blocks, and how many those are."""
    is_broken: bool
    """Whether a logit was no finite number."""


OnFinished = Callable[[Sequence[Finished]], None]
OnStep = Callable[[int], None]
"""Called with the number of tokens that a step drew."""


class Batch:
    """The rows of one batch from their prompts to their measures."""

    def __init__(self, lm: LanguageModel, jobs: Sequence[Job], vectors: Vectors, measures: bool) -> None:
        self._lm = lm
        self._jobs = list(jobs)
        self._branches = [Branch(lm, job.ids) for job in jobs]
        self._broken = [False] * len(jobs)
        self._unread: list[int] = list(range(len(jobs)))
        """Rows that have not been handed over."""
        self._ended: set[int] = set()
        self._meter = NormMeter(len(jobs), lm.device)
        self._kept = _Kept()
        self._reader: Reader | None = None
        if measures:
            concepts = {name: vectors[name] for job in jobs for name in job.concepts}
            self._reader = Reader(lm, [job.read_after for job in jobs], concepts)

    def run(self, controls: Controls, on_step: OnStep, on_finished: OnFinished) -> None:
        """Step until every row has ended or somebody says stop; rows that have ended by then are handed over."""
        rows = [Row(job.ids, job.terms, job.sampling) for job in self._jobs]
        steered = [index for index, job in enumerate(self._jobs) if job.terms]
        with Decoder(self._lm, rows, hook_rows=steered, meter=self._meter) as decoder:
            while decoder.alive and not controls.stopped:
                drawn = decoder.step()
                self._take(drawn, decoder.last_logits)
                if self._is_due(decoder):
                    with decoder.quiet():
                        self._hand_over(self._unread, on_finished)
                on_step(len(drawn))
        self._unread = [row for row in self._unread if row in self._ended]
        with self._lm.layers.paused():
            self._hand_over(self._unread, on_finished)

    def _take(self, drawn: Sequence[Drawn], logits: Tensor | None) -> None:
        for token in drawn:
            self._branches[token.row].take(token)
            self._broken[token.row] |= not math.isfinite(token.logprob)
            if token.finish is not None:
                self._ended.add(token.row)
        if self._reader is not None and logits is not None:
            self._kept.add([token.row for token in drawn], [token.id for token in drawn], logits)

    def _is_due(self, decoder: Decoder) -> bool:
        if not decoder.alive:
            return False
        waiting = sum(row in self._ended for row in self._unread)
        if self._reader is None:
            return waiting > 0
        many = waiting >= max(1, len(decoder.alive) // 4) and self._kept.steps >= _PATIENCE
        return many or self._kept.size > KEPT_BYTES

    def _hand_over(self, rows: Sequence[int], on_finished: OnFinished) -> None:
        """Read on with these rows, and give away those of them that have ended."""
        if not rows:
            return
        if self._reader is not None:
            self._reader.keep(rows)
            ids, drawn_from = self._kept.take(rows)
            self._reader.read(ids, drawn_from)
        done = [row for row in rows if row in self._ended]
        if not done:
            return
        self._unread = [row for row in self._unread if row not in self._ended]
        if self._reader is not None and self._unread:
            self._reader.keep(self._unread)
        added = self._meter.read()
        on_finished([self._finished(row, added[row]) for row in done])

    def _finished(self, row: int, added: tuple[float, int]) -> Finished:
        reading = self._reader.readings[row] if self._reader is not None else None
        return Finished(self._jobs[row], self._branches[row].text(False), reading, added, self._broken[row])


class _Kept:
    """Tokens and what they were drawn from, since the last reading."""

    def __init__(self) -> None:
        self._ids: dict[int, list[int]] = {}
        self._logits: dict[int, list[Tensor]] = {}
        self.steps = 0
        self.size = 0
        """Bytes."""

    def add(self, rows: Sequence[int], ids: Sequence[int], logits: Tensor) -> None:
        """Keep a step's tokens; `logits` (len(rows), V)."""
        if logits.untyped_storage().nbytes() > 2 * logits.nbytes:
            logits = logits.clone()  # a view would keep those of the whole prompt
        for place, (row, token) in enumerate(zip(rows, ids, strict=True)):
            self._ids.setdefault(row, []).append(token)
            self._logits.setdefault(row, []).append(logits[place])
        self.steps += 1
        self.size += logits.nbytes

    def take(self, rows: Sequence[int]) -> tuple[list[list[int]], list[Tensor | None]]:
        """Return the ids and the logits (n, V) of some rows; nothing is kept any more."""
        ids = [self._ids.get(row, []) for row in rows]
        logits = [torch.stack(self._logits[row]) if row in self._logits else None for row in rows]
        self._ids, self._logits = {}, {}
        self.steps = self.size = 0
        return ids, logits
