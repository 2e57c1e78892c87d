"""Beginning, stopping and going on with sweeps, and what arrives from the engine while one runs."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import replace

from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.sweeptypes import Cell
from steer_tui.errors import SteerError
from steer_tui.session.journal import Journal
from steer_tui.session.messages import Event, ModelLoaded, VectorsChanged
from steer_tui.session.state import Workbench
from steer_tui.session.sweep_board import SweepBoard, new_uid
from steer_tui.session.sweep_messages import RunSweep, SweepCells, SweepFailed, SweepFinished, SweepStarted, SweepWent
from steer_tui.session.sweep_plan import SweepPlan, default_rows, plan_from
from steer_tui.session.sweep_records import SweepRecord
from steer_tui.tui.background import in_background
from steer_tui.tui.screens.steer_run import LARGEST_SEED
from steer_tui.tui.screens.sweep_panes import SweepPanes
from steer_tui.tui.sweep_layout import FRONT, GRID


class SweepRuns(SweepPanes):
    """The sweep that is shown is the one that runs, or the one that ran last."""

    _planned: SweepRequest | None = None
    """The plan that the board was begun with."""
    _source: object = None
    """What of the session the plan was made from; a plan that someone wrote stays until this changes."""

    # The plan

    def plan_if_due(self, *, anew: bool = False) -> None:
        """Set the sweep up from the session, unless that was done and nothing has changed since."""
        app = self.bench_app
        info, bench = app.status.info, app.bench
        if info is None:
            return
        term = bench.selected_term
        name = term.name if term is not None else next((item.name for item in app.concepts if item.has_vector), "happy")
        source = (
            name,
            term.op if term else "",
            term.scope if term else None,
            bench.prompt,
            bench.raw,
            info.fingerprint,
        )
        if self.plan is None or anew or (source != self._source and not self._is_busy):
            best = app.known[name].best_layers if name in app.known else ()
            self.plan = plan_from(bench, name, best, info.layers)
            self._source = source
            self.show_all()

    def keep_plan(self, plan: SweepPlan) -> None:
        """Take a plan that someone wrote; the budget acts on the grid that is there at once."""
        self.plan = plan
        board = self.board
        if board is not None and plan.request.kl_budget != board.request.kl_budget:
            board.set_budget(plan.request.kl_budget)
            self.show_grid()
        self.setup.show_plan(plan)
        self.fit_desk()
        self.show_status()

    @property
    def _is_busy(self) -> bool:
        return self.board is not None and self.board.is_running

    def show_bench(self, before: Workbench | None = None) -> None:
        """Follow what is chosen on Steer."""
        self.plan_if_due()

    # Beginning

    def begin(self, plan: SweepPlan) -> None:
        """Run a plan at once: what a preset on Steer asks for."""
        self.plan = plan
        self.plan_if_due()  # notes what it follows from, so that the preset stays
        self.plan = plan
        self.measure = "concept"
        self.start(plan.request)

    def start(self, request: SweepRequest, done: tuple[Cell, ...] = ()) -> None:
        """Run a request on a new board."""
        app = self.bench_app
        info = app.status.info
        if info is None:
            return app.say("no model yet: m chooses one", "warning")
        try:
            request.check()
        except SteerError as error:
            return app.complain(error.message, error.hint)
        self.board = SweepBoard(new_uid(), request, info)
        self._planned = self.plan.request if self.plan is not None else None
        self.board.take(done)
        self.page, self.follows_best = 0, True
        self.map.row = self.map.column = self.map.left = self.map.top = 0
        self._send(self.board)

    def resume(self, board: SweepBoard) -> None:
        """Run the cells of a board that are not there yet."""
        board.message = ""
        self._send(board)

    def _send(self, board: SweepBoard) -> None:
        app = self.bench_app
        board.is_running, board.complete, board.progress = True, False, None
        app.engine.send(RunSweep(board.uid, board.request, tuple(board.cells.values())))
        app.status = app.status.asked_sweep(board.uid)
        self.show_all()
        if self.has_panes and self.place not in (GRID, FRONT):
            self.go_to(GRID)

    def act_run(self) -> None:
        """Run the plan; a sweep of the same plan that was stopped goes on."""
        board, plan = self.board, self.plan
        if plan is None:
            return self.bench_app.say("the model comes first")
        if board is not None and self._is_same(board, plan.request):
            if not board.complete:
                return self.resume(board)
            return self.bench_app.say("these cells are all there: R runs them with a new seed")
        self.start(plan.request)

    def _is_same(self, board: SweepBoard, request: SweepRequest) -> bool:
        """Say whether a board is what a plan asks for; an automatic sweep asks for other cells than its plan."""
        info = self.bench_app.status.info
        if self._planned is None:
            return False
        asked = replace(self._planned, kl_budget=request.kl_budget)
        return asked == request and info is not None and info.fingerprint == board.model.fingerprint

    def act_run_new_seed(self) -> None:
        """Run the plan with new seeds, as many as it has."""
        if self.plan is not None:
            count = len(self.plan.request.seeds)
            first = random.randrange(LARGEST_SEED - count)
            self.keep_plan(self.plan.with_seeds(tuple(range(first, first + count))))
            self.act_run()

    def act_repeat(self) -> None:
        """Run the sweep that is shown once more, the same request on a new board."""
        if self.board is not None:
            self.start(self.board.request)

    def act_auto(self) -> None:
        """Find layers and a strength within the KL budget by a few batched steps."""
        app, plan = self.bench_app, self.plan
        if plan is None:
            return
        request = replace(plan.request, auto=True)
        best = [app.known[name].best_layers for name in request.concepts if name in app.known]
        if any(request.layers == default_rows(layers, plan.layer_count) for layers in best):
            request = replace(request, layers=())  # nobody chose them: the vector's diagnostics may
        self.start(request)

    def act_refine(self) -> None:
        """Run closer strengths and layers around the best cell; what is there is not run again."""
        from steer_tui.engine.sweeprefine import refine

        app, board, page = self.bench_app, self.board, self.map.current_page
        if board is None or page is None or board.best(page.grid) is None:
            return app.say("no best cell to refine yet: r sweeps first")
        try:
            request = refine(board.request, board.grids[page.grid], board.model.layers)
        except SteerError as error:
            return app.complain(error.message, error.hint)
        self.plan = SweepPlan(request, board.model.layers)
        self.start(request, tuple(board.cells.values()))

    # After a crash, and from History

    def look_for_unfinished(self) -> None:
        """Show the newest sweep of the journal where it was cut off, so that one key goes on with it."""
        path = self.bench_app.paths.journal

        def read() -> SweepRecord | None:
            try:
                if not path.exists():
                    return None
                with Journal(path) as journal:
                    return journal.sweeps.newest()
            except (sqlite3.Error, OSError, ValueError, KeyError, TypeError, SteerError):
                return None  # History says what is wrong with the journal

        in_background(self.app, read, self._offer)

    def _offer(self, record: SweepRecord | None) -> None:
        info = self.bench_app.status.info
        if record is None or self.board is not None or record.entry.ending == "complete" or info is None:
            return
        if record.result.model.fingerprint == info.fingerprint:
            self.open_record(record)
            self.bench_app.say(f"a sweep was cut off at {record.entry.done} of {record.entry.total} cells: r goes on")

    def open_record(self, record: SweepRecord) -> None:
        """Show a sweep of the journal; an unfinished one can go on."""
        self.plan_if_due()  # notes what the plan follows from, so that the sweep's own stays
        self.board = SweepBoard.from_record(record)
        self.plan = SweepPlan(replace(record.request, auto=False), self.board.model.layers)
        self._planned = self.plan.request
        self.page, self.follows_best = 0, True
        self.show_all()
        self._follow_best()

    # Events

    def take(self, event: Event) -> None:
        """Show what the engine did."""
        match event:
            case ModelLoaded() | VectorsChanged():
                self.plan_if_due()
                self.setup.refresh()
            case SweepStarted(uid) | SweepWent(uid) | SweepFinished(uid) | SweepFailed(uid) | SweepCells(uid):
                if self.board is not None and uid == self.board.uid:
                    self._take(event, self.board)

    def _take(self, event: Event, board: SweepBoard) -> None:
        match event:
            case SweepCells(_, cells):
                self._take_cells(board, cells)
            case SweepWent(_, progress):
                if progress.note and (board.progress is None or progress.note != board.progress.note):
                    self.bench_app.say(progress.note)
                board.progress = progress
                self.show_progress()
            case SweepFinished():
                self._finished(event, board)
            case SweepFailed(_, message, hint):
                board.is_running, board.message = False, message
                self.show_progress()
                self.bench_app.complain(message, hint)

    def _take_cells(self, board: SweepBoard, cells: tuple[Cell, ...]) -> None:
        grown = board.take(cells)
        if not self.has_panes:
            return
        if grown:
            self.show_grid()
        else:
            self.map.update_cells(cells)
            self.front.show_soon()
        if self.follows_best:
            self._follow_best()
        self.show_progress()
        self.show_cell()

    def _follow_best(self) -> None:
        page = self.map.current_page
        best = self.board.best(page.grid) if self.board is not None and page is not None else None
        if best is not None and self.board is not None:
            self.map.go_to_place(self.board.place_of(best))

    def _finished(self, event: SweepFinished, board: SweepBoard) -> None:
        board.is_running, board.complete, board.notes = False, event.complete, event.notes
        board.seconds += event.seconds
        if not self.has_panes:
            return
        self.show_grid()
        if self.follows_best:
            self._follow_best()
        for note in event.notes:
            self.bench_app.say(note, "warning")
        page = self.map.current_page
        best = board.best(page.grid) if page is not None else None
        if event.complete:
            words = f"best {best.recipe}: enter applies it" if best else "no cell within the KL budget: > widens it"
            self.bench_app.say(f"{board.done} cells in {board.seconds:.1f} s; {words}")
        else:
            self.bench_app.say(f"stopped at {board.so_far}: r goes on")
