"""Loading by name: what loads, what it tells meanwhile, how it stops, and one clear error for whatever is wrong."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from steer_tui.engine import models, placement
from steer_tui.engine.loading import load_model
from steer_tui.engine.model import LanguageModel
from steer_tui.errors import Cancelled, ModelError
from tests.unit.architectures import LAYERS, build_model
from tests.unit.model_files import change_config, write_model

pytestmark = pytest.mark.usefixtures("no_network")


def test_a_folder_loads_with_what_a_person_needs_to_know(folder: Path) -> None:
    lm = load_model(str(folder), device="cpu")
    info = lm.info
    assert (info.ref, info.id, info.type, info.layers, info.width) == (str(folder), "tiny-llama", "llama", LAYERS, 32)
    assert (info.device, info.dtype, info.context) == ("cpu", "float32", 64)
    assert info.parameters == sum(p.numel() for p in build_model("llama").parameters())
    assert not lm.model.training
    assert not any(parameter.requires_grad for parameter in lm.model.parameters())
    ids = torch.tensor([lm.encode("The meeting went")])
    assert torch.equal(lm.model(ids).logits, build_model("llama")(ids).logits)


def test_the_class_loads_as_the_function_does(folder: Path) -> None:
    assert LanguageModel.load(str(folder), device="cpu").info == load_model(str(folder), device="cpu").info


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_are_loaded_in_the_wanted_dtype(folder: Path, dtype: str) -> None:
    lm = load_model(str(folder), device="cpu", dtype=dtype)
    assert lm.info.dtype == dtype
    assert lm.dtype == getattr(torch, dtype)


@pytest.mark.parametrize("name", ["gpt2", "bloom", "mixtral", "gemma3"])
def test_other_architectures_load_alike(tmp_path: Path, name: str) -> None:
    lm = load_model(str(write_model(tmp_path / name, name)), device="cpu")
    ids = torch.tensor([lm.encode("The meeting went")])
    assert torch.allclose(lm.model(ids).logits, build_model(name)(ids).logits, atol=1e-6)


def test_shards_load_as_one(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "shards", max_shard_size="40KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    whole = write_model(tmp_path / "whole")
    assert load_model(str(folder)).info.fingerprint == load_model(str(whole)).info.fingerprint


def test_a_relative_folder_and_a_home_folder_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    for ref in ("tiny-llama", "./tiny-llama", "~/tiny-llama", "tiny-llama/"):
        assert load_model(ref, device="cpu").info.id == "tiny-llama"


def test_a_hub_model_is_taken_from_the_cache_without_network(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name)
    shutil.copytree(written, tmp_path / "models--own--tiny" / "snapshots" / "abc")
    for offline in (True, False):
        info = load_model("own/tiny", device="cpu", offline=offline).info
        assert (info.ref, info.id) == ("own/tiny", "own/tiny")


def test_progress_tells_stages_and_then_every_weight(folder: Path) -> None:
    told: list[tuple[float | None, str]] = []
    load_model(str(folder), device="cpu", on_progress=lambda fraction, note: told.append((fraction, note)))
    assert len({note for _, note in told}) >= 4
    fractions = [fraction for fraction, note in told if note == "loading weights" and fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0 and fractions[-1] == 1.0
    assert len(fractions) > 3 * LAYERS


def test_a_load_can_be_stopped_at_every_place(folder: Path) -> None:
    asked = 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    load_model(str(folder), device="cpu", should_stop=count)
    assert asked > 20
    for place in (1, 3, asked // 2, asked - 1, asked):
        left = place

        def stop() -> bool:
            nonlocal left
            left -= 1
            return left <= 0

        with pytest.raises(Cancelled):
            load_model(str(folder), device="cpu", should_stop=stop)
    assert load_model(str(folder), device="cpu").info.layers == LAYERS


def test_nothing_is_printed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    change_config(folder, eos_token_id=50_256, rope_scaling={"type": "nonsense"}, attn_implementation="own/kernel")
    with suppress(ModelError):
        load_model(str(folder), device="cpu")
    logging.getLogger("transformers").warning("afterwards")
    assert capfd.readouterr() == ("", "")


def test_progress_bars_are_as_before_afterwards(folder: Path) -> None:
    from transformers.utils import logging as transformers_logging

    for enable in (transformers_logging.disable_progress_bar, transformers_logging.enable_progress_bar):
        enable()
        before = transformers_logging.is_progress_bar_enabled()
        load_model(str(folder), device="cpu")
        assert transformers_logging.is_progress_bar_enabled() == before
        assert transformers_logging.set_tqdm_hook(None) is None


def test_the_built_in_model_loads_by_its_name() -> None:
    if not (models.demo_folder() / "model.safetensors").is_file():
        pytest.skip("the built-in model is not made yet")
    info = load_model("demo", device="cpu", offline=True).info
    assert (info.ref, info.id, info.has_chat_template) == ("demo", "demo", True)
    assert models.list_models()[0].fits


def test_a_device_map_loads_where_accelerate_is(folder: Path) -> None:
    pytest.importorskip("accelerate")
    lm = load_model(str(folder), device="cpu", device_map="auto")
    assert lm.model(torch.tensor([lm.encode("Hello")])).logits.isfinite().all()


def test_auto_is_float32_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    chosen = placement.choose_placement()
    assert (chosen.device.type, chosen.dtype) == ("cpu", torch.float32)


def test_auto_is_bfloat16_on_cuda_and_float16_on_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    chosen = placement.choose_placement()
    assert (chosen.device.type, chosen.dtype) == ("mps", torch.float16)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    chosen = placement.choose_placement()
    assert (str(chosen.device), chosen.dtype) == ("cuda:1", torch.bfloat16)
