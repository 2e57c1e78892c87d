"""Vector files that other tools wrote, found by STEER_TUI_TEST_INTERCHANGE or beside the checkout; skipped without."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from steer_tui.errors import LibraryError
from steer_tui.library.formats.registry import read_vectors
from tests.conftest import ROOT

VARIABLE = "STEER_TUI_TEST_INTERCHANGE"


@pytest.fixture(scope="module")
def folder() -> Path:
    found = Path(os.environ.get(VARIABLE) or ROOT.parent / "shared" / "interchange")
    if not found.is_dir():
        pytest.skip(f"no foreign files: {VARIABLE} names no folder")
    return found


@pytest.mark.parametrize(
    ("file", "method"),
    [("easysteer__vectors_happy_diffmean", "diffmean"), ("easysteer__replications_cast_refuse-pca", "center")],
)
def test_easysteer_s_control_vectors_are_read_with_block_0(folder: Path, file: str, method: str) -> None:
    found = read_vectors(folder / f"{file}.gguf")
    (vector,) = found.vectors
    assert list(vector.layers) == list(range(28)) and vector.width == 1536 and vector.meta.method == method
    assert vector.meta.source == {"producer": "easysteer", "file": f"{file}.gguf"}
    gguf = pytest.importorskip("gguf")
    for tensor in gguf.GGUFReader(folder / f"{file}.gguf").tensors:
        layer = int(tensor.name.removeprefix("direction."))
        assert torch.equal(vector.layers[layer], torch.from_numpy(tensor.data.copy()))


def test_latents_json_is_read_exactly(folder: Path) -> None:
    path = folder / "latents_gpt2__temporal_steering.json"
    (vector,) = read_vectors(path).vectors
    said = json.loads(path.read_text(encoding="utf-8"))["layer_vectors"]
    assert {str(layer): row.double().tolist() for layer, row in vector.layers.items()} == {
        layer: torch.tensor(row, dtype=torch.float64).float().double().tolist() for layer, row in said.items()
    }
    assert vector.width == 768 and vector.meta.model["layers"] == 12 and vector.meta.model["id"] == "gpt2-12x768"


def test_a_bare_tensor_is_read_at_the_block_its_name_says(folder: Path) -> None:
    path = folder / "easysteer__replications_sharp_task_vector_layer-10.pt"
    (vector,) = read_vectors(path).vectors
    assert list(vector.layers) == [10]
    assert torch.equal(vector.layers[10], torch.load(path, weights_only=True).float())


def test_a_pickled_array_is_refused_with_the_reason(folder: Path) -> None:
    with pytest.raises(LibraryError, match="would run numpy") as caught:
        read_vectors(folder / "easysteer__replications_sae_entities_james.pt")
    assert caught.value.hint is not None and "torch.save" in caught.value.hint
