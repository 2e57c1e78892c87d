"""Models in `.gguf` files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from steer_tui.engine import checkpoint
from steer_tui.engine.loading import load_model
from steer_tui.errors import ModelError
from tests.unit.architectures import HEADS, LAYERS, WIDTH, build_model
from tests.unit.tiny import tokenizer

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
PERMUTED = {"attn_q": HEADS, "attn_k": 2}
"""Tensors whose rows GGUF interleaves, and their heads."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama as llama.cpp would store it."""
    gguf = pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(48)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(2)
    writer.add_context_length(64)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokenizer()))
    add_tokenizer(writer)
    for name, tensor in build_model("llama").state_dict().items():
        writer.add_tensor(*stored(name, tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_tokenizer(writer: object) -> None:
    import json

    fast = tokenizer()
    model = json.loads(fast.backend_tokenizer.to_str())["model"]
    tokens = sorted(fast.get_vocab().items(), key=lambda item: item[1])
    writer.add_tokenizer_model("gpt2")  # type: ignore[attr-defined]
    writer.add_token_list([token for token, _ in tokens])  # type: ignore[attr-defined]
    writer.add_token_types([3 if index < 2 else 1 for _, index in tokens])  # type: ignore[attr-defined]
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])  # type: ignore[attr-defined]
    writer.add_bos_token_id(0)  # type: ignore[attr-defined]
    writer.add_eos_token_id(1)  # type: ignore[attr-defined]


def stored(name: str, tensor: torch.Tensor) -> tuple[str, np.ndarray]:
    """Return a tensor as GGUF names and lays it out."""
    values = tensor.float().numpy()
    if name == "model.embed_tokens.weight":
        return "token_embd.weight", values
    if name == "model.norm.weight":
        return "output_norm.weight", values
    if name == "lm_head.weight":
        return "output.weight", values
    _, _, layer, part = name.removesuffix(".weight").split(".", 3)
    short = NAMES[part]
    if short in PERMUTED:
        heads = PERMUTED[short]
        split = values.reshape(heads, 2, values.shape[0] // heads // 2, values.shape[1])
        values = split.swapaxes(1, 2).reshape(values.shape)
    return f"blk.{layer}.{short}.weight", np.ascontiguousarray(values)


def test_a_file_loads_as_the_model_it_was_made_of(file: Path) -> None:
    lm = load_model(str(file), device="cpu")
    assert (lm.info.id, lm.info.type, lm.info.layers, lm.info.width) == ("tiny", "llama", LAYERS, WIDTH)
    assert lm.info.dtype == "float32"
    ids = torch.tensor([lm.encode("The meeting went", raw=True)])
    assert lm.tokenizer.decode(ids[0], skip_special_tokens=True) == "The meeting went"
    assert torch.allclose(lm.model(ids).logits, build_model("llama")(ids).logits, atol=1e-4)


def test_a_broken_file_is_one_clear_error(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    for size in (0, 3, 40, len(data) // 2):
        broken = tmp_path / "broken.gguf"
        broken.write_bytes(data[:size])
        with pytest.raises(ModelError, match="broken") as error:
            load_model(str(broken), device="cpu")
        assert error.value.hint


@pytest.mark.parametrize("package", ["gguf", "accelerate"])
def test_a_missing_package_is_named(file: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    found = checkpoint.util.find_spec
    monkeypatch.setattr(checkpoint.util, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(ModelError, match=package) as error:
        load_model(str(file), device="cpu")
    assert error.value.hint and "pip install" in error.value.hint
