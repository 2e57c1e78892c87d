"""Reading whole texts: a pass through the blocks for what hooks see of it, and which tokens are a text's own.

Promises no logits and no cache, so that memory is that of the activations; knows nothing of what the hooks do.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.model import LanguageModel
from steer_tui.engine.prompt import positions
from steer_tui.engine.quick_linear import quick_linear


@torch.inference_mode()
def pass_through_blocks(lm: LanguageModel, ids: Tensor, mask: Tensor) -> None:
    """Run left-padded ids (B, T) with their mask through the blocks; padding changes nothing of a row's own tokens."""
    body = lm.model.base_model
    options: dict[str, Any] = {"attention_mask": mask, "use_cache": False}
    if "position_ids" in inspect.signature(body.forward).parameters:
        # Left to themselves, models with learned positions count the padding too.
        options["position_ids"] = positions(mask)
    with quick_linear(lm).installed(1, ids.numel()):
        body(input_ids=ids, **options)


def first_own(lm: LanguageModel, ids: Sequence[int]) -> int:
    """Return the index of the first token that the tokenizer did not put in front of a text; 0 where all are such.

    A BOS token's activations are many times larger than others' and say nothing of the text.
    """
    special = set(lm.tokenizer.all_special_ids)
    return next((place for place, token in enumerate(ids) if token not in special), 0)
