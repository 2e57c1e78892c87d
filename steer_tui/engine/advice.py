"""What a vector's figures mean, in words: where it separates, where its pairs disagree, what layers to try.

Plain values, no torch. The bounds are rules of thumb; what a vector does is told by a sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from steer_tui.engine.recipe import format_layers
from steer_tui.engine.vectormeta import VectorMeta

TOLD_APART = 0.8
"""Held-out AUROC from which the classes count as separate."""
HALVES_AGREE = 0.4
"""Cosine of the vectors of two halves from which they count as one direction."""
MANY_REVERSED = 0.25
"""Share of samples pointing the other way from which the pairs disagree."""
ENOUGH_PAIRS = 8
_LONG, _SHORT = 0.6, 0.02
"""Length of strength 1 in norms of the residual stream beyond which a strength near 1 is a bad beginning."""

Figures = Mapping[str, float]


def advice(meta: VectorMeta) -> str:
    """Return one to three sentences; empty for a vector that was not measured."""
    known = {layer: figures for layer, figures in sorted(meta.diagnostics.items()) if figures}
    if not known:
        return ""
    if all(figures.get("relative_norm", 1.0) == 0.0 for figures in known.values()):
        return "Both sides are the same to the model: there is nothing to steer with."
    sentences = [_checked(meta, known), _strength(meta, known)]
    return " ".join(sentence for sentence in sentences if sentence)


def separates(figures: Figures) -> bool:
    """Say whether the classes are told apart at a layer, on held-out texts where there are enough."""
    if "auroc" in figures:
        return figures["auroc"] >= TOLD_APART and figures.get("split_half", 1.0) >= HALVES_AGREE
    return figures.get("separation", 0.0) > 0 and figures.get("consistency", 1.0) > 0


def disagrees(figures: Figures) -> bool:
    """Say whether the pairs point different ways at a layer."""
    return figures.get("reversed", 0.0) >= MANY_REVERSED


def _checked(meta: VectorMeta, known: Mapping[int, Figures]) -> str:
    use = f"use {format_layers(tuple(sorted(meta.best_layers)))}" if meta.best_layers else ""
    if any("loss_after" in figures for figures in known.values()):
        return _sentence([_losses(known), use])
    if not any("separation" in figures for figures in known.values()):
        return _sentence(["one pair cannot be checked: give more", use])
    apart = [layer for layer, figures in known.items() if separates(figures)]
    torn = [layer for layer, figures in known.items() if disagrees(figures)]
    is_checked = any("auroc" in figures for figures in known.values())
    if not apart:
        told = "held-out texts are not told apart at any layer" if is_checked else "the pairs share no direction"
        return _sentence([told, "write pairs that differ in the concept alone, or give more of them"])
    parts = [f"separates {_where(apart, known)}"]
    if torn:
        parts.append(f"the pairs disagree {_where(torn, known)}")
    parts.append(use)
    found = _sentence(parts)
    if not is_checked:
        found += f" Too few texts to check on held-out ones: give {ENOUGH_PAIRS} pairs or more to be sure."
    elif meta.disagreeing:
        count = len(meta.disagreeing)
        found += f" {count} of {meta.pairs} pairs {'points' if count == 1 else 'point'} the other way: look at them."
    return found


def _losses(known: Mapping[int, Figures]) -> str:
    best = max(known.values(), key=lambda figures: figures.get("loss_before", 0.0) - figures.get("loss_after", 0.0))
    return f"its loss fell from {best.get('loss_before', 0.0):.2f} to {best.get('loss_after', 0.0):.2f} nats"


def _strength(meta: VectorMeta, known: Mapping[int, Figures]) -> str:
    """Return how long strength 1 is where it is far from what usually works."""
    figures = known.get(meta.best_layers[0], {}) if meta.best_layers else {}
    share = figures.get("relative_norm")
    if share is None or _SHORT <= share <= _LONG:
        return ""
    how = "far above 1" if share < _SHORT else "well below 1"
    return f"Strength 1 adds {share:.1%} of the residual stream's norm there: begin {how}."


def _where(layers: list[int], known: Mapping[int, Figures]) -> str:
    """Return layers in words: `at every layer`, `from layer 3`, `on layer 0`, `on layers 0-1`."""
    every = list(known)
    if layers == every and len(every) > 1:
        return "at every layer"
    if len(layers) > 1 and layers == every[-len(layers) :]:
        return f"from layer {layers[0]}"
    return f"on {'layer' if len(layers) == 1 else 'layers'} {format_layers(tuple(layers))}"


def _sentence(parts: Iterable[str]) -> str:
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
