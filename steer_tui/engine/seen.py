"""What a detector saw, as plain values for reports: means over tokens and features, never whole activations."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from steer_tui.engine.detectors import LayerActivationDetector
from steer_tui.engine.hooks import Hook
from steer_tui.engine.hookstatistics import RunningStatsDetector
from steer_tui.engine.hookvalues import TokenStatistics
from steer_tui.engine.tokentrace import TokenTraceDetector
from steer_tui.engine.toptexts import TopKTextsDetector

Seen = tuple[tuple[str, Any], ...]

_NEURONS = 5
"""Neurons whose texts are told."""


def seen_by(hook: Hook) -> Seen:
    """Return what a ready-made detector of the catalogue saw, by name; empty for any other hook."""
    if isinstance(hook, TokenTraceDetector):
        return _of_tokens(hook)
    if isinstance(hook, RunningStatsDetector):
        return _of_features(hook)
    if isinstance(hook, TopKTextsDetector):
        return _of_texts(hook)
    captured = hook.get_captured() if isinstance(hook, LayerActivationDetector) else None
    if not isinstance(captured, Tensor) or not captured.numel():
        return ()
    values = captured.float()
    return (
        ("shape", tuple(captured.shape)),
        ("mean", float(values.mean())),
        ("std", float(values.std(correction=0))),
        ("min", float(values.min())),
        ("max", float(values.max())),
    )


def _of_tokens(hook: TokenTraceDetector) -> Seen:
    """Return means over the tokens of the row it watched, and the extremes."""
    captured = hook.get_captured()
    if not captured:
        return ()
    tokens: tuple[TokenStatistics, ...] = captured[min(captured)]
    count = len(tokens)
    return (
        ("shape", hook.shape),
        ("tokens", count),
        ("mean", sum(token.mean for token in tokens) / count),
        ("std", sum(token.std for token in tokens) / count),
        ("norm", sum(token.norm for token in tokens) / count),
        ("min", min(token.min for token in tokens)),
        ("max", max(token.max for token in tokens)),
    )


def _of_features(hook: RunningStatsDetector) -> Seen:
    """Return the tokens seen, the mean of the features' means and stds, and the extremes."""
    known = hook.get_captured()
    if known is None:
        return ()
    mean, std, low, high = (known[key] for key in ("mean", "std", "min", "max"))
    assert isinstance(mean, Tensor) and isinstance(std, Tensor) and isinstance(low, Tensor) and isinstance(high, Tensor)
    return (
        ("tokens", hook.count),
        ("mean", float(mean.mean())),
        ("std", float(std.mean())),
        ("min", float(low.min())),
        ("max", float(high.max())),
    )


def _of_texts(hook: TopKTextsDetector) -> Seen:
    """Return the strongest neurons with their texts: (neuron, ((score, text, token), ...))."""
    return tuple(
        (str(neuron), tuple((best.score, best.text, best.token_str) for best in hook.top_texts(neuron)))
        for neuron in hook.strongest(_NEURONS)
    )
