"""Exports in the readers of the tools they are for, where those are installed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy
import pytest
import torch

from steer_tui import LanguageModel
from steer_tui.library.formats.registry import read_vectors, write_vector
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths
from tests.unit.foreign_files import rows
from tests.unit.made_vectors import vector


def test_the_gguf_package_reads_an_exported_control_vector(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    made = vector()
    write_vector(made, tmp_path / "x.gguf")
    reader = gguf.GGUFReader(tmp_path / "x.gguf")
    fields = {key: reader.get_field(key).contents() for key in ("general.architecture", "controlvector.model_hint")}
    assert fields == {"general.architecture": "controlvector", "controlvector.model_hint": "llama"}
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert list(found) == [f"direction.{layer}" for layer in made.layers]
    for layer, row in made.layers.items():
        tensor = found[f"direction.{layer}"]
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32 and list(tensor.shape) == [len(row)]
        assert torch.equal(torch.from_numpy(tensor.data.copy()), row)


def test_what_the_gguf_package_writes_as_repeng_does_is_read_exactly(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    made = rows()
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", len(made))
    for layer, row in made.items():
        writer.add_tensor(f"direction.{layer}", row.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (found,) = read_vectors(tmp_path / "x.gguf").vectors
    assert found.meta.source is not None and found.meta.source["producer"] == "repeng"
    assert found.layers.keys() == made.keys() and all(torch.equal(found.layers[at], row) for at, row in made.items())


def test_repeng_reads_an_exported_control_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy, "float_", numpy.float64, raising=False)  # repeng 0.4 names it, numpy 2 no longer has it
    repeng = pytest.importorskip("repeng")
    made = vector()
    write_vector(made, tmp_path / "x.gguf")
    found = repeng.ControlVector.import_gguf(tmp_path / "x.gguf")
    assert found.model_type == "llama" and found.directions.keys() == made.layers.keys()
    for layer, row in made.layers.items():
        assert torch.equal(torch.from_numpy(found.directions[layer].copy()), row)


def test_steering_vectors_takes_an_exported_dictionary(tmp_path: Path) -> None:
    steering_vectors = pytest.importorskip("steering_vectors")
    made = vector()
    write_vector(made, tmp_path / "x.pt")
    saved = torch.load(tmp_path / "x.pt", weights_only=True)
    found = steering_vectors.SteeringVector(saved)
    assert all(torch.equal(found.layer_activations[layer], row) for layer, row in made.layers.items())


@pytest.mark.parametrize("peer", ["repeng", "steering_vectors"])
def test_another_program_steers_with_an_export_as_this_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: Paths, peer: str
) -> None:
    monkeypatch.setattr(numpy, "float_", numpy.float64, raising=False)
    module = pytest.importorskip(peer)
    lm = LanguageModel.load("demo")
    made = VectorStore(paths).vectors_for(lm.info)["happy"]
    made.layers.pop(0, None)
    hooks = [(f"blocks.{layer}.hook_resid_post", partial(_add, row)) for layer, row in made.layers.items()]
    ours = lm.run_with_hooks("The meeting went on", fwd_hooks=hooks, return_type="logits")
    plain = lm.run_with_hooks("The meeting went on", return_type="logits")
    ids = lm.tokenizer("The meeting went on", return_tensors="pt").input_ids
    if peer == "repeng":
        write_vector(made, tmp_path / "x.gguf")
        model = module.ControlModel(lm.model, list(made.layers))
        model.set_control(module.ControlVector.import_gguf(tmp_path / "x.gguf"), 1.0)
        theirs = model(ids).logits
    else:
        write_vector(made, tmp_path / "x.pt")
        with module.SteeringVector(torch.load(tmp_path / "x.pt", weights_only=True)).apply(lm.model):
            theirs = lm.model(ids).logits
    assert torch.allclose(theirs, ours, atol=1e-5) and not torch.allclose(plain, ours, atol=1e-2)


def _add(row: torch.Tensor, activation: torch.Tensor, hook: object) -> torch.Tensor:
    return activation + row.to(activation)
