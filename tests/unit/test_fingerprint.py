"""The fingerprint tells weights apart, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from steer_tui.engine.fingerprint import SAMPLES, fingerprint
from steer_tui.engine.loading import load_model
from steer_tui.engine.structure import find_structure
from tests.unit.architectures import ARCHITECTURES, build_model
from tests.unit.model_files import write_model

ROOT = Path(__file__).resolve().parents[2]


def of(model: torch.nn.Module) -> str:
    return fingerprint(model, find_structure(model))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_equal_weights_agree_and_other_weights_do_not(name: str) -> None:
    assert of(build_model(name)) == of(build_model(name))
    assert of(build_model(name)) != of(build_model(name, seed=1))


def test_every_block_counts() -> None:
    model = build_model("llama")
    seen = {of(model)}
    for block in find_structure(model).blocks:
        weight = block.mlp.down_proj.weight
        with torch.no_grad():
            weight.view(-1)[weight.numel() // (2 * SAMPLES)] += 1
        seen.add(of(model))
    assert len(seen) == 4


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
def test_one_model_agrees_in_every_dtype_it_is_loaded_in(tmp_path: Path, stored: torch.dtype) -> None:
    folder = write_model(tmp_path / "m", dtype=stored)
    seen = {
        load_model(str(folder), device="cpu", dtype=dtype).info.fingerprint
        for dtype in ("float32", "bfloat16", "float16")
    }
    assert len(seen) == 1


@pytest.mark.parametrize("name", ["gpt2", "mixtral"])
def test_a_float16_load_reads_the_files_under_the_names_they_use(tmp_path: Path, name: str) -> None:
    folder = write_model(tmp_path / "m", name, dtype=torch.bfloat16)
    seen = {load_model(str(folder), device="cpu", dtype=dtype).info.fingerprint for dtype in ("bfloat16", "float16")}
    assert len(seen) == 1


def test_a_model_in_memory_agrees_with_its_files(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    assert load_model(str(folder), device="cpu").info.fingerprint == of(build_model("llama"))


def test_another_process_agrees() -> None:
    code = (
        "from tests.unit.test_fingerprint import of; from tests.unit.architectures import build_model;"
        "print(of(build_model('llama')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=280, check=True
    )
    assert ran.stdout.strip() == of(build_model("llama"))
