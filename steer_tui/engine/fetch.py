"""A program of its own that downloads one hub model: `python -m steer_tui.engine.fetch OWNER/NAME CACHE_FOLDER`.

A program, because a download in another process can be ended at any instant. It prints one JSON object per line:
`{"files": [...], "folder": ..., "weights": bytes}` once config and tokenizer are there, then waits for the line `go`;
`{"done": bytes}` while weights arrive; `{"end": folder}`, or `{"error": ..., "hint": ...}`. It ends when its standard
input does, so it never outlives whoever started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

DESCRIPTION = (".json", ".txt", ".jinja", ".model", ".tiktoken")
INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"


def main(arguments: list[str]) -> int:
    """Download the model named by the first argument into the cache folder named by the second; return 0 when done."""
    repo_id, cache = arguments
    try:
        _fetch(repo_id, cache)
    except Exception as error:  # whatever goes wrong is told to the parent, never printed as a traceback
        message, hint = explain(repo_id, error)
        tell(error=message, hint=hint)
        return 1
    return 0


def _fetch(repo_id: str, cache: str) -> None:
    from huggingface_hub import HfApi, hf_hub_download

    info = HfApi().model_info(repo_id, files_metadata=True, timeout=20)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or () if "/" not in file.rfilename}
    where: dict[str, Any] = {"repo_id": repo_id, "cache_dir": cache, "revision": info.sha}
    config = ""
    for name in sorted(name for name in sizes if name.endswith(DESCRIPTION)):
        path = hf_hub_download(filename=name, **where)
        config = path if name == "config.json" else config
    if not config:
        raise FileNotFoundError("it has no config.json")
    index = os.path.join(os.path.dirname(config), INDEX)
    weights = _weight_names(sizes, index)
    tell(files=sorted(sizes), folder=os.path.dirname(config), weights=sum(sizes[name] for name in weights))
    if sys.stdin.readline().strip() != "go":
        return
    threading.Thread(target=_end_with_input, daemon=True).start()
    for name in weights:
        hf_hub_download(filename=name, tqdm_class=CountingBar, **where)
    tell(end=os.path.dirname(config))


def _weight_names(sizes: dict[str, int], index: str) -> list[str]:
    """Return the weight files to download: one file, or the shards that the index names; none where there are none."""
    if WEIGHTS in sizes:
        return [WEIGHTS]
    if INDEX not in sizes:
        return []
    with open(index, "rb") as file:
        named: Iterable[str] = json.load(file)["weight_map"].values()
    return sorted(set(named) & sizes.keys())


class CountingBar:
    """Stands where huggingface_hub wants a tqdm: tells the bytes written so far, of all files together."""

    written = 0
    told = 0.0

    def __init__(self, *args: Any, total: int | None = None, **options: Any) -> None:
        self.total = total
        self.n = 0

    def __enter__(self) -> CountingBar:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Answer every other call of tqdm with nothing."""
        return lambda *args, **options: None

    def update(self, n: float | None = 1) -> None:
        """Count bytes written to disk."""
        CountingBar.written += int(n or 0)
        if time.monotonic() - CountingBar.told > 0.1:
            CountingBar.told = time.monotonic()
            tell(done=CountingBar.written)

    def update_transfer(self, n: float | None = 1) -> None:
        """Take no notice of bytes on the wire: compressed, they are another number than those on disk."""


def tell(**report: object) -> None:
    """Print one line of JSON."""
    print(json.dumps(report), flush=True)


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)


def explain(repo_id: str, error: Exception) -> tuple[str, str]:
    """Return (message, hint) for an error of a download."""
    kind = type(error).__name__
    if kind == "GatedRepoError":
        return f"{repo_id} is gated", f"accept its terms on https://huggingface.co/{repo_id}, then run: hf auth login"
    if kind == "RepositoryNotFoundError":
        return f"there is no model {repo_id} on the hub", "check its name; for a private one, run: hf auth login"
    if isinstance(error, FileNotFoundError) and kind == "FileNotFoundError":
        return f"{repo_id} is no model in the Hugging Face layout: {error}", "choose another model"
    if isinstance(error, OSError) and error.errno == 28:
        return "the disk is full", "free some space, or set HF_HOME to a folder on a larger disk"
    reason = " ".join(str(error).split())[:160] or kind
    return f"{repo_id} cannot be downloaded: {reason}", "check the network; models in the local cache load without it"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
