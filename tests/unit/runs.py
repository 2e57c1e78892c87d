"""Requests and texts as tests of whole runs use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from steer_tui.engine.generate import Controls
from steer_tui.engine.types import Request, Sampling, Step, Text

PROMPT = "The meeting went"
TOKENS = 12


def request(recipe: str = "happy:2", **changes: Any) -> Request:
    sampling = Sampling(temperature=0.9, seed=1, max_tokens=TOKENS)
    return replace(Request(PROMPT, recipe, sampling), **changes)


def said(text: Text | None) -> tuple[object, ...]:
    """Return what must not depend on the rows beside a text; log-probabilities do in their last digits."""
    assert text is not None
    return text.text, text.ids, text.finish


def changing(controls: Controls, at: Mapping[int, str]) -> Callable[[Step], None]:
    """Return an `on_step` that asks for recipes so that each is in force at its step."""

    def on_step(step: Step) -> None:
        if step.index + 1 in at:
            controls.change(at[step.index + 1])

    return on_step
