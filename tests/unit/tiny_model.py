"""The tiny random Llama written as a model folder; its texts never end by themselves."""

from __future__ import annotations

import copy
from pathlib import Path

from tests.unit.tiny import new_lm


def write_tiny_model(folder: Path) -> Path:
    """Write config, weights and tokenizer to `folder` and return it."""
    lm = new_lm("llama", max_position_embeddings=100_000)
    tokenizer = copy.deepcopy(lm.tokenizer)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    lm.model.save_pretrained(folder)
    return folder
