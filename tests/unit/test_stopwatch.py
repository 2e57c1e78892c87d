"""The stopwatch of the tests counts all that a process does and waits for, but for a core."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stopwatch import queued

ROOT = Path(__file__).resolve().parents[2]
ASLEEP = "import time; time.sleep(0.5)"
AT_WORK = "import time; begun = time.thread_time()\nwhile time.thread_time() - begun < 0.5: pass"
TIMED = "from tests.stopwatch import Stopwatch\nwatch = Stopwatch()\n{}\nprint(watch.look())"


@pytest.mark.parametrize("work", [ASLEEP, AT_WORK])
def test_what_a_process_does_or_waits_for_counts(work: str) -> None:
    command = [sys.executable, "-c", TIMED.format(work)]

    def seconds() -> float:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=True)
        return float(ran.stdout)

    assert any(seconds() > 0.45 for _ in range(5))  # what another program reads from the disk meanwhile is taken off


def test_a_process_that_is_gone_waits_for_nothing() -> None:
    ran = subprocess.Popen([sys.executable, "-c", ""])
    ran.wait(timeout=280)
    assert queued(ran.pid) == {}
