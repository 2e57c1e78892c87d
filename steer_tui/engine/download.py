"""Downloads a hub model into the local cache, with progress, and stops within a moment when asked to.

The work is done by `fetch`, a program of its own: whatever a download does inside, ending the process ends it.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from steer_tui.engine.hubcache import cache_folder
from steer_tui.engine.memory import human
from steer_tui.engine.progress import Progress
from steer_tui.errors import ModelError

Approve = Callable[[Path, int], None]
"""(folder with config and tokenizer, bytes of weights to come); raises where the model cannot be used."""
_POLL_SECONDS = 0.1
_END_SECONDS = 2.0


def download(repo_id: str, progress: Progress, approve: Approve) -> Path:
    """Return the folder of a hub model, downloaded: config and tokenizer first, the weights after `approve`.

    Raises:
        ModelError: There is no such model, it has no safetensors weights, or the network fails.
        Cancelled: A stop was asked for; what was whole stays in the cache.
    """
    progress.say(None, f"asking the hub for {repo_id}")
    process = _start(repo_id)
    try:
        return _follow(process, repo_id, progress, approve)
    finally:
        _end(process)


def _start(repo_id: str) -> subprocess.Popen[str]:
    package_root = Path(__file__).resolve().parents[2]
    environment = dict(os.environ, HF_HUB_DISABLE_PROGRESS_BARS="1")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(package_root), environment.get("PYTHONPATH"))))
    # -P: modules that lie in the current folder are not the child's.
    command = [sys.executable, "-P", "-m", "steer_tui.engine.fetch", repo_id, str(cache_folder())]
    pipe = subprocess.PIPE
    # A session of its own: ctrl+c in the terminal is for us to handle, not for the child.
    return subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )


def _follow(process: subprocess.Popen[str], repo_id: str, progress: Progress, approve: Approve) -> Path:
    """Return the folder once the child says that all is there."""
    assert process.stdin is not None
    total = 0
    for report in _reports(process, progress):
        if "error" in report:
            raise ModelError(str(report["error"]), hint=report.get("hint"))
        if "weights" in report:
            total = int(report["weights"])
            _refuse_pickles(repo_id, total)
            approve(Path(report["folder"]), total)
            process.stdin.write("go\n")
            process.stdin.flush()
        if "done" in report or "weights" in report:
            done = min(int(report.get("done", 0)), total)
            progress.say(done / total, f"downloading {repo_id}: {human(done)} of {human(total)}")
        if "end" in report:
            return Path(report["end"])
    raise ModelError(f"the download of {repo_id} broke off", hint="load it again; what is whole is kept")


def _reports(process: subprocess.Popen[str], progress: Progress) -> Iterator[dict[str, Any]]:
    """Yield what the child prints until it ends, asking every moment whether to stop."""
    assert process.stdout is not None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True).start()
    while True:
        progress.check()
        try:
            line = lines.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        if line is None:
            return
        if line.startswith("{"):
            yield json.loads(line)


def _read_lines(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    try:
        for line in stream:
            lines.put(line)
    finally:
        lines.put(None)


def _refuse_pickles(repo_id: str, weights: int) -> None:
    if weights == 0:
        raise ModelError(
            f"{repo_id} has no safetensors weights; pickled ones can run any program and are never loaded",
            hint="look for a copy of it in safetensors format",
        )


def _end(process: subprocess.Popen[str]) -> None:
    """End the child: politely, so that it removes what is half done, then by force."""
    assert process.stdin is not None and process.stdout is not None
    if process.poll() is None:
        process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        try:
            stream.close()
        except OSError:  # the child was gone before what we wrote to it
            continue
