"""What must hold of every architecture: its blocks are found, an empty hook changes nothing, a vector adds exactly."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steer_tui.engine.model import LanguageModel
from steer_tui.engine.prompt import pad_left, positions
from steer_tui.engine.structure import block_tensor, find_structure, with_block_tensor
from steer_tui.errors import ModelError
from tests.unit.architectures import ARCHITECTURES, LAYERS, WIDTH, architecture, build_model

PATHS = {
    "gpt2": "transformer.h",
    "gpt-neo": "transformer.h",
    "gpt-neox": "gpt_neox.layers",
    "gptj": "transformer.h",
    "opt": "model.decoder.layers",
    "bloom": "transformer.h",
    "falcon": "transformer.h",
    "mpt": "transformer.blocks",
}
"""Where blocks lie; `model.layers` where not named."""
FUSED = {"mixtral"}
"""Architectures whose experts have no output layer of their own."""


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return architecture(request.param)


def batch() -> tuple[Tensor, Tensor]:
    """Return ids and mask of two rows, the second padded on the left."""
    return pad_left([[5, 40, 77, 12, 9, 140], [33, 8, 21]], 0)


@torch.no_grad()
def run(lm: LanguageModel, **options: Any) -> Any:
    ids, mask = batch()
    extra = {} if lm.info.type in ("bloom", "mpt", "falcon", "opt") else {"position_ids": positions(mask)}
    return lm.model(ids, attention_mask=mask, use_cache=False, **extra, **options)


def test_the_blocks_are_found_in_order(lm: LanguageModel) -> None:
    structure = lm.structure
    assert structure.block_path == PATHS.get(lm.info.ref, "model.layers")
    assert len(structure.blocks) == LAYERS
    assert structure.width == WIDTH
    assert [lm.model.get_submodule(structure.path(i)) for i in range(LAYERS)] == list(structure.blocks)


def test_embedding_final_norm_and_unembedding_are_found(lm: LanguageModel) -> None:
    structure = lm.structure
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, args, output: seen.__setitem__(name, args[0].clone())

    assert structure.final_norm is not None
    handles = [
        structure.final_norm.register_forward_hook(keep("norm")),
        structure.unembed.register_forward_hook(keep("unembed")),
        structure.blocks[-1].register_forward_hook(
            lambda module, args, output: seen.__setitem__("last", block_tensor(output).clone())
        ),
    ]
    try:
        run(lm)
    finally:
        for handle in handles:
            handle.remove()
    assert torch.equal(seen["norm"], seen["last"])
    assert torch.equal(structure.final_norm(seen["last"]), seen["unembed"])
    assert structure.embed(torch.tensor([[3]])).shape == (1, 1, WIDTH)


def test_attention_and_mlp_of_every_block_are_found(lm: LanguageModel) -> None:
    for index, block in enumerate(lm.structure.blocks):
        children = list(block.children())
        attn, mlp = lm.structure.attn(index), lm.structure.mlp(index)
        assert attn in children
        assert "ttention" in type(attn).__name__
        if lm.info.type == "opt":
            assert mlp is None
        else:
            assert mlp in children and mlp is not attn


def test_output_projections_write_the_width_of_the_residual_stream(lm: LanguageModel) -> None:
    for index in range(LAYERS):
        attn_out, mlp_out = lm.structure.attn_out(index), lm.structure.mlp_out(index)
        assert attn_out is not None
        widths: list[int] = []
        handles = [
            module.register_forward_hook(lambda module, args, output, seen=widths: seen.append(output.shape[-1]))
            for module in (attn_out, mlp_out)
            if module is not None
        ]
        run(lm)
        for handle in handles:
            handle.remove()
        assert widths == [WIDTH] * len(handles)
        assert (mlp_out is None) == (lm.info.type in FUSED)


def test_an_empty_hook_leaves_the_logits_bit_identical(lm: LanguageModel) -> None:
    plain = run(lm).logits
    handles = [block.register_forward_hook(lambda *args: None) for block in lm.structure.blocks]
    handles += [
        block.register_forward_hook(lambda module, args, output: with_block_tensor(output, block_tensor(output)))
        for block in lm.structure.blocks
    ]
    try:
        hooked = run(lm).logits
    finally:
        for handle in handles:
            handle.remove()
    assert torch.equal(plain, hooked)
    assert torch.equal(plain, run(lm).logits)


@pytest.mark.parametrize("layer", range(LAYERS))
def test_a_steered_block_gives_the_unsteered_output_plus_the_vector_in_all_rows(lm: LanguageModel, layer: int) -> None:
    vector = torch.linspace(-2, 2, WIDTH)
    before: list[Tensor] = []
    after: list[Tensor] = []

    def steer(module: nn.Module, args: Any, output: Any) -> Any:
        before.append(block_tensor(output).clone())
        return with_block_tensor(output, block_tensor(output) + vector)

    block = lm.structure.blocks[layer]
    plain = run(lm).logits
    handles = [
        block.register_forward_hook(steer),
        block.register_forward_hook(lambda module, args, output: after.append(block_tensor(output).clone())),
    ]
    try:
        steered = run(lm).logits
    finally:
        for handle in handles:
            handle.remove()
    assert before[0].shape == (*batch()[0].shape, WIDTH)
    assert torch.equal(after[0], before[0] + vector)
    assert not torch.allclose(steered[0, -1], plain[0, -1])
    assert not torch.allclose(steered[1, -1], plain[1, -1])


def test_block_outputs_are_the_hidden_states_of_all_but_the_last(lm: LanguageModel) -> None:
    outputs: list[Tensor] = []
    handles = [
        block.register_forward_hook(lambda module, args, output: outputs.append(block_tensor(output)))
        for block in lm.structure.blocks
    ]
    try:
        hidden = run(lm, output_hidden_states=True).hidden_states
    finally:
        for handle in handles:
            handle.remove()
    assert len(hidden) == LAYERS + 1
    for layer in range(LAYERS - 1):
        assert torch.equal(outputs[layer], hidden[layer + 1])
    norm = lm.structure.final_norm
    assert norm is not None
    # The last hidden state is the last block's output after the final norm: another space.
    assert torch.equal(norm(outputs[-1]), hidden[-1])


@pytest.mark.parametrize("kind", [tuple, list])
def test_the_rest_of_a_block_output_is_kept(kind: type) -> None:
    rest = object()
    output = kind([torch.zeros(1, 2, 3), rest])
    changed = with_block_tensor(output, torch.ones(1, 2, 3))
    assert type(changed) is kind
    assert changed[1] is rest
    assert block_tensor(changed).sum() == 6
    assert block_tensor(output).sum() == 0


@pytest.mark.parametrize("output", [None, (), (None,), {"a": 1}, "text"])
def test_an_output_without_a_tensor_is_refused(output: object) -> None:
    with pytest.raises(ModelError, match="not a tensor"):
        block_tensor(output)
    with pytest.raises(ModelError):
        with_block_tensor(output, torch.zeros(1))


def test_a_list_of_the_configured_length_wins_over_longer_ones_elsewhere() -> None:
    model = build_model("llama")
    model.tower = nn.ModuleList(nn.Linear(4, 4) for _ in range(9))
    assert find_structure(model).block_path == "model.layers"


def test_among_lists_of_equal_length_the_one_beside_the_embedding_wins() -> None:
    model = build_model("llama")
    model.tower = nn.ModuleList(nn.Linear(400, 400) for _ in range(LAYERS))
    assert find_structure(model).block_path == "model.layers"


def test_what_is_no_causal_lm_is_refused() -> None:
    from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

    bert = BertModel(BertConfig(vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2))
    t5 = T5ForConditionalGeneration(T5Config(vocab_size=50, d_model=8, num_layers=2, d_ff=8, num_heads=2, d_kv=4))
    for model in (bert, t5, nn.Linear(2, 2)):
        with pytest.raises(ModelError, match="no causal language model") as error:
            find_structure(model)
        assert error.value.hint
