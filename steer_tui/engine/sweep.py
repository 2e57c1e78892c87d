"""The layer x strength grid: every text of every cell is a row of a batch, measured by the unsteered model.

Promises that a cell is what the same recipe, prompt and seed give alone; that cells are handed over as they are
finished, each once; that a sweep which is given finished cells runs the others only; that running out of memory costs
rows of a batch, not the sweep. Knows nothing of files or screens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from steer_tui.engine.generate import Controls
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.sweepauto import Search
from steer_tui.engine.sweepcells import Examples, Planner, Vectors, checked
from steer_tui.engine.sweepgrid import Grid, SweepResult
from steer_tui.engine.sweeprefine import refine
from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.sweeprun import OnCell, OnProgress, SweepRun
from steer_tui.engine.sweeptypes import Cell


def sweep(
    lm: LanguageModel,
    request: SweepRequest,
    vectors: Vectors,
    *,
    examples: Examples | None = None,
    on_cell: OnCell | None = None,
    on_progress: OnProgress | None = None,
    controls: Controls | None = None,
    done: Mapping[str, Cell] | None = None,
) -> SweepResult:
    """Run every cell and return the grids.

    Args:
        lm: The model.
        request: Which cells, prompts, seeds, sampling.
        vectors: Those of its concepts, by name.
        examples: Concept -> its texts, words and instruction; a control that lacks them is left out.
        on_cell: Called with every finished cell, baseline and controls too, on this thread.
        on_progress: Called after each step.
        controls: Its `stop` ends the sweep before the next step; cells that are finished by then are kept.
        done: Cells of an earlier run of the same request by their keys; they are not run again.

    Raises:
        UsageError, RecipeError, ShapeMismatch: The request does not fit; nothing has run.
        OutOfMemory: Not even one row fits; the cells that are finished have been handed over.
        HookError: A hook failed; none is left on the model.
    """
    asked = checked(lm, request, vectors)
    planner = Planner(lm, asked, vectors, examples or {})
    controls = controls or Controls()
    if asked.auto:
        return Search(planner, on_cell, on_progress, controls, done or {}).go()
    result = SweepRun(planner, on_cell, on_progress, controls, done or {}).go()
    if not asked.refine or controls.stopped:
        return result
    return _refined(result, planner, on_cell, on_progress, controls, done or {})


def _refined(
    result: SweepResult,
    planner: Planner,
    on_cell: OnCell | None,
    on_progress: OnProgress | None,
    controls: Controls,
    done: Mapping[str, Cell],
) -> SweepResult:
    """Return the result with a closer look around each grid's best cell; a grid without one stays as it is."""
    grids: list[Grid] = []
    seconds, complete, notes = result.seconds, result.complete, result.notes
    for grid in result.grids:
        if grid.best is None:
            grids.append(grid)
            continue
        closer = replace(refine(planner.request, grid, planner.lm.info.layers), refine=False)
        known = {**done, **{cell.key: cell for cell in grid.all_cells()}}
        more = SweepRun(replace(planner, request=closer), on_cell, on_progress, controls, known).go()
        grids.append(grid.merged(more.grids[0]))
        seconds, complete, notes = seconds + more.seconds, complete and more.complete, notes + more.notes
    return replace(result, grids=tuple(grids), seconds=seconds, complete=complete, notes=notes)
