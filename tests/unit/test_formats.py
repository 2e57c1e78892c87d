"""Each foreign format by itself: what is read is what its tool means, and what is written comes back exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from steer_tui.engine.vectormeta import MadeFor
from steer_tui.errors import LibraryError, UsageError
from steer_tui.library.formats.catalogue import FORMATS
from steer_tui.library.formats.registry import Imported, read_vectors, write_vector
from tests.unit.foreign_files import (
    FLOAT32,
    INT32,
    LAYERS,
    MODEL,
    STRING,
    UINT32,
    WIDTH,
    control_vector,
    known_vector,
    latents,
    lm_eval,
    pt,
    rows,
    same,
    samples,
    steering_lite,
    svec,
)

ROWS = rows()


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def call(data: bytes, file: str = "glad.bin", **said: Any) -> Imported:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return read_vectors(path, **{"model": MODEL, **said})

    return call


ROUND_TRIPS = [entry.id for entry in FORMATS if entry.can_import and entry.can_export]


@pytest.mark.parametrize("format", ROUND_TRIPS)
def test_what_is_written_is_read_back_to_the_last_bit(tmp_path: Path, format: str) -> None:
    made = known_vector(3) if format in ("caa", "lm-eval") else known_vector(1, 2, 4, 5)
    made.layers[next(iter(made.layers))][:4] = torch.tensor([1e-38, -3.4e18, 1 / 3, 2.0**-149])
    written = write_vector(made, tmp_path / "vec_layer_3.x", format=format)
    (found,) = read_vectors(tmp_path / "vec_layer_3.x", model=MODEL).vectors
    assert same(found, made.layers)
    assert written.layers == tuple(made.layers)


@pytest.mark.parametrize("format", ["gguf", "svec", "steer-tui", "steering-lite", "latents"])
def test_what_is_known_of_a_vector_travels_with_it_where_the_format_has_room(tmp_path: Path, format: str) -> None:
    made = known_vector(1, 2)
    write_vector(made, tmp_path / "x", format=format)
    (found,) = read_vectors(tmp_path / "x", name="happy").vectors
    source = {"producer": "steer-tui", "file": "x"}
    assert found.meta.to_json() == made.meta.to_json() | {"source": source}


GGUF_HEADERS = {
    "repeng": (dict(count=(UINT32, 5)), rows(1, 2, 3, 4, 5), 0),
    "llama.cpp": (dict(count=(INT32, 5)), rows(1, 2, 3, 4, 5), -1),
    "jukofyork": (dict(count=(UINT32, 6)), rows(2, 3, 4, 5), -1),
    "easysteer": (dict(count=(UINT32, 6), method=(STRING, "lat"), normalize=(FLOAT32, 1.0)), rows(0, 1, 2, 3, 4, 5), 0),
}


@pytest.mark.parametrize("producer", GGUF_HEADERS)
def test_a_control_vector_is_placed_by_its_producer_s_custom(read: Any, producer: str) -> None:
    header, made, offset = GGUF_HEADERS[producer]
    found = read(control_vector(made, **header))
    assert found.vectors[0].meta.source == {"producer": producer, "file": "glad.bin"}
    assert same(found.vectors[0], {layer + offset: row for layer, row in made.items()})
    assert any("direction.N" in note for note in found.notes)


def test_an_unfamiliar_control_vector_is_a_question_that_producer_or_offset_answers(read: Any) -> None:
    data = control_vector(rows(2, 3), None)
    asked = read(data)
    assert asked.vectors == () and asked.question is not None and asked.question.kind == "producer"
    for choice in asked.question.choices:
        assert read(data, producer=choice.producer).question is None
    assert list(read(data, producer="repeng").vectors[0].layers) == [2, 3]
    assert list(read(data, producer="llama.cpp").vectors[0].layers) == [1, 2]
    assert list(read(data, layer_offset=1).vectors[0].layers) == [3, 4]
    assert list(read(data, producer="llama.cpp", layer_offset=0).vectors[0].layers) == [2, 3], "the offset is said"
    with pytest.raises(UsageError, match="no producer"):
        read(data, producer="nobody")


@pytest.mark.parametrize(("file", "producer"), [("repeng.gguf", "caa"), ("ibm.svec", "repeng"), ("layers.pt", "ibm")])
def test_a_producer_that_writes_no_such_file_is_refused(read: Any, file: str, producer: str) -> None:
    with pytest.raises(LibraryError, match="does not write"):
        read(samples()[file], producer=producer)


def test_half_precision_is_widened_exactly(read: Any) -> None:
    made = {layer: row.half() for layer, row in ROWS.items()}
    assert same(read(control_vector(made, (UINT32, 5))).vectors[0], {layer: row.float() for layer, row in made.items()})
    assert same(read(pt(made)).vectors[0], {layer: row.float() for layer, row in made.items()})


def test_float64_is_rounded_and_says_so(read: Any) -> None:
    made = {layer: row.double() / 3 for layer, row in ROWS.items()}
    found = read(pt(made))
    assert same(found.vectors[0], {layer: row.float() for layer, row in made.items()})
    assert "its float64 numbers were rounded to float32" in found.notes
    exact = read(svec(ROWS))
    assert same(exact.vectors[0], ROWS) and not any("rounded" in note for note in exact.notes)


def test_both_versions_of_svec_mean_the_block_that_was_read(read: Any) -> None:
    for data, producer in ((svec(ROWS), "ibm"), (svec(ROWS, nested=True, meta={"package": "1"}), "aisteer360")):
        found = read(data)
        assert same(found.vectors[0], ROWS)
        assert found.vectors[0].meta.source == {"producer": producer, "file": "glad.bin"}
        assert any("input of block L" in note for note in found.notes)


def test_planes_positions_and_heads_are_refused_in_words(read: Any) -> None:
    plane = {"model_type": "llama", "directions": {"1": [[1.0, 2.0], [3.0, 4.0]]}}
    with pytest.raises(LibraryError, match="2 directions for layer"):
        read(json.dumps(plane).encode())
    with pytest.raises(LibraryError, match="attention heads"):
        read(svec(ROWS, num_heads=4))


def test_steering_vectors_is_read_as_dictionary_in_both_forms(read: Any) -> None:
    assert same(read(pt(ROWS)).vectors[0], ROWS)
    assert same(read(pt({"layer_activations": ROWS, "layer_type": "decoder_block"})).vectors[0], ROWS)
    assert same(read(pt({str(layer): row for layer, row in ROWS.items()})).vectors[0], ROWS)
    with pytest.raises(LibraryError, match="mlp"):
        read(pt({"layer_activations": ROWS, "layer_type": "mlp"}))


@pytest.mark.parametrize(
    ("file", "producer", "name"),
    [
        ("sycophancy/vec_layer_4_Llama-2.pt", "caa", "sycophancy"),
        ("sycophancy/vec_layer_4.pt", "caa", "sycophancy"),
        ("joy/layer_4.pt", "easyedit", "joy"),
        ("task_vector_layer-4.pt", "unknown", "task_vector"),
    ],
)
def test_a_bare_tensor_finds_its_block_in_its_file_s_name(read: Any, file: str, producer: str, name: str) -> None:
    (found,) = read(pt(ROWS[4]), file).vectors
    assert same(found, {4: ROWS[4]}) and found.name == name and found.meta.best_layers == (4,)
    assert found.meta.source == {"producer": producer, "file": Path(file).name}


def test_a_refusal_direction_acts_at_the_input_of_its_layer(read: Any, tmp_path: Path) -> None:
    (tmp_path / "direction_metadata.json").write_text('{"pos": -2, "layer": 4}', encoding="utf-8")
    found = read(pt(ROWS[4].double()), "direction.pt")
    assert same(found.vectors[0], {3: ROWS[4]}) and found.vectors[0].meta.source is not None
    assert found.vectors[0].meta.source["producer"] == "refusal-direction"
    for damaged in ('{"pos": -2}', "[]", '{"layer": "../4"}', "x"):
        (tmp_path / "direction_metadata.json").write_text(damaged, encoding="utf-8")
        with pytest.raises(LibraryError, match="beside it"):
            read(pt(ROWS[4]), "direction.pt")


def test_a_bare_tensor_without_a_word_about_its_block_is_a_question(read: Any) -> None:
    asked = read(pt(ROWS[4]), "thing.pt")
    assert asked.vectors == () and asked.question is not None and asked.question.kind == "layer"
    assert same(read(pt(ROWS[4]), "thing.pt", layer_offset=2).vectors[0], {2: ROWS[4]})


def test_a_matrix_is_read_by_its_number_of_rows(read: Any) -> None:
    blocks = torch.stack(list(rows(*range(LAYERS)).values()))
    assert same(read(pt(blocks)).vectors[0], dict(enumerate(blocks)))
    states = torch.cat([torch.ones(1, WIDTH), blocks])
    found = read(pt(states)).vectors[0]
    assert same(found, dict(enumerate(blocks))) and found.meta.source is not None
    assert found.meta.source["producer"] == "persona-vectors"
    assert read(pt(states), model=None).question is not None
    assert same(read(pt(states), model=None, producer="persona-vectors").vectors[0], dict(enumerate(blocks)))


def test_mean_differences_become_one_vector_for_each_position(read: Any) -> None:
    by_position = torch.randn(3, LAYERS, WIDTH, dtype=torch.float64)
    found = read(pt(by_position), "mean_diffs.pt")
    assert [vector.name for vector in found.vectors] == ["mean_diffs-3", "mean_diffs-2", "mean_diffs-1"]
    assert same(found.vectors[1], {layer - 1: by_position[1, layer].float() for layer in range(1, LAYERS)})
    assert [vector.name for vector in read(pt(by_position), name="no").vectors] == ["no-1", "no-2", "no-3"]


def test_the_harness_s_coefficients_are_multiplied_in(read: Any) -> None:
    assert same(read(lm_eval({2: ROWS[2]}, 2.0)).vectors[0], {2: ROWS[2] * 2})
    for changes, says in (({"action": "clamp"}, "not a plain add"), ({"bias": ROWS[1]}, "not a plain add")):
        with pytest.raises(LibraryError, match=says):
            read(lm_eval({2: ROWS[2]}, **changes))
    with pytest.raises(LibraryError, match="output of a block"):
        read(pt({"layers.2.mlp": {"steering_vector": ROWS[2], "action": "add"}}))


def test_steering_lite_keeps_its_coefficient_as_a_remark(read: Any) -> None:
    found = read(steering_lite(ROWS, coeff=2.5))
    assert same(found.vectors[0], ROWS) and found.vectors[0].meta.method == "mean_diff"
    assert any("strength 2.5" in note for note in found.notes)
    assert any("more than add" in note for note in read(steering_lite(ROWS, method="spherical")).notes)
    for config in ({"target": "mlp_out"}, {"target_submodule": "mlp.down_proj"}):
        with pytest.raises(LibraryError, match="output of a block"):
            read(steering_lite(ROWS, **config))


def test_latents_says_its_model_and_recommended_layers(read: Any) -> None:
    found = read(latents(ROWS, target_layers_recommended=[4, 5, 99, "x"], direction="late - early"), model=None)
    meta = found.vectors[0].meta
    assert same(found.vectors[0], ROWS) and meta.best_layers == (4, 5) and meta.description == "late - early"
    assert meta.model == MadeFor(id=f"gpt2-{LAYERS}x{WIDTH}", type="", layers=LAYERS, width=WIDTH, fingerprint="")


def test_a_vector_that_does_not_fit_is_of_another_model_or_refused(read: Any) -> None:
    wide = MadeFor(**{**MODEL, "id": "org/wide", "width": 32})
    shallow = MadeFor(**{**MODEL, "id": "org/shallow", "layers": 3})
    for model, says in ((wide, "has width 16, org/wide has 32"), (shallow, "block 5, org/shallow has blocks 0-2")):
        found = read(pt(ROWS), model=model)
        assert found.vectors[0].meta.model["id"] == f"unknown-{LAYERS}x{WIDTH}"
        assert any(f"cannot steer {model['id']}" in note for note in found.notes)
        with pytest.raises(LibraryError, match=says):
            read(pt(ROWS), model=model, insist=True)


def test_a_file_that_names_another_model_is_not_taken_for_this_one(read: Any, tmp_path: Path) -> None:
    write_vector(known_vector(1, 2), tmp_path / "x.gguf")
    twin = MadeFor(**{**MODEL, "id": "org/twin", "fingerprint": "cd34"})
    data = (tmp_path / "x.gguf").read_bytes()
    assert read(data, model=twin).vectors[0].meta.model == MODEL, "its own word holds where nothing is insisted on"
    forced = read(data, model=twin, insist=True)
    assert forced.vectors[0].meta.model == twin and any("other weights" in note for note in forced.notes)
    assert any("says it was made for llama" in note for note in read(svec(ROWS), model={**MODEL, "type": "gpt2"}).notes)


def test_zeros_and_what_lies_before_the_first_block_are_left_out(read: Any) -> None:
    made = {**rows(0, 1, 2), 3: torch.zeros(WIDTH)}
    found = read(pt(made), layer_offset=-1)
    assert same(found.vectors[0], {0: made[1], 1: made[2]})
    assert {"1 direction of zeros only left out", "1 direction before the first block left out"} <= set(found.notes)
    for data, offset in ((pt({1: torch.zeros(WIDTH)}), 0), (pt(rows(0)), -1)):
        with pytest.raises(LibraryError):
            read(data, layer_offset=offset)


def test_a_hostile_name_is_made_a_plain_one(read: Any) -> None:
    hostile = "\x1b[31m../../etc/passwd\n[/]"
    made = json.dumps({"model_type": hostile, "directions": {"1": [1.0, 2.0]}}).encode()
    found = read(made, "‮[b] x;CON.svec", model=None)
    (only,) = found.vectors
    assert only.name == "b-x-CON" and only.meta.model["id"] == "31m..--..--etc--passwd-2x2"
    assert all(note.isprintable() for note in found.notes) and only.meta.model["type"].isprintable()
    with pytest.raises(UsageError):
        read(made, name="../x")
