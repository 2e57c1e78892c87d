"""Vectors of real small models: every method finds one, and what the means find makes held-out texts likelier."""

from __future__ import annotations

import pytest
import torch

from steer_tui.demo.vectors import bundled_concepts
from steer_tui.engine.extract import extract
from steer_tui.engine.extractchoices import METHODS
from steer_tui.engine.methods import gradient
from steer_tui.engine.model import LanguageModel
from steer_tui.library.pairtexts import from_sides


def sides(start: int) -> tuple[list[str], list[str]]:
    """Return every other pair of a bundled concept."""
    happy = next(one for one in bundled_concepts() if one.name == "happy")
    return list(happy.positive[start::2]), list(happy.negative[start::2])


def surprise(lm: LanguageModel, texts: list[str], vector: torch.Tensor, layer: int) -> float:
    """Return the mean loss of texts with a vector added at every token."""
    losses = []
    for text in texts:
        hook = (f"blocks.{layer}.hook_resid_post", lambda activation, hook: activation + vector)
        losses.append(float(lm.run_with_hooks(text, [hook], return_type="loss")))
    return sum(losses) / len(losses)


def test_every_method_gives_a_vector_with_figures(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "STEPS", 4)
    concept = from_sides(*sides(0)).as_concept("happy")
    for method in METHODS:
        layers = [lm.info.layers - 1] if method == "gradient" else None
        vector = extract(lm, [concept], method=method, layers=layers)["happy"]
        assert all(torch.isfinite(raw).all() and float(raw.norm()) > 0 for raw in vector.layers.values())
        for figures in vector.meta.diagnostics.values():
            assert figures["relative_norm"] > 0
            if method == "gradient":
                assert figures["loss_after"] < figures["loss_before"]
            elif method in ("mean", "probe"):
                assert figures["auroc"] > 0.5


def test_the_means_make_held_out_texts_of_the_concept_likelier_than_others(lm: LanguageModel) -> None:
    concept = from_sides(*sides(0)).as_concept("happy")
    layer = lm.info.layers // 2
    raw = extract(lm, [concept])["happy"].layers[layer]
    positive, negative = sides(1)
    gains = [surprise(lm, side, 0 * raw, layer) - surprise(lm, side, raw, layer) for side in (positive, negative)]
    assert gains[0] > gains[1] + 0.01
