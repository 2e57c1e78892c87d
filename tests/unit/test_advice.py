"""Advice says what the figures say."""

from __future__ import annotations

import pytest

from steer_tui.engine.advice import advice
from steer_tui.engine.oddpairs import OddPair, odd_pairs_from_json
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.errors import LibraryError

MODEL = MadeFor(id="m", type="llama", layers=6, width=8, fingerprint="f")
GOOD = {"separation": 3.0, "consistency": 0.4, "split_half": 0.9, "auroc": 0.97, "reversed": 0.0, "relative_norm": 0.2}
POOR = {**GOOD, "split_half": 0.1, "auroc": 0.6}
TORN = {**POOR, "reversed": 0.4}


def meta(figures: list[dict[str, float]], **more: object) -> VectorMeta:
    options: dict[str, object] = {"pairs": 24, "best_layers": (4, 3), **more}
    return VectorMeta("v", MODEL, diagnostics=dict(enumerate(figures)), **options)  # type: ignore[arg-type]


def test_it_names_where_the_classes_separate_where_pairs_disagree_and_what_to_use() -> None:
    told = advice(meta([TORN, POOR, POOR, GOOD, GOOD, GOOD]))
    assert told == "Separates from layer 3; the pairs disagree on layer 0; use 3-4."
    assert advice(meta([GOOD] * 6)) == "Separates at every layer; use 3-4."
    assert advice(meta([GOOD, POOR, POOR, GOOD, GOOD, POOR])).startswith("Separates on layers 0+3-4;")


def test_it_says_that_nothing_separates() -> None:
    told = advice(meta([POOR] * 6))
    assert "not told apart at any layer" in told and "differ in the concept alone" in told


def test_few_texts_cannot_be_checked() -> None:
    three = {name: GOOD[name] for name in ("separation", "consistency", "reversed")}
    assert "Too few texts to check" in advice(meta([three] * 6, pairs=3))
    assert advice(meta([{"relative_norm": 0.3}] * 6, pairs=1)) == "One pair cannot be checked: give more; use 3-4."


def test_it_speaks_of_pairs_that_point_the_other_way_and_of_far_strengths() -> None:
    odd = OddPair(2, "a", "b", -0.3)
    assert advice(meta([GOOD] * 6, disagreeing=(odd,))).endswith("1 of 24 pairs points the other way: look at them.")
    assert "begin well below 1" in advice(meta([{**GOOD, "relative_norm": 0.9}] * 6))
    assert "begin far above 1" in advice(meta([{**GOOD, "relative_norm": 0.004}] * 6))


def test_it_speaks_of_equal_sides_of_losses_and_of_nothing_where_nothing_is_known() -> None:
    assert "same to the model" in advice(meta([{"relative_norm": 0.0}] * 6))
    told = advice(meta([{"loss_before": 3.0, "loss_after": 2.25, "relative_norm": 0.1}], best_layers=(0,)))
    assert told == "Its loss fell from 3.00 to 2.25 nats; use 0."
    assert advice(meta([])) == ""


@pytest.mark.parametrize(
    "value", [3, [3], [{}], [{"pair": -1, "positive": "a", "negative": "b", "agreement": 0}], [{"pair": True}]]
)
def test_odd_pairs_of_a_wrong_type_are_refused(value: object) -> None:
    with pytest.raises(LibraryError, match="disagreeing"):
        odd_pairs_from_json(value)


def test_odd_pairs_are_cleaned_and_few() -> None:
    entry = {"pair": 1, "positive": "a\x1b[2J\nb" + "x" * 500, "negative": "b", "agreement": -1}
    found = odd_pairs_from_json([entry] * 100)
    assert len(found) == 20 and found[0].positive.startswith("a[2J b") and len(found[0].positive) <= 80
