"""How many rows of a sweep fit in memory at once: an estimate that errs to the safe side."""

from __future__ import annotations

from steer_tui.engine.measure import PIECE_BYTES
from steer_tui.engine.memory import device_free
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.sweepbatch import KEPT_BYTES

MOST_ROWS = {"cpu": 64, "mps": 64}
MOST_ROWS_GPU = 256
"""More bring no more tokens per second, and the first results later."""
SHARE = 0.6
"""Of the free memory, that a sweep may take."""
_SPARE_TOKENS = 128
"""Positions that the cache holds ready."""
_DRAWING = 8
"""Copies of a row's logits, in float32, that drawing a token makes."""
_LIVE = 12
"""Activations of a prompt, as multiples of the width, that are alive at once."""


def rows_that_fit(lm: LanguageModel, prompt_tokens: int, new_tokens: int, measures: bool) -> int:
    """Return how many rows to step at once, 1 at least.

    Args:
        lm: The model.
        prompt_tokens: Of the longest prompt.
        new_tokens: Most tokens of a text.
        measures: Whether the texts are re-read, which needs a second cache and the logits.
    """
    most = MOST_ROWS.get(lm.device.type, MOST_ROWS_GPU)
    free = device_free(lm.device, spread=getattr(lm.model, "hf_device_map", None) is not None)
    if free is None:
        return most
    # Logits that are kept and read are bounded by pieces, not by rows.
    fixed = KEPT_BYTES + 4 * PIECE_BYTES if measures else 0
    return max(1, min(most, int((SHARE * free - fixed) / row_bytes(lm, prompt_tokens, new_tokens, measures))))


def row_bytes(lm: LanguageModel, prompt_tokens: int, new_tokens: int, measures: bool) -> int:
    """Return the bytes that one row takes at its end."""
    config = lm.model.config.get_text_config()
    heads = int(getattr(config, "num_attention_heads", 0) or 1)
    key_heads = getattr(config, "num_key_value_heads", None)
    per_head = getattr(config, "head_dim", None) or lm.info.width // heads
    itemsize = lm.dtype.itemsize
    position = 2 * lm.info.layers * int(key_heads if isinstance(key_heads, int) else heads) * int(per_head) * itemsize
    cache = position * (prompt_tokens + new_tokens + _SPARE_TOKENS) * (2 if measures else 1)
    prompt = prompt_tokens * lm.info.width * _LIVE * itemsize
    vocabulary = int(next(lm.structure.embed.parameters()).shape[0])
    return cache + prompt + vocabulary * 4 * _DRAWING
