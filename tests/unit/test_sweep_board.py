"""A sweep's cells lie where their layers and strengths say, whatever order they come in."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from steer_tui.engine.sweepgrid import SweepResult
from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.session.sweep_board import Place, SweepBoard
from tests.fakes import model_info
from tests.sweeps import all_cells, fake_cell

INFO = model_info()
PLAIN = SweepRequest(("Once",), ("happy",), ((10,), (2,), (3, 4), ("best",)), (1.0, -1.0))
TWO = SweepRequest(("Once",), ("happy", "sad"), ((2,),), (1.0, 2.0))
MIX = SweepRequest(("Once",), ("happy", "sad", "calm"), strengths=(0.0, 0.5, 1.0), mix=True)


def test_rows_are_layers_in_order_and_words_come_last() -> None:
    (page,) = SweepBoard("u", PLAIN, INFO).pages
    assert page.rows == ("2", "3-4", "10", "best") and page.columns == (-1.0, 1.0)
    assert (page.row_name, page.column_name) == ("layer", "strength")


def test_each_concept_has_a_page() -> None:
    board = SweepBoard("u", TWO, INFO)
    assert [page.grid for page in board.pages] == ["happy", "sad"]
    assert [board.page_name(index) for index in range(2)] == ["happy", "sad"]


def test_a_mix_has_weights_for_axes_and_a_page_per_weight_of_the_third() -> None:
    board = SweepBoard("u", MIX, INFO)
    assert [page.title for page in board.pages] == [f"happy+sad+calm, calm {weight}" for weight in ("0", "0.5", "1")]
    assert (board.pages[0].rows, board.pages[0].columns) == (("0", "0.5", "1"), (0.0, 0.5, 1.0))
    board.take(all_cells(MIX))
    cell = board.at(Place("0.5", "1", 0.0))
    assert cell is not None and cell.strengths == (1.0, 0.0, 0.5)


@pytest.mark.parametrize("request_", [PLAIN, TWO, MIX], ids=["plain", "two", "mix"])
def test_any_order_gives_the_same_sweep(request_: SweepRequest) -> None:
    cells = list(all_cells(request_))
    first = SweepBoard("u", request_, INFO)
    first.take(cells)
    random.Random(0).shuffle(cells)
    second = SweepBoard("u", request_, INFO)
    for cell in cells:
        assert not second.take((cell,))
    assert second.done == second.total == len(request_.points(INFO.layers))
    assert [grid.cells for grid in first.result().grids] == [grid.cells for grid in second.result().grids]
    assert [page.rows for page in first.pages] == [page.rows for page in second.pages]


def test_a_cell_that_nobody_planned_grows_the_grid() -> None:
    board = SweepBoard("u", PLAIN, INFO)
    (point,) = SweepRequest(("Once",), ("happy",), ((3,),), (1.25,)).points(INFO.layers)
    assert board.take((fake_cell(PLAIN, point),))
    assert board.pages[0].rows == ("2", "3", "3-4", "10", "best") and 1.25 in board.pages[0].columns
    assert not board.is_planned(Place("happy", "3", 1.0))


def test_an_automatic_sweep_begins_empty() -> None:
    board = SweepBoard("u", replace(PLAIN, auto=True), INFO)
    assert board.pages == () and board.total == 0
    board.take(all_cells(PLAIN))
    assert board.pages[0].rows == ("2", "3-4", "10", "best")


def test_the_budget_moves_the_best() -> None:
    request = SweepRequest(("Once",), ("happy",), ((3,),), (1.0, 2.0, 3.0))
    board = SweepBoard("u", request, INFO)
    board.take(all_cells(request))
    best = board.best("happy")
    assert best is not None and best.strength == 2.0
    board.set_budget(5.0)
    best = board.best("happy")
    assert best is not None and best.strength == 3.0
    assert board.result().request.kl_budget == 5.0


def test_its_result_reads_back() -> None:
    board = SweepBoard("u", PLAIN, INFO)
    board.take(all_cells(PLAIN))
    board.complete = True
    result = board.result()
    assert SweepResult.from_json(result.to_json()).grids == result.grids
