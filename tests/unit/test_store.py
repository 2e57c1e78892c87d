"""The library on disk: what is saved comes back, hostile files are named and never raise, a kill loses nothing."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.errors import LibraryError, ShapeMismatch, UsageError
from steer_tui.files import TEMPORARY_SUFFIX
from steer_tui.library.names import is_name
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths, find_paths
from tests.unit.made_vectors import INFO, LAYERS, MADE_FOR, WIDTH, own, vector

FLOATS = st.floats(-1e6, 1e6, allow_nan=False, width=32)
WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20)


@pytest.fixture
def store(paths: Paths) -> VectorStore:
    return VectorStore(paths)


# Saving and loading.


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    name=st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30).filter(is_name),
    rows=st.dictionaries(st.integers(0, 40), st.lists(FLOATS, min_size=5, max_size=5), min_size=1, max_size=4),
    texts=st.lists(WORDS, min_size=6, max_size=6),
    numbers=st.dictionaries(st.integers(0, 40), FLOATS, max_size=3),
)
def test_what_is_saved_is_loaded(
    tmp_path: Path, name: str, rows: dict[int, list[float]], texts: list[str], numbers: dict[int, float]
) -> None:
    store = VectorStore(find_paths(tmp_path / str(time.monotonic_ns())))
    meta = VectorMeta(
        name,
        MadeFor(id=texts[0], type=texts[1], layers=41, width=5, fingerprint=texts[2]),
        group=texts[3],
        description=texts[4],
        tags=tuple(texts[4:]),
        pairs=3,
        best_layers=tuple(rows),
        residual_norm=numbers,
        origin=numbers,
        diagnostics={layer: {"separation": number} for layer, number in numbers.items()},
        source={"producer": texts[5], "file": "x"},
        default_recipe=f"{name}:2",
        extra={"future": {"kept": [1, None, texts[5]]}},
    )
    vector = SteeringVector(name, {layer: torch.tensor(row) for layer, row in rows.items()}, meta)
    path = store.save(vector)
    loaded = store.load(path)
    assert loaded.meta == meta
    assert loaded.name == name and loaded.width == 5
    assert list(loaded.layers) == sorted(rows)
    assert all(torch.equal(loaded.layers[layer], vector.layers[layer]) for layer in rows)
    (entry,) = own(store)
    assert (entry.meta, entry.layers, entry.problem) == (meta, tuple(sorted(rows)), None)


def test_a_file_holds_what_the_contract_says(store: VectorStore, paths: Paths) -> None:
    path = store.save(vector())
    assert path == paths.vectors / "org--tiny" / "happy.safetensors"
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        assert set(file.keys()) == {"block_out.1", "block_out.3"}
        assert file.get_tensor("block_out.3").dtype == torch.float32
        meta = json.loads(file.metadata()["steer_tui"])
    assert meta["format"] == 1 and meta["model"] == MADE_FOR and meta["site"] == "block_out"
    assert {"name", "group", "description", "tags", "method", "read", "template", "pairs", "pairs_sha256"} <= set(meta)
    assert {"created", "best_layers", "residual_norm", "origin", "diagnostics", "source"} <= set(meta)


def test_saving_again_replaces_and_the_earlier_one_is_in_the_trash(store: VectorStore) -> None:
    before = store.save(vector()).read_bytes()
    path, earlier = (kept := store.keep(vector(scale=2.0))).path, kept.earlier
    assert torch.equal(store.load(path).layers[1], vector(scale=2.0).layers[1])
    assert earlier is not None and [earlier] == store.trash() and earlier.path.read_bytes() == before
    assert len(own(store)) == 1
    assert [entry.name for entry in path.parent.iterdir() if entry.name.endswith(TEMPORARY_SUFFIX)] == []


@pytest.mark.parametrize("name", ["../x", "a/b", "CON", "x" * 300, "", "\x1b[2J"])
def test_a_name_that_could_leave_the_folder_is_refused(store: VectorStore, paths: Paths, name: str) -> None:
    with pytest.raises(UsageError):
        store.save(vector(name))
    assert not paths.data.exists()


def test_names_that_differ_by_case_only_are_refused(store: VectorStore) -> None:
    store.save(vector("happy"))
    with pytest.raises(LibraryError, match="case"):
        store.save(vector("Happy"))


def test_the_file_name_is_the_vectors_name(store: VectorStore) -> None:
    path = store.save(vector())
    path.rename(path.with_name("glad.safetensors"))
    assert [entry.name for entry in own(store)] == ["glad"]
    loaded = store.load(path.with_name("glad.safetensors"))
    assert loaded.name == loaded.meta.name == "glad"


def test_two_models_of_one_name_do_not_overwrite_each_other(store: VectorStore) -> None:
    first = store.save(vector())
    second = store.save(vector(fingerprint="ff00ff00ff"))
    assert first != second
    assert store.save(vector()) == first and store.save(vector(fingerprint="ff00ff00ff")) == second
    other = replace(INFO, fingerprint="ff00ff00ff")
    for info in (INFO, other):
        assert store.vectors_for(info)["happy"].meta.model["fingerprint"] == info.fingerprint
        assert not store.load_for(info).warnings


def test_numbers_that_are_not_finite_stay_out_of_the_metadata(store: VectorStore) -> None:
    made = vector()
    made.meta = replace(made.meta, origin={1: math.nan, 3: 1.0}, diagnostics={1: {"auroc": math.inf}})
    loaded = store.load(store.save(made))
    assert loaded.meta.origin == {3: 1.0} and loaded.meta.diagnostics == {1: {}}


@pytest.mark.parametrize(
    ("layers", "error"),
    [
        ({}, UsageError),
        ({0: torch.zeros(WIDTH + 1)}, ShapeMismatch),
        ({0: torch.zeros(WIDTH), 1: torch.zeros(WIDTH + 1)}, ShapeMismatch),
        ({LAYERS: torch.zeros(WIDTH)}, ShapeMismatch),
        ({-1: torch.zeros(WIDTH)}, ShapeMismatch),
        ({0: torch.zeros(1, WIDTH)}, ShapeMismatch),
        ({0: torch.full((WIDTH,), math.nan)}, UsageError),
    ],
)
def test_a_vector_that_does_not_fit_itself_is_refused(layers: dict[int, torch.Tensor], error: type[Exception]) -> None:
    with pytest.raises(error):
        SteeringVector("x", layers, VectorMeta("x", MADE_FOR))


# Matching a model.


def test_vectors_for_a_model_are_those_made_for_it(store: VectorStore) -> None:
    store.save(vector("mine"))
    store.save(vector("renamed", id="another/name"))
    store.save(vector("other", id="another/model", fingerprint="0000"))
    found = store.vectors_for(INFO)
    assert set(found) == {"mine", "renamed"}
    assert found["mine"].meta.model == MADE_FOR


def test_another_fingerprint_is_usable_with_a_warning(store: VectorStore) -> None:
    store.save(vector(fingerprint="0000"))
    loaded = store.load_for(INFO)
    assert set(loaded.vectors) == {"happy"} and "other weights" in loaded.warnings["happy"]


@pytest.mark.parametrize("change", [{"width": WIDTH * 2}, {"layers": LAYERS + 1}])
def test_another_width_or_layer_count_is_a_problem(store: VectorStore, change: dict[str, int]) -> None:
    store.save(vector(**change))
    loaded = store.load_for(INFO)
    assert not loaded.vectors and "was made for" in loaded.problems["happy"]


def test_a_model_without_a_fingerprint_matches_by_name_only(store: VectorStore) -> None:
    store.save(vector(id="another/model", fingerprint=""))
    assert not store.vectors_for(replace(INFO, fingerprint=""))


def test_the_users_own_vector_wins_over_the_bundled_one(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = find_paths(tmp_path / "shipped")
    VectorStore(shipped).save(vector(scale=1.0))
    VectorStore(shipped).save(vector("sad"))
    monkeypatch.setattr("steer_tui.library.store.bundled", lambda _: shipped.vectors)
    store = VectorStore(paths)
    assert [entry.bundled for entry in store.list()] == [True, True]
    path = store.save(vector(scale=7.0))
    loaded = store.load_for(INFO)
    assert loaded.entries["happy"].path == path and loaded.entries["sad"].bundled
    assert torch.equal(loaded.vectors["happy"].layers[1], vector(scale=7.0).layers[1])
    path.write_bytes(path.read_bytes()[:-1])
    loaded = store.load_for(INFO)
    assert loaded.entries["happy"].bundled, "the bundled one steps in for a damaged one"
    assert "cut short" in loaded.warnings["happy"]


def test_a_list_can_be_narrowed_to_a_model(store: VectorStore) -> None:
    store.save(vector("a"))
    store.save(vector("b", id="another/model"))
    for model in ("org/tiny", "org--tiny"):
        assert [entry.name for entry in store.list(model)] == ["a"]


# Accidents while writing.


def test_a_full_disk_leaves_the_old_file(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.save(vector())
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("steer_tui.files.os.fsync", full)
    with pytest.raises(LibraryError, match="No space left") as failed:
        store.save(vector(scale=2.0))
    assert failed.value.hint
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_writer_waits_for_another_and_then_gives_up(
    store: VectorStore, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr("steer_tui.library.keeper.LOCK_SECONDS", 0.2)
    store.save(vector())
    with FileLock(paths.vectors / ".lock"), pytest.raises(LibraryError, match="another program"):
        VectorStore(paths).save(vector(scale=2.0))
    store.save(vector(scale=3.0))


WRITER = """
import sys
from pathlib import Path
import torch
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.library.store import VectorStore
from steer_tui.paths import find_paths

