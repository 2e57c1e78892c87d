"""What every test stands on: no network, few threads, and a home of its own that is thrown away."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before torch or transformers are imported by a test module: both read these once. One thread, here and in the
# processes that tests start: with another number of them, sums are rounded otherwise and a draw may fall otherwise.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from hypothesis import settings

from steer_tui.paths import HOME_VARIABLE, Paths, find_paths

# What the terminal, the connection or the settings of whoever runs the tests would change on the screen.
_OTHERS = ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES", "TMUX", "STY")
for _name in tuple(os.environ):
    is_ours = _name.startswith("STEER_TUI_") and not _name.startswith("STEER_TUI_TEST_")
    if _name in _OTHERS or _name.startswith(("SSH_", "TEXTUAL")) or is_ours:
        del os.environ[_name]
os.environ["TERM"] = "xterm-256color"
# A shell starts what it runs in the background deaf to interrupts, and programs pass that on to those they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
MODELS_VARIABLE = "STEER_TUI_TEST_MODELS"

# No deadline: a busy machine is no failure. Derandomized: a run that fails can be run again.
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("suite")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let every test compute the same whatever ran before it and however busy the machine is.

    One thread, of the forms of a product always torch's own, not the one that is quicker today, and dice begun anew.
    """
    random.seed(0)
    torch, quick = sys.modules.get("torch"), sys.modules.get("steer_tui.engine.quick_linear")
    if torch is not None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
    if quick is not None:
        quick.QuickLinear._quickest = lambda self, rows: dict.fromkeys(self._shapes, quick.OWN)
    journal = sys.modules.get("steer_tui.session.journal")
    if journal is not None:
        journal.WAIT_SECONDS = 60.0  # for a file that another thread holds, which may have to wait for a core


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
