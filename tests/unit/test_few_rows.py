"""The quick linear form gives what torch gives, and is on the model only while a run lasts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steer_tui.engine import few_rows
from steer_tui.engine.few_rows import FewRows, as_columns
from steer_tui.engine.timings import machine_key
from tests.unit.tiny import left_behind, new_lm, shared_lm

_MEASURED = FewRows._columns_win


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure, as no other test does."""
    monkeypatch.setattr(FewRows, "_columns_win", _MEASURED)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the other form win every measurement, so that it is in use."""
    monkeypatch.setattr(FewRows, "_columns_win", lambda self, rows: True)


@pytest.mark.parametrize("rows", range(1, 9))
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", ["decode", "flat", "prefill", "view"])
def test_columns_give_what_torch_gives(rows: int, bias: bool, shape: str) -> None:
    torch.manual_seed(rows)
    layer = nn.Linear(48, 96, bias=bias).requires_grad_(False)
    hidden = {
        "decode": torch.randn(rows, 1, 48),
        "flat": torch.randn(rows, 48),
        "prefill": torch.randn(1, rows, 48),
        "view": torch.randn(48, rows).t().unsqueeze(1),
    }[shape]
    wanted = F.linear(hidden, layer.weight, layer.bias)
    found = as_columns(layer, hidden)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    assert float((found - wanted).norm() / wanted.norm()) < 1e-4


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("rows", [1, 2, 8, 9])
def test_a_model_gives_the_same_logits_inside(rows: int) -> None:
    lm = new_lm()
    ids = torch.arange(rows).unsqueeze(1) + 5
    wanted = lm.model(input_ids=ids).logits
    with FewRows(lm.model).installed(rows):
        assert left_behind(lm)
        found = lm.model(input_ids=ids).logits
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("always")
def test_nothing_stays_on_the_model_whatever_is_raised() -> None:
    lm = new_lm()
    known = FewRows(lm.model)
    with known.installed(2):
        pass
    assert not left_behind(lm)
    with pytest.raises(KeyboardInterrupt), known.installed(2):
        raise KeyboardInterrupt
    assert not left_behind(lm)


@pytest.mark.usefixtures("always")
def test_a_forward_that_someone_else_put_on_a_layer_stays() -> None:
    lm = new_lm()
    layer = next(module for module in lm.model.modules() if type(module) is nn.Linear)
    known = FewRows(lm.model)
    own = layer.forward
    layer.__dict__["forward"] = own
    with known.installed(2):
        assert layer.__dict__["forward"] is own
    assert layer.__dict__["forward"] is own


@pytest.mark.usefixtures("always")
def test_one_context_inside_another_leaves_nothing() -> None:
    lm = new_lm()
    known = FewRows(lm.model)
    with known.installed(1), known.installed(2):
        pass
    assert not left_behind(lm)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models_are_left_alone(dtype: torch.dtype) -> None:
    lm = new_lm(dtype=dtype)
    with FewRows(lm.model).installed(4):
        assert not left_behind(lm)


@pytest.mark.usefixtures("always")
def test_linear_layers_of_other_classes_are_left_alone() -> None:
    class Quantised(nn.Linear):
        pass

    model = nn.Sequential(Quantised(4, 4), nn.Conv1d(1, 1, 1))
    with FewRows(model).installed(2):
        assert not any("forward" in module.__dict__ for module in model)


def test_the_measurement_is_made_once_for_every_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(FewRows, "_columns_win", lambda self, rows: bool(asked.append(rows)))
    known = FewRows(shared_lm().model)
    for most in (1, 2, 2, 35):
        with known.installed(most):
            assert not left_behind(shared_lm())
    assert asked == list(range(1, few_rows.MOST_ROWS + 1))


def test_the_measurement_itself_runs_and_leaves_nothing() -> None:
    lm = new_lm()
    with FewRows(lm.model).installed(3):
        lm.model(input_ids=torch.tensor([[5], [6], [7]]))
    assert not left_behind(lm)


def test_a_choice_is_kept_for_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, model = tmp_path / "state" / "timings.json", new_lm().model
    asked: list[int] = []
    monkeypatch.setattr(FewRows, "_columns_win", lambda self, rows: bool(asked.append(rows)) or rows == 2)
    FewRows(model, path).prepare(3)
    again = FewRows(model, path)
    again.prepare(4)
    assert asked == [1, 2, 3, 4]
    assert again._chosen == {1: False, 2: True, 3: False, 4: False}


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"x": 3}', b"[" * 100_000])
def test_a_broken_file_of_choices_is_written_anew(tmp_path: Path, content: bytes) -> None:
    path, model = tmp_path / "timings.json", new_lm().model
    path.write_bytes(content)
    known = FewRows(model, path)
    known.prepare(1)
    assert FewRows(model, path)._chosen == known._chosen != {}


def test_another_number_of_threads_is_another_machine() -> None:
    threads = torch.get_num_threads()
    before = machine_key([(2, 3)])
    torch.set_num_threads(threads + 1)
    try:
        assert machine_key([(2, 3)]) != before
    finally:
        torch.set_num_threads(threads)
