"""Loading by name: what loads, what it tells meanwhile, how it stops, and one clear error for whatever is wrong."""

from __future__ import annotations

import json
import logging
import pickle
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from steer_tui.engine import loading, memory, models, placement
from steer_tui.engine.loading import load_model
from steer_tui.engine.model import LanguageModel
from steer_tui.errors import Cancelled, ModelError, OutOfMemory, SteerError, UsageError
from tests.unit.architectures import LAYERS, build_model
from tests.unit.model_files import change_config, remove_tokenizer, write_model


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A whole model folder, to be damaged."""
    return Path(shutil.copytree(written, tmp_path / "tiny-llama"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Fail any attempt to reach another machine, and tell the test of it."""
    attempts: list[str] = []

    def refuse(*args: Any, **options: Any) -> Any:
        attempts.append(str(args))
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield attempts
    assert attempts == []


def refusal(ref: object, **options: Any) -> SteerError:
    """Return the error of a load that must fail with a hint, its message and hint in one line each."""
    with pytest.raises(SteerError) as raised:
        load_model(str(ref), **({"device": "cpu", "offline": True} | options))
    error = raised.value
    assert error.hint, error.message
    for text in (error.message, error.hint):
        assert text.isprintable(), text
        assert "Traceback" not in text
        assert len(text) < 400
    return error


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


def test_the_built_in_model_that_is_missing_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from steer_tui.engine import source

    monkeypatch.setattr(source, "demo_folder", lambda: tmp_path / "none")
    assert "missing from this installation" in refusal("demo").message


@pytest.mark.parametrize("ref", ["/no/such/folder", "./none", "none/", "~/none", "a/b/c", "none.gguf", "C:\\none"])
def test_a_missing_folder_or_file(ref: str) -> None:
    assert "there is no" in refusal(ref).message


@pytest.mark.parametrize("ref", ["", "a b", "x\x00y", "\ud800", "x" * 5000, "a/\x1b[31mb", "--help"])
def test_a_name_of_nothing(ref: str) -> None:
    assert isinstance(refusal(ref), ModelError)


def test_a_hub_model_that_is_not_here_while_offline(no_network: list[str]) -> None:
    error = refusal("own/unknown")
    assert "not in the local cache" in error.message
    assert no_network == []


def test_offline_by_the_environment_is_honoured(no_network: list[str]) -> None:
    assert "not in the local cache" in refusal("own/unknown", offline=False).message


