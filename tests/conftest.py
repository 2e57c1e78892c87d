"""What every test stands on: no network, few threads, and a home of its own that is thrown away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before torch or transformers are imported by a test module: both read these once.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from hypothesis import settings

from steer_tui.paths import HOME_VARIABLE, Paths, find_paths

ROOT = Path(__file__).resolve().parent.parent
MODELS_VARIABLE = "STEER_TUI_TEST_MODELS"

# No deadline: a busy machine is no failure. Derandomized: a run that fails can be run again.
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep every test away from the files of whoever runs it; the folder itself is not made."""
    folder = tmp_path / "steer-home"
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    yield folder


@pytest.fixture
def paths(home: Path) -> Paths:
    """The folders of a user who never used the program."""
    return find_paths(home)


@pytest.fixture(scope="session")
def real_models() -> Path:
    """The folder of small real models, named by STEER_TUI_TEST_MODELS or found beside the checkout; skips without."""
    folder = Path(os.environ.get(MODELS_VARIABLE) or ROOT.parent / "shared" / "models")
    if not folder.is_dir():
        pytest.skip(f"no real models: {MODELS_VARIABLE} names no folder")
    return folder
