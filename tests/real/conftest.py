"""The small real models, each in its turn."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from steer_tui.engine.loading import load_model
from steer_tui.engine.model import LanguageModel
from tests.real.starts import STARTS


@cache
def loaded(folder: Path) -> LanguageModel:
    return load_model(str(folder), device="cpu", offline=True)


@pytest.fixture(params=sorted(STARTS))
def lm(request: pytest.FixtureRequest, real_models: Path) -> LanguageModel:
    """A small real model; skips where it is not there."""
    folder = real_models / request.param
    if not folder.is_dir():
        pytest.skip(f"there is no {request.param}")
    return loaded(folder)
