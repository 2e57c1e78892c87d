"""The quick linear forms give what torch gives, and are on the model only while a pass or a run lasts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from steer_tui.engine import quick_linear
from steer_tui.engine.quick_linear import CLASSES, FORMS, MANY, MOST_ROWS, OWN, SIZES, QuickLinear, class_of
from steer_tui.engine.timings import machine_key
from tests.unit.tiny import left_behind, new_lm, shared_lm

_MEASURED = QuickLinear._quickest
_COUNTS = [1, 2, 3, 8, 9, 30, 200]


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure, as no other test does."""
    monkeypatch.setattr(QuickLinear, "_quickest", _MEASURED)


@pytest.fixture(params=sorted(FORMS))
def always(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let one form win every measurement, so that it is in use."""
    form = str(request.param)
    monkeypatch.setattr(QuickLinear, "_quickest", lambda self, rows: dict.fromkeys(self._shapes, form))
    return form


def close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return found.shape == wanted.shape and float((found - wanted).norm() / wanted.norm()) < 1e-5


@pytest.mark.parametrize("rows", _COUNTS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", ["decode", "flat", "prefill", "view"])
@pytest.mark.parametrize("form", FORMS.values())
def test_a_form_gives_what_torch_gives(form: quick_linear.Form, rows: int, bias: bool, shape: str) -> None:
    torch.manual_seed(rows)
    layer = nn.Linear(48, 96, bias=bias).requires_grad_(False)
    hidden = {
        "decode": torch.randn(rows, 1, 48),
        "flat": torch.randn(rows, 48),
        "prefill": torch.randn(1, rows, 48),
        "view": torch.randn(48, rows).t().unsqueeze(1),
    }[shape]
    assert close(form(hidden, layer.weight, layer.bias), layer(hidden))
    turned = layer.weight.t().contiguous().t()  # as GPT-2 keeps them
    assert close(form(hidden, turned, layer.bias), layer(hidden))


@pytest.mark.parametrize("rows", [0, 1, 8, 9, 16, 17, 511, 512, 513, 700, 1024, 1500])
def test_onednn_is_given_a_handful_of_sizes(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    plain = quick_linear._onednn

    def noted(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        asked.append(hidden.shape[0])
        return plain(hidden, weight, bias)

    monkeypatch.setattr(quick_linear, "_onednn", noted)
    layer = nn.Linear(8, 12).requires_grad_(False)
    hidden = torch.randn(rows, 8)
    found, wanted = FORMS["onednn"](hidden, layer.weight, layer.bias), layer(hidden)
    assert found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-5)
    assert set(asked) <= {*range(MOST_ROWS + 1), *SIZES}
    assert sum(asked) < rows + 129 and not any(one > 512 for one in asked)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("rows", _COUNTS)
def test_a_model_gives_the_same_logits_inside(kind: str, rows: int) -> None:
    lm = new_lm(kind)
    ids = torch.arange(rows).unsqueeze(1) % 40 + 5
    wanted = lm.model(input_ids=ids).logits
    with torch.inference_mode(), QuickLinear(lm.model).installed(rows):
        assert left_behind(lm)
        found = lm.model(input_ids=ids).logits
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("always")
def test_where_gradients_are_asked_for_torch_computes() -> None:
    layer = nn.Linear(16, 8)
    hidden = torch.randn(3, 16)
    wanted = layer(hidden)
    with QuickLinear(nn.Sequential(layer)).installed(3):
        found = layer(hidden)
        assert found.requires_grad and torch.equal(found, wanted)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_weights_and_biases_may_change_while_they_are_in_use_and_lie_anyhow(kind: str) -> None:
    lm = new_lm(kind)
    layer = next(module for module in lm.model.modules() if type(module) in (nn.Linear, Conv1D))
    hidden = torch.randn(3, 32)
    with torch.inference_mode(), QuickLinear(lm.model).installed(3):
        layer.weight = nn.Parameter(torch.randn_like(layer.weight), requires_grad=False)
        layer.bias = nn.Parameter(torch.randn(1).expand(layer.weight.shape[1 if kind == "gpt2" else 0]), False)
        assert close(layer(hidden), type(layer).forward(layer, hidden))


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_that_was_cast_since_is_left_alone(dtype: torch.dtype) -> None:
    lm = new_lm()
    known = QuickLinear(lm.model)
    with known.installed(2):
        assert left_behind(lm)
    lm.model.to(dtype)
    with torch.inference_mode(), known.installed(2):
        assert not left_behind(lm)
        assert lm.model(input_ids=torch.tensor([[5, 6]])).logits.dtype == dtype


@pytest.mark.usefixtures("always")
def test_a_run_computes_the_same_whatever_was_timed_before() -> None:
    """Five rows are timed only for a batch of as many: what another batch needed does not touch this one's prompt."""
    lm = new_lm()
    known, ids = QuickLinear(lm.model), torch.tensor([[5, 6, 7, 8, 9]])

    def logits() -> torch.Tensor:
        with torch.inference_mode(), known.installed(2, 5):
            found: torch.Tensor = lm.model(input_ids=ids).logits
        return found

    before = logits()
    known.prepare(8, 300)
    assert torch.equal(logits(), before)


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_large_layers_are_timed_by_a_part_of_them() -> None:
    seen: list[tuple[int, ...]] = []

    def noted(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        seen.append(tuple(weight.shape))
        assert bias is None or bias.shape == weight.shape[:1]
        return nn.functional.linear(hidden, weight, bias)

    model = nn.Sequential(nn.Linear(64, 100_000), Conv1D(50_000, 64), nn.Linear(0, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quick_linear, "FORMS", {"onednn": noted})
        QuickLinear(model).prepare(0, MANY)
    assert len(set(seen)) == 1 and max(seen)[0] * 64 * 4 <= quick_linear._MANY_BYTES


@pytest.mark.usefixtures("always")
def test_nothing_stays_on_the_model_whatever_is_raised() -> None:
    lm = new_lm()
    known = QuickLinear(lm.model)
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
    known = QuickLinear(lm.model)
    own = layer.forward
    layer.__dict__["forward"] = own
    with known.installed(2):
        assert layer.__dict__["forward"] is own
    assert layer.__dict__["forward"] is own


@pytest.mark.usefixtures("always")
def test_one_context_inside_another_leaves_nothing() -> None:
    lm = new_lm()
    known = QuickLinear(lm.model)
    with known.installed(1):
        with known.installed(2, 300):
            pass
        assert left_behind(lm)
    assert not left_behind(lm)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models_are_left_alone(dtype: torch.dtype) -> None:
    lm = new_lm(dtype=dtype)
    with QuickLinear(lm.model).installed(4):
        assert not left_behind(lm)


@pytest.mark.usefixtures("always")
def test_linear_layers_of_other_classes_are_left_alone() -> None:
    class Quantised(nn.Linear):
        pass

    class Other(Conv1D):
        pass

    model = nn.Sequential(Quantised(4, 4), nn.Conv1d(1, 1, 1), Other(4, 4))
    with QuickLinear(model).installed(2):
        assert not any("forward" in module.__dict__ for module in model)


def test_a_form_that_is_not_there_or_gives_something_else_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> torch.Tensor:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")

    def wrong(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return hidden.new_zeros(*hidden.shape[:-1], weight.shape[0])

    monkeypatch.setattr(quick_linear, "FORMS", {"columns": missing, "onednn": wrong})
    known = QuickLinear(new_lm().model)
    known.prepare(2)
    assert set(known._chosen.values()) == {OWN}


def test_every_number_of_rows_has_a_class_that_is_timed() -> None:
    timed = [*range(1, MOST_ROWS + 1), *CLASSES, MANY]
    classes = [class_of(rows) for rows in range(1, 1000)]
    assert sorted(set(classes)) == timed and classes == sorted(classes)
    assert all(class_of(one) == one for one in timed)


def test_the_measurement_is_made_once_for_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def quickest(known: QuickLinear, rows: int) -> dict[str, str]:
        asked.append(rows)
        return dict.fromkeys(known._shapes, OWN)

    monkeypatch.setattr(QuickLinear, "_quickest", quickest)
    known = QuickLinear(shared_lm().model)
    for rows, tokens in ((1, 0), (2, 5), (2, 30), (2, 30), (35, 40), (1, 5000)):
        with known.installed(rows, tokens):
            assert not left_behind(shared_lm())
    assert asked == [1, 2, 16, 48, *range(3, 9), 256]
    assert known.prepare(2, 30) == [1, 2, 16, 48] and known.prepare(1) == [1] and known.prepare(3, 8) == [1, 2, 3]


def test_the_measurement_itself_runs_and_leaves_nothing() -> None:
    lm = new_lm()
    with torch.inference_mode(), QuickLinear(lm.model).installed(3, 40):
        lm.model(input_ids=torch.tensor([[5], [6], [7]]))
    assert not left_behind(lm)


def test_a_choice_is_kept_for_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, model = tmp_path / "state" / "timings.json", new_lm().model
    asked: list[int] = []

    def quickest(known: QuickLinear, rows: int) -> dict[str, str]:
        asked.append(rows)
        return dict.fromkeys(known._shapes, "columns" if rows == 2 else OWN)

    monkeypatch.setattr(QuickLinear, "_quickest", quickest)
    QuickLinear(model, path).prepare(3)
    again = QuickLinear(model, path)
    again.prepare(4)
    assert asked == [1, 2, 3, 4]
    assert {name.split("/")[1]: form for name, form in again._chosen.items()} == {
        "1": OWN,
        "2": "columns",
        "3": OWN,
        "4": OWN,
    }


@pytest.mark.parametrize("kept", ["nonsense", 3, None, True, "onednn "])
def test_a_choice_that_nobody_made_is_made_anew(tmp_path: Path, kept: object) -> None:
    path, model = tmp_path / "timings.json", new_lm().model
    first = QuickLinear(model, path)
    path.write_text(json.dumps({first._key: {f"{shape}/1": kept for shape in first._shapes} | {"9x9/1": "onednn"}}))
    again = QuickLinear(model, path)
    assert again._chosen == {}
    again.prepare(1)
    assert set(again._chosen) == {f"{shape}/1" for shape in first._shapes}


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"x": 3}', b"[" * 100_000])
def test_a_broken_file_of_choices_is_written_anew(tmp_path: Path, content: bytes) -> None:
    path, model = tmp_path / "timings.json", new_lm().model
    path.write_bytes(content)
    known = QuickLinear(model, path)
    known.prepare(1)
    assert QuickLinear(model, path)._chosen == known._chosen != {}


def test_another_number_of_threads_is_another_machine() -> None:
    threads = torch.get_num_threads()
    before = machine_key(["2x3"])
    torch.set_num_threads(threads + 1)
    try:
        assert machine_key(["2x3"]) != before
    finally:
        torch.set_num_threads(threads)
