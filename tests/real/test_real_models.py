"""Small real models that others trained: they load, read well and answer to steering."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from steer_tui.engine.loading import load_model
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.structure import block_tensor, with_block_tensor
from tests.real.starts import STARTS

SIZES = {"stories260k": (5, 64, 260_032), "tinystories-656k": (2, 128, 656_000)}


def continued(lm: LanguageModel, prompt: str, count: int = 20) -> str:
    """Return the greedy continuation of a prompt."""
    ids = torch.tensor([lm.encode(prompt)])
    with torch.no_grad():
        out = lm.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False)
    text: str = lm.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
    return text


def test_it_is_described_as_what_it_is(lm: LanguageModel) -> None:
    info = lm.info
    assert (info.layers, info.width, info.parameters) == SIZES[info.id]
    assert (info.type, info.context, info.has_chat_template) == ("llama", 512, False)
    assert lm.structure.block_path == "model.layers"


def test_a_prompt_begins_with_one_bos(lm: LanguageModel) -> None:
    bos = lm.tokenizer.bos_token_id
    assert lm.encode("Once upon a time").count(bos) == 1
    assert lm.encode("") == [bos]


def test_it_tells_a_story(lm: LanguageModel) -> None:
    assert "girl named Lily" in continued(lm, STARTS[lm.info.id])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_its_fingerprint_is_the_same_in_every_dtype(lm: LanguageModel, dtype: str) -> None:
    assert load_model(lm.info.ref, device="cpu", dtype=dtype).info.fingerprint == lm.info.fingerprint


def test_a_vector_added_to_a_block_changes_what_it_tells(lm: LanguageModel) -> None:
    prompt = STARTS[lm.info.id]
    plain = continued(lm, prompt)
    vector = 20 * torch.linspace(-1, 1, lm.info.width)

    def steer(module: torch.nn.Module, args: Any, output: Any) -> Any:
        return with_block_tensor(output, block_tensor(output) + vector)

    handle = lm.structure.blocks[lm.info.layers // 2].register_forward_hook(steer)
    try:
        assert continued(lm, prompt) != plain
    finally:
        handle.remove()
    assert continued(lm, prompt) == plain
