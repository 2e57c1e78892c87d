"""What is written for other tools: by the rules of those tools, and nothing that they cannot do."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.errors import LibraryError, RecipeError, UsageError
from steer_tui.library.formats.catalogue import FORMATS, PRODUCERS, format_for
from steer_tui.library.formats.ggufbytes import parse_gguf
from steer_tui.library.formats.registry import read_vectors, write_recipe, write_vector
from tests.unit.foreign_files import MODEL, UINT32, WIDTH, known_vector, same


def test_an_export_goes_by_the_file_s_ending() -> None:
    endings = {".gguf": "gguf", ".svec": "svec", ".pt": "steering-vectors", ".json": "latents"}
    for ending, format in {**endings, ".safetensors": "steer-tui", ".GGUF": "gguf"}.items():
        assert format_for(Path(f"x{ending}")).id == format
    assert format_for(Path("x.pt"), "lm-eval").id == "lm-eval"
    for path, format in ((Path("x.bin"), None), (Path("x"), None), (Path("x.gguf"), "nonsense")):
        with pytest.raises(UsageError) as caught:
            format_for(path, format)
        assert caught.value.hint is not None and "gguf" in caught.value.hint


def test_llama_cpp_gets_no_direction_0(tmp_path: Path) -> None:
    written = write_vector(known_vector(0, 1, 5), tmp_path / "x.gguf")
    assert written.layers == (1, 5) and any("block 0" in note for note in written.notes)
    found = parse_gguf((tmp_path / "x.gguf").read_bytes())
    assert list(found.tensors) == ["direction.1", "direction.5"]
    assert found.values["general.architecture"] == "controlvector"
    assert found.values["controlvector.model_hint"] == "llama"
    assert found.values["controlvector.layer_count"] == 2 and found.types["controlvector.layer_count"] == UINT32
    with pytest.raises(UsageError, match="block 0"):
        write_vector(known_vector(0), tmp_path / "none.gguf")
    assert not (tmp_path / "none.gguf").exists()


@pytest.mark.parametrize(("kind", "path"), [("llama", "layers.3"), ("gpt2", "h.3"), ("opt", "decoder.layers.3")])
def test_the_harness_gets_one_block_at_its_path(tmp_path: Path, kind: str, path: str) -> None:
    made = known_vector(1, 3, 5)
    made.meta = VectorMeta("happy", MadeFor(**{**MODEL, "type": kind}), best_layers=(3,))
    written = write_vector(made, tmp_path / "x.pt", format="lm-eval")
    saved = torch.load(tmp_path / "x.pt", weights_only=True)
    assert list(saved) == [path] and written.layers == (3,)
    assert torch.equal(saved[path]["steering_vector"], made.layers[3])
    assert saved[path] | {"steering_vector": 0} == {
        "steering_vector": 0, "steering_coefficient": 1.0, "action": "add", "bias": None,
    }  # fmt: skip


def test_a_recipe_becomes_the_one_vector_it_adds(tmp_path: Path) -> None:
    vectors = {"happy": known_vector(1, 2, 3), "calm": known_vector(2, 3, name="calm", seed=1)}
    recipe = parse_recipe("happy:0.5@1-2,calm:-2@2+3,happy@3")
    write_recipe(recipe, vectors, tmp_path / "x.gguf")
    (found,) = read_vectors(tmp_path / "x.gguf", model=MODEL).vectors
    happy, calm = vectors["happy"].layers, vectors["calm"].layers
    assert same(found, {1: happy[1] * 0.5, 2: happy[2] * 0.5 + calm[2] * -2.0, 3: calm[3] * -2.0 + happy[3]})
    assert found.meta.parents == ("happy:0.5", "calm:-2", "happy:1") and found.meta.best_layers == (1, 2, 3)


@pytest.mark.parametrize("text", ["happy~ablate", "happy/generated", "happy?calm>0", "happy:0", "happy~keepnorm"])
def test_what_one_vector_cannot_do_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        write_recipe(
            parse_recipe(text), {"happy": known_vector(1), "calm": known_vector(1, name="calm")}, tmp_path / "x.gguf"
        )
    with pytest.raises(RecipeError):
        write_recipe(parse_recipe("nobody"), {"happy": known_vector(1)}, tmp_path / "x.gguf")
    assert not list(tmp_path.iterdir())


def test_an_easysteer_request_carries_its_vectors(tmp_path: Path) -> None:
    vectors = {"happy": known_vector(1, 2), "calm": known_vector(3, name="calm")}
    write_recipe(
        parse_recipe("happy:0.5@1-2,calm~ablate/generated,happy@1~keepnorm/last"),
        vectors,
        tmp_path / "request.json",
        format="easysteer",
    )
    request = json.loads((tmp_path / "request.json").read_text(encoding="utf-8"))
    assert request["conflict"] == "sequential"
    specs = request["vectors"]
    everywhere = {"prompt": "all", "generation": "all"}
    assert [(spec["name"], spec["algorithm"], spec["scale"], spec["layers"], spec["normalize"]) for spec in specs] == [
        ("happy", "direct", 0.5, [1, 2], False),
        ("calm", "erase", 1.0, [3], False),
        ("happy", "direct", 1.0, [1], True),
    ]
    assert [spec["apply"] for spec in specs] == [everywhere, {"generation": "all"}, {"prompt_positions": [-1]}]
    wire = specs[0]["data"]
    tensors = {name: base64.b64decode(entry["data"]) for name, entry in wire["tensors"].items()}
    assert tensors == {f"layer.{layer}": vectors["happy"].layers[layer].numpy().tobytes() for layer in (1, 2)}
    # The digest as EasySteer's payloads.py computes it: kind and version, then each tensor by name.
    digest = hashlib.sha256(b"direction:1")
    for name in sorted(tensors):
        digest.update(name.encode() + f"({WIDTH},)".encode() + tensors[name])
    assert (wire["kind"], wire["version"], wire["sha256"]) == ("direction", 1, digest.hexdigest())
    for text in ("happy?calm>0", "happy~rotate", "happy:0.5~ablate", "happy/first=3"):
        with pytest.raises(UsageError):
            write_recipe(parse_recipe(text), vectors, tmp_path / "no.json", format="easysteer")


def test_an_export_replaces_a_file_and_spares_a_folder(tmp_path: Path) -> None:
    for _ in range(2):
        write_vector(known_vector(1), tmp_path / "x.svec")
    with pytest.raises(LibraryError, match="is a folder"):
        write_vector(known_vector(1), tmp_path, format="svec")
    assert [path.name for path in tmp_path.iterdir()] == ["x.svec"]


def test_the_lists_for_screens_name_each_thing_once() -> None:
    for entries in (FORMATS, PRODUCERS):
        names = [entry.id for entry in entries]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("format", [entry.id for entry in FORMATS if entry.id != "steer-tui"])
def test_a_vector_of_another_site_is_refused_where_only_block_outputs_are_known(tmp_path: Path, format: str) -> None:
    vector = known_vector(1, 2)
    vector.meta = replace(vector.meta, site="attn_out")
    with pytest.raises(UsageError, match="acts at attn_out"):
        write_vector(vector, tmp_path / "x", format=format)
    with pytest.raises(UsageError, match="acts at attn_out"):
        write_recipe(parse_recipe(vector.name), {vector.name: vector}, tmp_path / "x", format=format)
    assert not (tmp_path / "x").exists()
    assert read_vectors(write_vector(vector, tmp_path / "x.safetensors").path).vectors[0].meta.site == "attn_out"
