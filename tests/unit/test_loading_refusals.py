"""What cannot be loaded: one clear error with a hint for each, and nothing of it is run or reached for."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from steer_tui.engine import loading, memory, models, placement
from steer_tui.engine.loading import load_model
from steer_tui.errors import ModelError, OutOfMemory, SteerError, UsageError
from tests.unit.architectures import LAYERS
from tests.unit.model_files import change_config, remove_tokenizer, write_model

pytestmark = pytest.mark.usefixtures("no_network")


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
