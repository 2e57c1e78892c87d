"""Seconds to list a library of many vectors: the first time, when each file is opened, and later ones.

    PYTHONPATH=. python tests/bench/list_vectors.py [--files 10000] [--layers 12] [--json]

The library is made in a folder of its own. `floor` opens each file and parses its header as JSON, no more; `first`
checks every header and enters it in the index, `again` compares every file with the index, `catalogue` also sorts and
matches for a model, `command` is the whole of `vectors list`. The target is one second for 10,000 vectors.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from steer_tui.engine.types import ModelInfo
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.library import index
from steer_tui.library.seal import with_metadata
from steer_tui.library.store import VectorStore
from steer_tui.paths import find_paths

WIDTH = 64
MEASURES = ("separation", "consistency", "split_half", "auroc", "reversed", "relative_norm")


def fill(home: Path, files: int, layers: int) -> ModelInfo:
    """Write vectors with all the metadata that extraction gives them."""
    made_for = MadeFor(id="org/bench", type="llama", layers=layers, width=WIDTH, fingerprint="0123456789abcdef")
    figures = {layer: 1.2345678901234567 * (layer + 1) for layer in range(layers)}
    meta = VectorMeta(
        "first",
        made_for,
        group="moods",
        description="Joy and good cheer in everyday things",
        read="mean of all tokens",
        pairs=28,
        pairs_sha256="0" * 64,
        created="2026-01-01T00:00:00+00:00",
        best_layers=(1, 2),
        residual_norm=figures,
        origin=figures,
        diagnostics={layer: dict.fromkeys(MEASURES, figure) for layer, figure in figures.items()},
    )
    vector = SteeringVector("first", {layer: torch.ones(WIDTH) for layer in range(layers)}, meta)
    path = VectorStore(find_paths(home)).save(vector)
    data = path.read_bytes()
    for number in range(1, files):
        name = f"vector{number}"
        path.with_name(f"{name}.safetensors").write_bytes(with_metadata(data, replace(meta, name=name)))
    return ModelInfo("x", "org/bench", "llama", layers, WIDTH, 1, "cpu", "float32", "0123456789abcdef", 64, False)


def seconds(work: Callable[[], object], times: int = 1) -> tuple[float, float]:
    """Return how long a call takes at best, by the clock and of the processor, its children's included."""
    found: list[tuple[float, float]] = []
    for _ in range(times):
        began, used = time.perf_counter(), sum(os.times()[:4])
        work()
        found.append((time.perf_counter() - began, sum(os.times()[:4]) - used))
    return min(found)


def floor(home: Path) -> None:
    """Do the least that reading every header takes."""
    for path in (home / "data" / "vectors" / "org--bench").iterdir():
        if path.suffix == ".safetensors":
            with path.open("rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            json.loads(header["__metadata__"]["steer_tui"])


def command(home: Path, *arguments: str) -> None:
    """Run `vectors list` as a person does."""
    line = [sys.executable, "-m", "steer_tui", "--data-dir", str(home), "vectors", "list", *arguments]
    subprocess.run(line, stdout=subprocess.DEVNULL, check=True)


def main() -> int:
    """Make the library, list it and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        info = fill(home, asked.files, asked.layers)
        time.sleep(index.SETTLED_NS / 1e9 + 0.2)  # as a library is that was not written this very moment
        least = seconds(lambda: floor(home))
        first = seconds(VectorStore(find_paths(home)).list)
        store = VectorStore(find_paths(home))
        times = {
            "floor": least,
            "first": first,
            "again": seconds(store.list, 3),
            "catalogue": seconds(lambda: store.catalogue(info), 3),
            "command": seconds(lambda: command(home)),
            "command --json": seconds(lambda: command(home, "--json")),
        }
        assert len(store.catalogue(info)) >= asked.files
    if asked.json:
        kinds = {name: {"wall": wall, "processor": used} for name, (wall, used) in times.items()}
        print(json.dumps({"files": asked.files, "layers": asked.layers, "seconds": kinds}))
        return 0
    print(f"{asked.files} vectors of {asked.layers} layers")
    for name, (wall, used) in times.items():
        print(f"{name:16}{wall:7.2f} s by the clock, {used:5.2f} s of the processor")
    return 0


if __name__ == "__main__":
    sys.exit(main())
