"""The local Hugging Face cache, read as plain folders. No torch, no huggingface_hub, no network.

Promises to write nothing, and to leave out whatever no load could ask for by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_HUB_ID = re.compile(r"(?=.{1,96}$)[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-zA-Z_-]{1,64}", re.ASCII)
_TRUE = {"1", "ON", "YES", "TRUE"}


def cache_folder() -> Path:
    """Return where downloaded models lie: HF_HUB_CACHE, else below HF_HOME, else below the user's cache folder."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(variable):
            return _expanded(value)
    home = os.environ.get("HF_HOME")
    if home:
        return _expanded(home) / "hub"
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _expanded(value: str) -> Path:
    return Path(os.path.expanduser(os.path.expandvars(value)))


def is_offline() -> bool:
    """Return whether the environment forbids network calls: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE."""
    return any(os.environ.get(name, "").upper() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def is_hub_id(text: str) -> bool:
    """Return whether `text` has the form of a hub id, `name` or `owner/name`."""
    if "--" in text or ".." in text or text.endswith((".git", ".ipynb")):
        return False
    return _HUB_ID.fullmatch(text) is not None and not any(part[-1] in "-." for part in text.split("/"))


def snapshot(repo_id: str) -> Path | None:
    """Return the folder of a hub model's newest cached revision that has a config; None where there is none."""
    folder = cache_folder() / ("models--" + repo_id.replace("/", "--"))
    snapshots = folder / "snapshots"
    try:
        commit = (folder / "refs" / "main").read_text(encoding="ascii").strip()[:80]
    except (OSError, ValueError):
        commit = ""
    if _COMMIT.fullmatch(commit) and (snapshots / commit / "config.json").is_file():
        return snapshots / commit
    try:
        found = [entry for entry in snapshots.iterdir() if (entry / "config.json").is_file()]
        return max(found, key=lambda entry: entry.stat().st_mtime, default=None)
    except OSError:
        return None


def cached_models() -> Iterator[tuple[str, Path]]:
    """Yield (hub id, snapshot folder) of every model in the cache, by name."""
    try:
        names = sorted(entry.name for entry in cache_folder().iterdir() if entry.name.startswith("models--"))
    except OSError:
        return
    for name in names:
        repo_id = name.removeprefix("models--").replace("--", "/", 1)
        folder = snapshot(repo_id) if is_hub_id(repo_id) else None
        if folder is not None:
            yield repo_id, folder