made_for = MadeFor(id="m", type="t", layers=4, width=20_000, fingerprint="f")
store = VectorStore(find_paths(Path(sys.argv[1])))
for turn in range(int(sys.argv[2])):
    layers = {layer: torch.full((20_000,), float(turn)) for layer in range(4)}
    store.save(SteeringVector("v", layers, VectorMeta("v", made_for, pairs=turn)))
    print(turn, flush=True)
"""


def start_writer(home: Path, turns: int) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WRITER, str(home), str(turns)]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)


def test_a_kill_at_any_instant_leaves_a_whole_file(tmp_path: Path) -> None:
    store = VectorStore(find_paths(tmp_path))
    for delay in (0.0, 0.003, 0.011, 0.027):
        writer = start_writer(tmp_path, 10_000)
        assert writer.stdout is not None
        first = writer.stdout.readline()
        assert first, "the writer runs"
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=280)
        (entry,) = own(store)
        assert entry.problem is None and entry.meta is not None
        loaded = store.load(entry.path)
        assert {float(value) for tensor in loaded.layers.values() for value in tensor.unique()} == {entry.meta.pairs}
    store.save(vector("v", id="m", fingerprint="f"))
    assert [path.name for path in entry.path.parent.iterdir()] == ["v.safetensors"], "the next writer clears up"


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, 15), start_writer(tmp_path, 15)]
    for writer in writers:
        writer.communicate(timeout=280)
        assert writer.returncode == 0
    store = VectorStore(find_paths(tmp_path))
    (entry,) = own(store)
    assert entry.meta is not None and entry.meta.pairs == 14
    assert store.load(entry.path).layers[0][0] == 14
