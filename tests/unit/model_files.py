"""Model folders and files for tests of loading: written once, copied, then damaged as a test wants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.architectures import build_model
from tests.unit.tiny import tokenizer


def write_model(folder: Path, name: str = "llama", seed: int = 0, **options: Any) -> Path:
    """Write config, weights and tokenizer of a tiny random model to `folder` and return it."""
    dtype = options.pop("dtype", None)
    shard = options.pop("max_shard_size", "1GB")
    model = build_model(name, seed, **options)
    (model if dtype is None else model.to(dtype)).save_pretrained(folder, max_shard_size=shard)
    tokenizer().save_pretrained(folder)
    return folder


def change_config(folder: Path, **changes: Any) -> None:
    """Change entries of config.json; None removes one."""
    path = folder / "config.json"
    facts = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in facts.items() if value is not None}))


def remove_tokenizer(folder: Path) -> None:
    """Remove what `write_model` wrote of the tokenizer."""
    for path in folder.glob("tokenizer*"):
        path.unlink()