def test_a_misspelt_hub_model_gets_the_nearest_one(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    shutil.copytree(written, tmp_path / "models--own--tiny-llama" / "snapshots" / "abc")
    assert refusal("own/tiny-lama").hint == "did you mean own/tiny-llama?"


def test_a_half_downloaded_hub_model_while_offline(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    place = Path(shutil.copytree(written, tmp_path / "models--own--tiny" / "snapshots" / "abc"))
    (place / "model.safetensors").unlink()
    assert "has no model.safetensors" in refusal("own/tiny").message


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "no config.json" in refusal(tmp_path).message


def test_a_folder_that_holds_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "an adapter" in refusal(tmp_path).message


def test_a_single_file_that_is_no_gguf(folder: Path) -> None:
    assert "single file" in refusal(folder / "model.safetensors").message


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00", "[" * 100_000, '{"model_type": 3}', "{}"])
def test_a_broken_config(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert "config.json" in refusal(folder).message


@pytest.mark.parametrize("changes", [{"hidden_size": "x"}, {"num_attention_heads": 0}, {"hidden_act": "nonsense"}])
def test_a_config_of_nonsense(folder: Path, changes: dict[str, Any]) -> None:
    change_config(folder, **changes)
    assert "tiny-llama cannot be loaded" in refusal(folder).message


def test_an_unknown_type(folder: Path) -> None:
    change_config(folder, model_type="frobnicate")
    error = refusal(folder)
    assert "'frobnicate'" in error.message and "does not know" in error.message
    assert error.hint and "upgrade" in error.hint


def test_a_model_that_brings_its_own_program_is_refused_and_never_run(folder: Path) -> None:
    (folder / "own.py").write_text("raise SystemExit('the program ran')")
    names = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    change_config(folder, model_type="own", auto_map=names)
    assert "never run" in refusal(folder).message


def test_a_known_type_that_also_brings_a_program_loads_without_it(folder: Path) -> None:
    (folder / "own.py").write_text("raise SystemExit('the program ran')")
    change_config(folder, auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    assert load_model(str(folder), device="cpu").info.type == "llama"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("bert", "BertForMaskedLM"),
        ("bert", "BertModel"),
        ("bert", None),
        ("t5", "T5ForConditionalGeneration"),
        ("vit", "ViTForImageClassification"),
        ("clip", "CLIPModel"),
        ("whisper", "WhisperForConditionalGeneration"),
        ("llama", "LlamaForSequenceClassification"),
    ],
)
def test_what_is_no_causal_lm(folder: Path, kind: str, name: str | None) -> None:
    change_config(folder, model_type=kind, architectures=[name] if name else None)
    assert "no causal language model" in refusal(folder).message


def test_weights_that_are_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "no model.safetensors" in refusal(folder).message


@pytest.mark.parametrize("size", [0, 4, 100, 5000, -1])
def test_weights_that_are_cut_short(folder: Path, size: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    assert "is broken" in refusal(folder).message


def test_weights_that_are_no_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "is broken" in refusal(folder).message


def test_weights_of_another_shape(folder: Path) -> None:
    change_config(folder, intermediate_size=40)
    assert "do not fit its config.json" in refusal(folder).message


def test_weights_that_lack_tensors_are_never_filled_with_random_numbers(folder: Path) -> None:
    change_config(folder, num_hidden_layers=LAYERS + 1)
    assert "lack 9 tensors" in refusal(folder).message


def test_pickled_weights_are_refused_and_never_read(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (exit, ("the pickle ran",))

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    error = refusal(folder)
    assert "never loaded" in error.message
    assert error.hint and "safetensors" in error.hint


def test_a_config_that_names_pickled_weights_is_refused(folder: Path) -> None:
    (folder / "evil.bin").write_bytes(b"")
    change_config(folder, transformers_weights="evil.bin")
    assert isinstance(refusal(folder), ModelError)


def test_a_missing_tokenizer(folder: Path) -> None:
    remove_tokenizer(folder)
    assert "has no tokenizer" in refusal(folder).message


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"model": {}}'])
def test_a_broken_tokenizer(folder: Path, text: str) -> None:
    (folder / "tokenizer.json").write_text(text)
    assert "the tokenizer of tiny-llama" in refusal(folder).message


def test_a_tokenizer_that_is_a_program_is_refused(folder: Path) -> None:
    (folder / "own.py").write_text("raise SystemExit('the program ran')")
    facts = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.Tokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))
    try:
        lm = load_model(str(folder), device="cpu")
    except ModelError as error:
        assert "never run" in error.message
    else:
        assert lm.encode("Hello")


def test_too_little_memory_is_said_before_any_weight_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smaller = write_model(tmp_path / "cache" / "models--own--small" / "snapshots" / "abc", num_hidden_layers=1)
    assert smaller.is_dir()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "device_free", lambda device, spread=False: 100_000)
    monkeypatch.setattr(models, "default_room", lambda: memory.Room(10_000_000, 4))
    monkeypatch.setattr(loading, "read_weights", lambda *args: pytest.fail("weights were read"))
    change_config(folder, max_position_embeddings=4096)
    error = refusal(folder)
    assert isinstance(error, OutOfMemory)
    assert "100 kB is free on cpu" in error.message
    assert error.hint and "own/small" in error.hint


def test_running_out_of_memory_while_loading_is_said_as_such(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    def fail(*args: Any, **options: Any) -> Any:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: tried 1")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", fail)
    assert isinstance(refusal(folder), OutOfMemory)


@pytest.mark.parametrize(
    "options",
    [{"device": "tpu"}, {"device": "cuda:99"}, {"device": "cuda:x"}, {"dtype": "int3"}, {"device_map": "balanced"}],
)
def test_words_that_name_no_device_or_dtype(folder: Path, options: dict[str, str]) -> None:
    assert isinstance(refusal(folder, **options), UsageError)


def test_a_device_map_needs_accelerate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "has_accelerate", lambda: False)
    error = refusal(folder, device_map="auto")
    assert error.hint and "pip install" in error.hint


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
