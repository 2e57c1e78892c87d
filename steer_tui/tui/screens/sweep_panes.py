"""The panes of Sweep, the sweep they show and the cell they stand on; the actions of `sweep_*` are built on it."""

from __future__ import annotations

from dataclasses import replace

from textual.content import Content

from steer_tui.engine.sweeptypes import Cell
from steer_tui.session.sweep_board import SweepBoard
from steer_tui.session.sweep_plan import SweepPlan
from steer_tui.tui.safe import label
from steer_tui.tui.screens.desk_screen import DeskScreen
from steer_tui.tui.sweep_layout import BASELINE, CELL, FRONT, GRID, PANES, SETUP, SweepFacts, arrange
from steer_tui.tui.sweep_words import NAMES, PROBLEMS, measures_of, time_left
from steer_tui.tui.widgets.desk import Desk
from steer_tui.tui.widgets.stream_text import StreamText
from steer_tui.tui.widgets.sweep_front import SweepFront
from steer_tui.tui.widgets.sweep_map import SweepMap
from steer_tui.tui.widgets.sweep_setup import SweepSetup


class SweepPanes(DeskScreen[SweepFacts]):
    """Set-up, grid, front, and the texts of a cell beside the baseline's."""

    NAME = "sweep"
    HOME = GRID

    def __init__(self) -> None:
        super().__init__(name=self.NAME)
        self.setup = SweepSetup(lambda: tuple(self.bench_app.known), id=SETUP)
        self.map = SweepMap(id=GRID)
        self.front = SweepFront(id=FRONT)
        self.cell = StreamText("Cell", id=CELL)
        self.baseline = StreamText("Baseline", id=BASELINE)
        children = (self.map, self.front, self.setup, self.cell, self.baseline)
        self.desk = Desk(*children, facts=SweepFacts(), place=arrange)
        self.plan: SweepPlan | None = None
        """What the next sweep will be; None before a model is there."""
        self.board: SweepBoard | None = None
        """The sweep that is shown."""
        self.measure = "concept"
        self.page = 0
        self._shown: tuple[Cell | None, Cell | None] = (None, None)
        """Whose texts are shown."""
        self.follows_best = True
        """Whether the cursor keeps to the best cell: until someone moves it."""
        self.has_panes = False
        """Whether the panes are on the screen; a sweep may be begun before."""

    def panes(self) -> tuple[str, ...]:
        """Return the panes that tab walks through."""
        return PANES

    # What is shown

    @property
    def current(self) -> Cell | None:
        """The cell that the cursor stands on, None where it is not there yet."""
        return self.map.current

    def show_all(self) -> None:
        """Show plan and sweep as they are now."""
        if not self.has_panes:
            return
        self.setup.show_plan(self.plan)
        self.show_grid()
        self.show_status()

    def show_grid(self) -> None:
        """Draw the sweep anew."""
        board = self.board
        if board is not None:
            measures = measures_of(board)
            self.measure = self.measure if self.measure in measures or not board.done else measures[0]
            self.page = min(self.page, max(0, len(board.pages) - 1))
        self.map.show_board(board, self.measure, self.page)
        page = self.map.current_page
        self.front.show_board(board, page.grid if page is not None else "")
        count = f" {self.page + 1}/{len(board.pages)}" if board is not None and len(board.pages) > 1 else ""
        title = f"Grid{count}: {page.title}, {NAMES[self.measure]}" if page is not None else "Grid"
        self.map.border_title = Content(label(title))
        self.front.border_title = Content(label(f"Front: {page.grid}, concept by KL" if page is not None else "Front"))
        self.fit_desk()
        self.show_progress()
        self.show_cell()

    def fit_desk(self) -> None:
        """Give the panes the room they need now."""
        rows = len(self.map.rows) or 7
        self.desk.facts = replace(self.desk.facts, rows=rows, fields=self.setup.line_total())

    def show_progress(self) -> None:
        """Say how far the sweep is, below the grid."""
        board = self.board
        if board is None:
            return self.map.show_progress(0.0, "")
        count = board.so_far
        share = board.done / max(1, board.total)
        if board.is_running:
            progress = board.progress
            left = time_left(progress.seconds_left) if progress is not None else ""
            controls = "controls" if board.done == board.total and not board.request.auto else ""
            share = min(0.99, progress.fraction) if progress is not None else 0.0
            self.map.show_progress(share, ", ".join(word for word in (count, controls, left) if word))
        elif board.message:
            self.map.show_progress(share, f"failed, {count}: r goes on")
        elif not board.complete:
            self.map.show_progress(min(0.99, share), f"stopped, {count}: r goes on")
        else:
            self.map.show_progress(1.0, f"{count} in {board.seconds:.1f} s")

    def show_cell(self) -> None:
        """Show the texts of the cell under the cursor, and the unsteered ones."""
        board, cell = self.board, self.current
        plain = board.baseline if board is not None else None
        self.front.choose(cell)
        if self._shown == (cell, plain):
            return
        if self._shown[0] is not cell:
            self._fill(self.cell, cell)
            self.cell.border_title = Content("Cell" if cell is None else label(f"Cell {cell.recipe}"))
            self.cell.say(PROBLEMS[cell.problem] if cell is not None and cell.problem else "")
        if self._shown[1] is not plain:
            self._fill(self.baseline, plain)
        self._shown = (cell, plain)

    def _fill(self, pane: StreamText, cell: Cell | None) -> None:
        pane.clear()
        if cell is None or self.board is None:
            return
        prompts, many = self.board.request.prompts, len(cell.texts) > 1
        for number, text in enumerate(cell.texts):
            if many:
                heading = f"{number + 1}/{len(cell.texts)}, seed {text.seed}\n"
                pane.append(f"\n\n{heading}" if number else heading, "group")
            prompt = prompts[text.prompt] if text.prompt < len(prompts) else ""
            pane.append(prompt, "prompt")
            answers = self._is_chat and prompt and not text.text[:1].isspace()
            pane.append(f"\n{text.text}" if answers else text.text)
        pane.show_from(0)
        pane.following = False

    @property
    def _is_chat(self) -> bool:
        """Whether texts are answers to the prompt and not its continuation."""
        info, board = self.bench_app.status.info, self.board
        if board is None or board.request.raw:
            return False
        is_loaded = info is not None and info.fingerprint == board.model.fingerprint
        return (info if is_loaded and info is not None else board.model).has_chat_template

    @property
    def is_inside(self) -> bool:
        """Whether esc has a level to leave: a field, a zoomed pane."""
        return self.setup.edit is not None or bool(self.desk.facts.zoomed)
