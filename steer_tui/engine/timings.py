"""Choices made by timing, kept so that every process on this machine makes the same ones.

Two ways to compute a product differ in the last digits, and a draw that falls between them gives another token: the
same seed gives the same text only where the choice is kept. A file that cannot be read or written costs just that.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import torch

from steer_tui.errors import LibraryError
from steer_tui.files import write_atomic

_MOST_ENTRIES = 200


def machine_key(shapes: Iterable[str]) -> str:
    """Return a name for weights of these shapes on this processor with this torch and as many threads."""
    facts = [processor(), torch.get_num_threads(), str(torch.__version__), list(shapes)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def processor() -> str:
    """Return the processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()


def read_choices(path: Path | None, key: str) -> dict[str, str]:
    """Return what was kept below a key: what was timed -> choice."""
    kept = _read(path).get(key)
    if not isinstance(kept, dict):
        return {}
    return {name: choice for name, choice in kept.items() if isinstance(choice, str)}


def keep_choices(path: Path | None, key: str, choices: Mapping[str, str]) -> None:
    """Keep choices below a key; of very many keys, the oldest go."""
    if path is None:
        return
    newest = dict(list({**_read(path), key: dict(choices)}.items())[-_MOST_ENTRIES:])
    with suppress(LibraryError):
        write_atomic(path, json.dumps(newest).encode())


def _read(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}
