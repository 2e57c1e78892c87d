"""The list of models: what is in it, in what order, and that no file can spoil it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steer_tui.engine import models
from steer_tui.engine.hubcache import is_hub_id, is_offline, snapshot
from steer_tui.engine.memory import Room
from steer_tui.engine.models import list_models, next_smaller, recent_models, remember_model
from steer_tui.paths import Paths

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, "num_hidden_layers": 2}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache, and a machine with one megabyte of memory."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(models, "default_room", lambda: Room(1_000_000, 4))
    return folder


def weights(path: Path, numbers: int) -> None:
    """Write a safetensors file of so many float16 numbers, all zero."""
    header = json.dumps({"w": {"dtype": "F16", "shape": [numbers], "data_offsets": [0, 2 * numbers]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(2 * numbers))


def put(cache: Path, folder: str, config: Any = LLAMA, numbers: int | None = 100, commit: str = "abc") -> Path:
    """Put a model into the cache as huggingface_hub would, and return its snapshot."""
    place = cache / folder / "snapshots" / commit
    place.mkdir(parents=True)
    (cache / folder / "refs").mkdir(exist_ok=True)
    (cache / folder / "refs" / "main").write_text(commit)
    (place / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    if numbers is not None:
        weights(place / "model.safetensors", numbers)
    return place


def refs(paths: Paths) -> list[str]:
    return [choice.ref for choice in list_models(paths)]


def test_the_list_needs_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from steer_tui.engine.models import list_models; list_models();"
        "print(sorted({'torch', 'transformers', 'numpy', 'huggingface_hub'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True)
    assert ran.stdout.strip() == "[]"


def test_demo_comes_first_then_recent_ones_then_the_cache_by_name(cache: Path, paths: Paths) -> None:
    for name in ("models--b--two", "models--a--one", "models--gpt2", "datasets--a--data"):
        put(cache, name)
    remember_model(paths, "b/two")
    remember_model(paths, "c/gone")
    choices = list_models(paths)
    assert [(choice.ref, choice.kind) for choice in choices] == [
        ("demo", "demo"),
        ("c/gone", "recent"),
        ("b/two", "recent"),
        ("a/one", "cache"),
        ("gpt2", "cache"),
    ]
    assert choices[1].note and choices[1].fits is None


def test_size_and_fit_are_told_from_files_and_headers(cache: Path, paths: Paths) -> None:
    small, large = put(cache, "models--a--small", numbers=1000), put(cache, "models--b--large", numbers=400_000)
    by_ref = {choice.ref: choice for choice in list_models(paths)}
    assert by_ref["a/small"].size_bytes == (small / "model.safetensors").stat().st_size
    assert by_ref["a/small"].fits is True
    # 400,000 numbers are 0.8 MB as stored and 1.6 MB as loaded.
    assert by_ref["b/large"].size_bytes == (large / "model.safetensors").stat().st_size < 1_000_000
    assert by_ref["b/large"].fits is False


def test_an_unknown_amount_of_memory_leaves_the_fit_open(
    cache: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "default_room", lambda: Room(None, 4))
    put(cache, "models--a--one")
    assert list_models(paths)[1].fits is None


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["LlamaForCausalLM"], True),
        (["GPT2LMHeadModel"], True),
        (["Gemma3ForConditionalGeneration"], True),
        (["BertForMaskedLM"], False),
        (["T5ForConditionalGeneration"], False),
        (["CLIPModel"], False),
        ([], False),
        ("LlamaForCausalLM", False),
        ([1, None], False),
        (None, False),
    ],
)
def test_only_causal_lms_of_the_cache_are_listed(cache: Path, paths: Paths, names: Any, listed: bool) -> None:
    put(cache, "models--a--one", {"architectures": names, "model_type": "x"})
    assert ("a/one" in refs(paths)) == listed


def test_a_model_with_code_of_its_own_says_so(cache: Path, paths: Paths) -> None:
    put(cache, "models--a--own", {"architectures": ["OwnForCausalLM"], "auto_map": {"AutoConfig": "own.OwnConfig"}})
    put(cache, "models--b--plain")
    own, plain = list_models(paths)[1:]
    assert "code of its own, which is never run" in own.note and plain.note == ""


def test_a_model_without_safetensors_says_so(cache: Path, paths: Paths) -> None:
    place = put(cache, "models--a--old", numbers=None)
    (place / "pytorch_model.bin").write_bytes(bytes(30))
    choice = list_models(paths)[1]
    assert (choice.size_bytes, choice.fits) == (30, None)
    assert "pickled" in choice.note


def test_a_half_downloaded_model_says_what_is_missing(cache: Path, paths: Paths) -> None:
    place = put(cache, "models--a--half", numbers=None)
    index = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    weights(place / "model-1-of-2.safetensors", 10)
    (place / "model-2-of-2.safetensors").symlink_to(place / "not-there")
    choice = list_models(paths)[1]
    assert choice.fits is None
    assert "lacks 1 of 2 weight files, such as model-2-of-2.safetensors" in choice.note


def test_shards_are_added_up(cache: Path, paths: Paths) -> None:
    place = put(cache, "models--a--big", numbers=None)
    names = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
    for name in names:
        weights(place / name, 50)
    index = {"weight_map": dict(zip("ab", names, strict=True))}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    assert list_models(paths)[1].size_bytes == sum((place / name).stat().st_size for name in names)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", "null", "[" * 100_000, '{"architectures": {"a": 1}}', "\x00", '{"architectures": ["\ud800"]}'],
)
def test_a_broken_config_stops_nothing(cache: Path, paths: Paths, content: str) -> None:
    place = put(cache, "models--a--bad")
    (place / "config.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    put(cache, "models--b--good")
    assert refs(paths)[-1] == "b/good"
    json.dumps([choice.to_json() for choice in list_models(paths)])


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, b"\xff" * 100, struct.pack("<Q", 2) + b"[]", bytes(8) + b"{}"])
def test_broken_weights_stop_nothing(cache: Path, paths: Paths, data: bytes) -> None:
    place = put(cache, "models--a--bad")
    (place / "model.safetensors").write_bytes(data)
    put(cache, "models--b--good")
    bad, good = list_models(paths)[1:]
    assert bad.fits is None and bad.note
    assert good.fits is True


def test_an_index_that_points_elsewhere_is_not_followed(cache: Path, paths: Paths) -> None:
    place = put(cache, "models--a--evil", numbers=None)
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../../x.safetensors"}}))
    assert "no weight file of this folder" in list_models(paths)[1].note


def test_names_that_no_load_could_ask_for_are_left_out(cache: Path, paths: Paths) -> None:
    for name in (
        "models--a--\x1b[31mred",
        "models--..--x",
        "models--a--b--c",
        "models--",
        "models--a--[/]",
        "models--é--x",
    ):
        put(cache, name)
    assert refs(paths) == ["demo"]


def test_a_revision_that_points_out_of_the_cache_is_not_followed(cache: Path, tmp_path: Path) -> None:
    put(cache, "models--a--one", commit="abc")
    (tmp_path / "config.json").write_text("{}")
    (cache / "models--a--one" / "refs" / "main").write_text("../../../")
    found = snapshot("a/one")
    assert found is not None and found.name == "abc"


def test_the_revision_of_main_wins_over_others(cache: Path) -> None:
    put(cache, "models--a--one", commit="old")
    put(cache, "models--a--one", commit="new")
    (cache / "models--a--one" / "refs" / "main").write_text("old\n")
    found = snapshot("a/one")
    assert found is not None and found.name == "old"


def test_a_cache_that_is_not_there_is_empty(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nowhere"))
    assert refs(paths) == ["demo"]


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert models.cache_folder() == Path.home() / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert models.cache_folder() == tmp_path / "x" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "h"))
    assert models.cache_folder() == tmp_path / "h" / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "c"))
    assert models.cache_folder() == tmp_path / "c"


def test_offline_is_what_either_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    assert not is_offline()
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "true")
    assert is_offline()
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert is_offline()


@pytest.mark.parametrize("text", ["gpt2", "openai-community/gpt2", "a/b.c_d-e", "Qwen/Qwen3-0.6B"])
def test_hub_ids_are_known(text: str) -> None:
    assert is_hub_id(text)


@pytest.mark.parametrize(
    "text", ["", "/", "a/", "/a", "a/b/c", "a--b/c", "../x", "a/..", "a b", "a/b\n", "é/x", "a/-b", "a/b-", "x" * 97]
)
def test_other_texts_are_no_hub_ids(text: str) -> None:
    assert not is_hub_id(text)


def test_recent_models_are_newest_first_each_once_and_few(paths: Paths) -> None:
    assert recent_models(paths) == ()
    for index in range(20):
        remember_model(paths, f"a/m{index}")
    remember_model(paths, "a/m15")
    remember_model(paths, "demo")
    kept = recent_models(paths)
    assert kept[:2] == ("a/m15", "a/m19")
    assert len(kept) == len(set(kept)) == models.MAX_RECENT


def test_a_folder_is_remembered_by_its_absolute_path(
    cache: Path, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put(tmp_path, "elsewhere")
    monkeypatch.chdir(place.parent)
    remember_model(paths, "abc")
    remember_model(paths, "./gone.gguf")
    monkeypatch.chdir(tmp_path)
    gone, found = list_models(paths)[1:]
    assert (found.ref, found.kind, found.fits) == (str(place), "recent", True)
    assert gone.ref == str(place.parent / "gone.gguf")
    assert "not there any more" in gone.note


@pytest.mark.parametrize("content", ["", "{", "[]", '{"recent": 3}', '{"recent": [1, null, "", "demo", "a/b"]}'])
def test_a_broken_note_of_recent_models_is_read_as_far_as_it_goes(paths: Paths, content: str) -> None:
    paths.state.mkdir(parents=True)
    (paths.state / "models.json").write_text(content)
    assert recent_models(paths) in ((), ("a/b",))


def test_hostile_refs_are_shown_without_control_characters(cache: Path, paths: Paths) -> None:
    hostile = "/tmp/\x1b[2Jx\u202e[@click=app.quit]\ud800\nx"
    remember_model(paths, hostile)
    choice = list_models(paths)[1]
    assert choice.ref == hostile
    assert choice.name.isprintable() and "\x1b" not in choice.name + choice.note
    json.dumps(choice.to_json())


def test_the_next_smaller_model_is_the_largest_that_fits(cache: Path, paths: Paths) -> None:
    for name, numbers in (("s", 1000), ("m", 100_000), ("l", 400_000)):
        put(cache, f"models--a--{name}", numbers=numbers)
    choices = list_models(paths)
    assert next_smaller(10_000_000, choices) == "a/m"
    assert next_smaller(150_000, choices) == "a/s"
    assert next_smaller(1, choices) is None
