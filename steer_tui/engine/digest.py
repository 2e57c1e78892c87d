"""Marks by which contrast examples and files are known again. Plain values, no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path


def pairs_digest(
    positive: Sequence[str],
    negative: Sequence[str],
    prompts: Sequence[str] = (),
    system: Sequence[str] | None = None,
) -> str:
    """Return the SHA-256 of examples as a hex digest: the same texts in the same order, the same digest."""
    content: list[list[str]] = [list(positive), list(negative)]
    if prompts or system:
        content += [list(prompts), list(system or ())]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def file_digest(path: Path) -> str | None:
    """Return the SHA-256 of a file's bytes as a hex digest; None where it is no regular file or cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    except OSError:
        return None
