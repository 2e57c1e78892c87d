"""Runs planned cells: their texts as rows of batches, sized to the memory there is, halved where it runs out.

Promises that every cell is handed over once, as soon as its last row is read, and that stopping or running out of
memory loses none that was finished. Knows nothing of which cells are wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import torch

from steer_tui.demo.scoring import TOLD_BY_LENGTH
from steer_tui.engine.generate import Controls
from steer_tui.engine.models import DEMO
from steer_tui.engine.out_of_memory import is_out_of_memory
from steer_tui.engine.sweepbatch import Batch, Finished
from steer_tui.engine.sweepcells import Job, Planned, Planner, names_of
from steer_tui.engine.sweepfigures import filled
from steer_tui.engine.sweepgrid import SweepResult, grid_of
from steer_tui.engine.sweepmemory import rows_that_fit
from steer_tui.engine.sweeptypes import Cell, SweepProgress
from steer_tui.errors import Cancelled, OutOfMemory

OnCell = Callable[[Cell], None]
OnProgress = Callable[[SweepProgress], None]


class SweepRun:
    """The state of one run over planned cells."""

    def __init__(
        self,
        planner: Planner,
        on_cell: OnCell | None,
        on_progress: OnProgress | None,
        controls: Controls,
        done: Mapping[str, Cell],
    ) -> None:
        self._planner, self._lm, self._request = planner, planner.lm, planner.request
        self._on_cell, self._on_progress, self._controls = on_cell, on_progress, controls
        self._names = names_of(self._request)
        self._keys = [key for name in self._names for key in planner.keys(name)]
        self._cells = {key: done[key] for key in self._keys if key in done}
        self._planned: dict[str, Planned] = {}
        self._waiting: dict[str, dict[int, Finished]] = {}
        """Cell -> those of its rows that are finished, while others are not."""
        self._total = len(self._keys)
        self._rows_to_run = (self._total - len(self._cells)) * self._request.texts_per_cell
        self._rows_done = 0
        self._drawn = 0
        """Tokens of the batch that is stepped now."""
        self._most_rows: int | None = None
        self._rows_now = 0
        self._notes: list[str] = []
        self._began = time.perf_counter()

    def go(self) -> SweepResult:
        """Run what is not done yet."""
        for name in self._names:
            self._run(self._planner.grid(name))
            if not self._controls.stopped:
                with suppress(Cancelled):  # what is finished is the result
                    self._run(self._planner.controls(name, frozenset(self._cells), lambda: self._controls.stopped))
        found = [self._cells[key] for key in self._keys if key in self._cells]
        own = {name: [cell for cell in found if cell.name == name] for name in self._names}
        return SweepResult(
            model=self._lm.info,
            request=self._request,
            grids=tuple(grid_of(name, cells, self._request.kl_budget) for name, cells in own.items()),
            complete=len(self._cells) == self._total,
            seconds=time.perf_counter() - self._began,
            notes=tuple(self._notes),
        )

    def _run(self, cells: Iterable[Planned]) -> None:
        queue: list[Job] = []
        for planned in cells:
            if planned.cell.key not in self._cells:
                self._planned[planned.cell.key] = planned
                queue += self._planner.jobs(planned)
        while queue and not self._controls.stopped:
            self._run_batch(queue[: self._batch_size(queue)])
            queue = [job for job in queue if not self._is_finished(job)]

    def _batch_size(self, queue: Sequence[Job]) -> int:
        """Return how many rows to step at once: equal parts of the queue, none larger than fits."""
        longest = max(len(job.ids) for job in queue)
        tokens = self._request.sampling.max_tokens
        most = rows_that_fit(self._lm, longest, tokens, self._request.measures)
        if self._most_rows is not None:
            most = min(most, self._most_rows)
        parts = -(-len(queue) // most)
        return -(-len(queue) // parts)

    def _run_batch(self, jobs: Sequence[Job]) -> None:
        self._drawn, self._rows_now = 0, len(jobs)
        batch = Batch(self._lm, jobs, self._planner.vectors, self._request.measures)
        try:
            batch.run(self._controls, self._stepped, self._take)
            return
        except (RuntimeError, MemoryError, OutOfMemory) as error:
            if not isinstance(error, OutOfMemory) and not is_out_of_memory(error):
                raise
            if len(jobs) == 1:
                raise OutOfMemory(
                    "not even one text of the sweep fits in the device's memory",
                    hint="shorten the prompt, ask for fewer tokens, or choose a smaller model",
                ) from error
        # Outside the handler: the error holds on to the batch's tensors.
        del batch
        self._halve(len(jobs))

    def _halve(self, rows: int) -> None:
        self._most_rows = rows // 2
        self._notes.append(f"memory ran out with {rows} texts at once; going on with {self._most_rows}")
        if self._lm.device.type == "cuda":
            torch.cuda.empty_cache()
        self._drawn = 0
        self._show()

    def _stepped(self, tokens: int) -> None:
        self._drawn += tokens
        self._show()

    def _take(self, rows: Sequence[Finished]) -> None:
        """Keep finished rows, and hand over the cells that they complete."""
        for row in rows:
            key = row.job.key
            self._rows_done += 1
            self._drawn = max(0, self._drawn - len(row.text.ids))
            self._waiting.setdefault(key, {})[row.job.place] = row
            if len(self._waiting[key]) == self._request.texts_per_cell:
                self._finish(key, self._waiting.pop(key))

    def _finish(self, key: str, rows: Mapping[int, Finished]) -> None:
        planned = self._planned.pop(key)
        seeds = list(self._request.seeds) * len(self._request.prompts)
        cell = filled(planned.cell, [rows[place] for place in sorted(rows)], seeds, self._words(planned.cell.name))
        self._cells[key] = cell
        if self._on_cell is not None:
            self._on_cell(cell)

    def _words(self, name: str) -> Sequence[str] | None:
        """Return the words by which the demo model's texts show a concept; None for other models and for mixes."""
        example = self._planner.examples.get(name)
        if self._lm.info.ref != DEMO or example is None:
            return None
        return example.words if example.words or name in TOLD_BY_LENGTH else None

    def _is_finished(self, job: Job) -> bool:
        return job.key in self._cells or job.place in self._waiting.get(job.key, {})

    def _show(self) -> None:
        if self._on_progress is None:
            return
        tokens = max(1, self._request.sampling.max_tokens)
        fraction = min(1.0, (self._rows_done + self._drawn / tokens) / max(1, self._rows_to_run))
        taken = time.perf_counter() - self._began
        left = taken * (1 - fraction) / fraction if fraction > 0 else None
        note = self._notes[-1] if self._notes else ""
        self._on_progress(SweepProgress(len(self._cells), self._total, fraction, left, self._rows_now, note))
