"""Live statistics against plain loops over the residual stream."""

from __future__ import annotations

import math

import pytest
import torch

from steer_tui.engine.watch import Watch
from tests.unit.tiny import new_vector, shared_lm

ROWS, WIDTH = 3, 32


def noted(watch: Watch, steer: bool = True, seed: int = 1) -> tuple[dict[int, torch.Tensor], dict[int, torch.Tensor]]:
    """Let the watch see random block outputs; return them before and after steering."""
    source = torch.Generator().manual_seed(seed)
    before = {layer: torch.randn(ROWS, 4, WIDTH, generator=source) * 3 + 1 for layer in watch.layers}
    after = {layer: hidden + 0.5 * layer if steer and layer else hidden for layer, hidden in before.items()}
    for layer in watch.layers:
        watch.note(layer, before[layer], after[layer])
    return before, after


def new_watch(layers: tuple[int, ...] = (0, 1, 3), dtype: torch.dtype = torch.float32) -> Watch:
    return Watch(layers, ROWS, WIDTH, torch.device("cpu"), dtype)


def test_mean_spread_and_norm_are_those_of_the_newest_token() -> None:
    watch = new_watch()
    _, after = noted(watch)
    for row, stats in enumerate(watch.read()):
        assert stats.layers == watch.layers
        for slot, layer in enumerate(watch.layers):
            newest = after[layer][row, -1].double()
            assert stats.mean[slot] == pytest.approx(float(newest.mean()), abs=1e-4)
            assert stats.std[slot] == pytest.approx(float(newest.std(correction=0)), abs=1e-4)
            assert stats.norm[slot] == pytest.approx(float(newest.norm()), rel=1e-5)


def test_what_was_added_is_told_beside_the_residual() -> None:
    watch = new_watch()
    before, after = noted(watch)
    for row, stats in enumerate(watch.read()):
        for slot, layer in enumerate(watch.layers):
            was, now = before[layer][row, -1], after[layer][row, -1]
            assert stats.added[slot] == pytest.approx(float((now - was).norm() / was.norm()), abs=1e-5)
        assert stats.added[0] == 0


def test_places_are_those_of_the_concept_scale_and_nan_where_a_vector_has_no_layer() -> None:
    watch = new_watch()
    happy = new_vector(shared_lm(), "happy", layers=(1, 2, 3))
    sad = new_vector(shared_lm(), "sad", layers=(0,), best=(0,), seed=4)
    watch.follow({"happy": happy, "sad": sad})
    _, after = noted(watch)
    for row, stats in enumerate(watch.read()):
        assert list(stats.places) == ["happy", "sad"]
        for vector in (happy, sad):
            for slot, layer in enumerate(watch.layers):
                if layer not in vector.layers:
                    assert math.isnan(stats.places[vector.name][slot])
                    continue
                raw = vector.layers[layer]
                place = (float(after[layer][row, -1] @ raw / raw.norm()) - vector.meta.origin[layer]) / float(
                    raw.norm()
                )
                assert stats.places[vector.name][slot] == pytest.approx(place, abs=1e-4)


def test_a_block_that_is_steered_no_more_shows_nothing_added() -> None:
    watch = new_watch()
    noted(watch)
    noted(watch, steer=False, seed=2)
    assert all(stats.added == (0, 0, 0) for stats in watch.read())


def test_rows_that_end_leave_and_the_others_keep_theirs() -> None:
    watch = new_watch()
    noted(watch)
    wanted = watch.read()
    watch.keep([2, 0])
    assert watch.read() == [wanted[2], wanted[0]]


def test_one_row_can_stand_for_all() -> None:
    watch = new_watch()
    hidden = torch.randn(1, 4, WIDTH)
    for layer in watch.layers:
        watch.note(layer, hidden, hidden)
    watch.keep([0] * ROWS)
    found = watch.read()
    assert found[0] == found[1] == found[2] and found[0].norm[0] == pytest.approx(float(hidden[0, -1].norm()), rel=1e-5)


def test_other_blocks_and_no_concepts_cost_nothing() -> None:
    watch = new_watch()
    watch.note(2, torch.zeros(ROWS, 1, WIDTH), torch.ones(ROWS, 1, WIDTH))
    watch.follow({})
    assert [stats.places for stats in watch.read()] == [{}, {}, {}]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_reckoned_in_single(dtype: torch.dtype) -> None:
    watch = new_watch(dtype=dtype)
    large = torch.full((ROWS, 1, WIDTH), 300.0, dtype=dtype)
    for layer in watch.layers:
        watch.note(layer, large, large)
    assert watch.read()[0].norm[0] == pytest.approx(300 * math.sqrt(WIDTH), rel=1e-3)
