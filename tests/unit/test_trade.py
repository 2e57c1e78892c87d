"""Foreign files into the library and vectors out of it, a line for each."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from steer_tui.engine.vectormeta import MadeFor
from steer_tui.errors import RecipeError, UsageError
from steer_tui.library.formats.registry import write_vector
from steer_tui.library.store import VectorStore
from steer_tui.library.trade import ImportResult, export_recipe, import_files
from steer_tui.paths import Paths
from tests.unit.foreign_files import LAYERS, UINT32, WIDTH, control_vector, gguf, pt, rows, samples, svec
from tests.unit.made_vectors import vector

MODEL = MadeFor(id="org/tiny", type="llama", layers=LAYERS, width=WIDTH, fingerprint="ab12cd34ef")
ROWS = rows()


@pytest.fixture
def store(paths: Paths) -> VectorStore:
    return VectorStore(paths)


def written(folder: Path, **files: bytes) -> list[Path]:
    """Write files named by keyword, `__` for a dot and `___` for a slash; return their paths."""
    paths = [folder / name.replace("___", "/").replace("__", ".") for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return paths


def only(results: list[ImportResult]) -> ImportResult:
    (result,) = results
    return result


def test_a_file_is_kept_for_the_model_in_use(store: VectorStore, paths: Paths, tmp_path: Path) -> None:
    result = only(import_files(written(tmp_path, glad__gguf=control_vector(ROWS, (UINT32, 5))), store, model=MODEL))
    assert result.is_kept and result.names == ("glad",)
    assert result.saved == (paths.vectors / "org--tiny" / "glad.safetensors",)
    assert result.line == "glad.gguf: kept as glad for org/tiny, blocks 1-5, from repeng"
    found = store.load(result.saved[0])
    assert all(torch.equal(found.layers[layer], row) for layer, row in ROWS.items())
    assert found.meta.model == MODEL and found.meta.source == {"producer": "repeng", "file": "glad.gguf"}
    json.dumps(result.to_json())


def test_a_bad_file_costs_that_file_only(store: VectorStore, tmp_path: Path) -> None:
    files = written(tmp_path, a__svec=svec(ROWS), b__pt=b"\x80\x04", c__gguf=gguf({}), d__pt=pt(ROWS[1]))
    files.append(tmp_path / "absent.gguf")
    results = import_files(files, store, model=MODEL)
    assert [result.path for result in results] == files
    assert [result.is_kept for result in results] == [True, False, False, False, False]
    assert [result.error is not None for result in results] == [False, True, True, False, True]
    assert results[3].question is not None and results[3].hint == "say which block it belongs to: --layer-offset K"
    assert all(result.line.startswith(result.path.name) and result.line.isprintable() for result in results)
    assert len([entry for entry in store.list() if not entry.bundled]) == 1


def test_the_files_of_one_vector_s_layers_become_that_vector(store: VectorStore, tmp_path: Path) -> None:
    files = written(tmp_path, **{f"joy___vec_layer_{layer}_Llama__pt": pt(ROWS[layer]) for layer in (4, 1, 2)})
    results = import_files(files, store, model=MODEL)
    assert {result.names for result in results} == {("joy",)} and len({result.saved for result in results}) == 1
    found = store.load(results[0].saved[0])
    assert list(found.layers) == [1, 2, 4] and all(torch.equal(found.layers[at], ROWS[at]) for at in (1, 2, 4))
    assert found.meta.source == {"producer": "caa", "file": "vec_layer_4_Llama.pt and 2 more"}


def test_layers_of_several_folders_stay_apart_and_a_layer_twice_is_refused(store: VectorStore, tmp_path: Path) -> None:
    files = written(
        tmp_path, joy___layer_1__pt=pt(ROWS[1]), awe___layer_1__pt=pt(ROWS[2]), awe___layer_2__pt=pt(ROWS[3])
    )
    assert [result.names for result in import_files(files, store, model=MODEL)] == [("joy",), ("awe",), ("awe",)]
    twice = written(tmp_path, new___vec_layer_1_a__pt=pt(ROWS[1]), new___vec_layer_1_b__pt=pt(ROWS[2]))
    results = import_files(twice, store, model=MODEL)
    assert results[0].is_kept and results[1].error == "holds layer 1 of new, as vec_layer_1_a.pt does"


def test_nothing_in_the_library_is_written_over(store: VectorStore, tmp_path: Path) -> None:
    kept = store.save(vector("glad"))
    before = kept.read_bytes()
    made_for = vector().meta.model
    files = written(tmp_path, glad__svec=svec({1: torch.ones(made_for["width"])}))
    result = only(import_files(files, store, model=made_for))
    assert result.error is not None and "glad" in result.error and not result.is_kept
    assert kept.read_bytes() == before
    assert only(import_files(files, store, model=made_for, name="gladder")).names == ("gladder",)


def test_a_name_is_checked_and_is_one_vector_s(store: VectorStore, tmp_path: Path) -> None:
    files = written(tmp_path, a__svec=svec(ROWS), b__svec=svec(ROWS))
    for name in ("../x", "a/b", "CON", "", "x" * 300):
        with pytest.raises(UsageError):
            import_files(files[:1], store, model=MODEL, name=name)
    with pytest.raises(UsageError, match="2 vectors, and one name"):
        import_files(files, store, model=MODEL, name="x")
    assert not [entry for entry in store.list() if not entry.bundled]
    assert only(import_files(files[:1], store, model=MODEL, name="x")).names == ("x",)


def test_a_hostile_file_name_is_stored_safely(store: VectorStore, paths: Paths, tmp_path: Path) -> None:
    for name in ("[b]\x1b[2J.svec", "‮gnp.svec", "a" * 240 + ".svec", "😀.svec", "CON.svec", "..svec"):
        path = tmp_path / name
        path.write_bytes(svec(ROWS))
        result = only(import_files([path], store, model=MODEL))
        assert result.line.isprintable()
        assert result.is_kept or (result.error is not None and "unnamed" in result.error)
        assert all(saved.parent == paths.vectors / "org--tiny" for saved in result.saved)
    assert all(entry.problem is None for entry in store.list())


def test_a_vector_of_another_model_is_kept_apart_or_refused(store: VectorStore, paths: Paths, tmp_path: Path) -> None:
    files = written(tmp_path, wide__svec=svec({1: torch.ones(32)}))
    refused = only(import_files(files, store, model=MODEL, insist=True))
    assert refused.error == "has width 32, org/tiny has 16" and refused.hint is not None
    result = only(import_files(files, store, model=MODEL))
    assert result.saved[0].parent == paths.vectors / "llama-2x32"
    assert any("cannot steer org/tiny" in note for note in result.notes)
    assert [entry.problem for entry in store.list("llama-2x32")] == [None]


def test_an_answer_settles_a_question(store: VectorStore, tmp_path: Path) -> None:
    files = written(tmp_path, odd__gguf=control_vector(rows(2, 3), None))
    asked = only(import_files(files, store, model=MODEL))
    assert asked.question is not None and not asked.is_kept and asked.error is None
    answered = only(import_files(files, store, model=MODEL, producer=asked.question.choices[1].producer))
    assert list(store.load(answered.saved[0]).layers) == [1, 2]
    assert store.load(answered.saved[0]).meta.source == {"producer": "llama.cpp", "file": "odd.gguf"}


def test_every_sample_is_kept_and_listed_without_a_problem(store: VectorStore, tmp_path: Path) -> None:
    for name, data in samples().items():
        (tmp_path / name).write_bytes(data)
    results = import_files(sorted(tmp_path.glob("*.*")), store, model=MODEL)
    assert [result.error for result in results] == [None] * len(results)
    own = [entry for entry in store.list() if not entry.bundled]
    assert len(own) == len(results) and all(entry.problem is None for entry in own)
    assert store.verify().is_clean


def test_two_imports_at_once_lose_nothing(store: VectorStore, tmp_path: Path) -> None:
    files = written(tmp_path, **{f"v{number}__svec": svec(rows(1, seed=number)) for number in range(8)})
    results: list[ImportResult] = []
    threads = [
        threading.Thread(target=lambda part=part: results.extend(import_files(part, store, model=MODEL)))  # type: ignore[misc]
        for part in (files[:4], files[4:])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for result in results for name in result.names) == [f"v{number}" for number in range(8)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_library_that_may_not_be_written_says_so(store: VectorStore, paths: Paths, tmp_path: Path) -> None:
    paths.vectors.mkdir(parents=True)
    paths.vectors.chmod(0o500)
    assert only(import_files(written(tmp_path, a__svec=svec(ROWS)), store, model=MODEL)).error is not None


def test_a_name_exports_all_blocks_and_a_recipe_what_it_adds(tmp_path: Path) -> None:
    vectors = {"happy": vector("happy"), "calm": vector("calm", scale=0.5)}
    result = export_recipe("happy", tmp_path / "x.svec", vectors)
    assert (result.format, result.layers) == ("svec", (1, 3)) and result.line.endswith("x.svec: svec, blocks 1+3")
    best = export_recipe("happy:2", tmp_path / "y.svec", vectors)
    assert best.layers == (3,)
    assert export_recipe("happy:0.7,calm@1", tmp_path / "z.gguf", vectors).layers == (1, 3)
    assert export_recipe("happy", tmp_path / "r.json", vectors, format="easysteer").layers == (3,)
    json.dumps(result.to_json())
    for text, error in (("nobody", RecipeError), ("happy:", RecipeError), ("", UsageError)):
        with pytest.raises(error):
            export_recipe(text, tmp_path / "no.gguf", vectors)
    assert not (tmp_path / "no.gguf").exists()


def test_out_and_in_again_is_the_same_vector(store: VectorStore, tmp_path: Path) -> None:
    made: Any = vector("glad")
    write_vector(made, tmp_path / "glad.gguf")
    result = only(import_files([tmp_path / "glad.gguf"], store, model=made.meta.model))
    found = store.load(result.saved[0])
    assert all(torch.equal(found.layers[layer], row) for layer, row in made.layers.items())
    assert found.meta.to_json() == made.meta.to_json() | {"source": {"producer": "steer-tui", "file": "glad.gguf"}}
