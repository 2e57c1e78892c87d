"""The library as a list: this model's vectors first, others with why they cannot be used; searched and verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import RecipeError
from steer_tui.library.catalogue import Listed
from steer_tui.library.entries import VectorEntry
from steer_tui.library.query import Query, parse_query
from steer_tui.library.seal import not_finite, with_metadata
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths, find_paths
from steer_tui.session.shelf import Shelf
from tests.unit.made_vectors import INFO, MADE_FOR, WIDTH, own, vector


@pytest.fixture
def store(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VectorStore:
    """A library beside which `happy` and `sad` are built in."""
    shipped = find_paths(tmp_path / "shipped")
    for name in ("happy", "sad"):
        VectorStore(shipped).save(vector(name))
    monkeypatch.setattr("steer_tui.library.store.bundled", lambda _: shipped.vectors)
    return VectorStore(paths)


def found(listed: Sequence[Listed], name: str, *, bundled: bool = False) -> Listed:
    (line,) = [line for line in listed if line.entry.name == name and line.entry.bundled is bundled]
    return line


# The catalogue.


def test_this_models_vectors_come_first_and_others_below_with_the_reason(store: VectorStore) -> None:
    store.save(vector("aaa", id="zoo/other", width=WIDTH * 2, layers=4, fingerprint="0000"))
    store.save(vector("bbb", id="a/first", fingerprint="1111"))
    store.save(vector("zzz"))
    listed = store.catalogue(INFO)
    assert [line.entry.name for line in listed] == ["happy", "sad", "zzz", "bbb", "aaa"]
    assert [line.is_usable for line in listed] == [True, True, True, False, False]
    assert listed[-1].problem == f"was made for zoo/other (4 layers, width {WIDTH * 2})"
    assert listed[3].problem and "a/first" in listed[3].problem
    assert not any(line.is_for_model or line.problem for line in store.catalogue(None))


def test_an_own_vector_wins_over_the_built_in_one_and_both_say_so(store: VectorStore) -> None:
    store.save(vector("happy", scale=5.0))
    for info in (INFO, None):
        listed = store.catalogue(info)
        assert found(listed, "happy").note == "wins over the built-in one of this name"
        assert found(listed, "happy", bundled=True).note == "your own of this name is used"
        assert found(listed, "sad", bundled=True).note is None
    assert store.vectors_for(INFO)["happy"].layers[1][1] == vector("happy", scale=5.0).layers[1][1]


def test_a_damaged_own_vector_leaves_the_built_in_one_in_use(store: VectorStore) -> None:
    path = store.save(vector("happy"))
    path.write_bytes(path.read_bytes()[:-1])
    line = found(store.catalogue(INFO), "happy")
    assert line.is_for_model and not line.is_usable and line.problem and "cut short" in line.problem
    assert line.note == "the built-in one of this name is used"


def test_other_weights_of_a_model_are_a_warning_and_another_shape_a_problem(store: VectorStore) -> None:
    store.save(vector("mine", fingerprint="0000"))
    store.save(vector("wide", width=WIDTH * 2, fingerprint="2222"))
    listed = store.catalogue(INFO)
    assert found(listed, "mine").is_usable and "other weights" in (found(listed, "mine").warning or "")
    assert "width" in (found(listed, "wide").problem or "") and found(listed, "wide").is_for_model


def test_a_vector_made_anew_is_used_before_the_one_of_other_weights(store: VectorStore, paths: Paths) -> None:
    old = store.save(vector("joy", fingerprint="0000"))
    shelf = Shelf(paths, store, INFO)
    kept = store.keep(vector("joy", scale=5.0))
    assert kept.earlier is None and kept.path != old and old.is_file(), "other weights have a folder of their own"
    shelf.refresh(store.catalogue(INFO), ["joy"])
    assert shelf.vectors["joy"].meta.model["fingerprint"] == INFO.fingerprint
    assert next(item for item in shelf.summaries() if item.name == "joy").warning is None


def test_a_vector_of_another_model_is_refused_by_name_with_the_reason(store: VectorStore, paths: Paths) -> None:
    store.save(vector("alien", id="zoo/other", fingerprint="0000"))
    loaded = store.load_for(INFO)
    assert "alien" not in loaded.vectors and "alien" not in loaded.problems
    assert loaded.others == {"alien": "was made for zoo/other (6 layers, width 8)"}
    with pytest.raises(RecipeError, match="'alien' was made for zoo/other"):
        Shelf(paths, store, INFO).missing(["alien"])


# Search.


def tagged(store: VectorStore) -> None:
    calm = vector("calm-sea")
    calm.meta = replace(calm.meta, tags=("mine", "Sea"), description="Waves and wind", method="pca", group="dark moods")
    store.save(calm)
    store.save(vector("calm-other", id="zoo/other", fingerprint="0000"))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["calm-sea", "happy", "sad", "calm-other"]),
        ("calm", ["calm-sea", "calm-other"]),
        ("CALM sea", ["calm-sea"]),
        ("wave tag:sea", ["calm-sea"]),
        ("group:dark-moods method:PCA", ["calm-sea"]),
        ("group:moods", ["happy", "sad", "calm-other"]),
        ("model:zoo", ["calm-other"]),
        ("model:org--tiny happy", ["happy"]),
        ("tag:se", []),
        ("nothing", []),
        ("tag:", []),
    ],
)
def test_every_word_and_field_of_a_query_must_hold(store: VectorStore, query: str, names: list[str]) -> None:
    tagged(store)
    listed = store.catalogue(INFO, parse_query(query))
    assert [line.entry.name for line in listed] == names


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_is_a_query(text: str) -> None:
    parse_query(text).matches(VectorEntry(Path("a/b"), "b", False, problem="x"))


def test_damaged_files_are_found_by_name_and_model(store: VectorStore) -> None:
    store.save(vector("broken")).write_bytes(b"x")
    for query in (Query(("brok",)), Query(model="org--tiny", words=("broken",))):
        assert [line.entry.name for line in store.catalogue(INFO, query)] == ["broken"]
    assert not [line for line in store.catalogue(INFO, Query(group="moods")) if line.entry.name == "broken"]


# Verifying.


def test_every_flipped_bit_of_a_saved_vector_is_found(store: VectorStore) -> None:
    path = store.save(vector("mine"))
    good = path.read_bytes()
    assert store.verify().is_clean and store.verify().sealed == 3
    start = 8 + int.from_bytes(good[:8], "little")
    for place in (*range(0, start, 23), *range(start, len(good))):
        data = bytearray(good)
        data[place] ^= 0x04
        path.write_bytes(data)
        if data[:start].rstrip() == good[:start].rstrip():
            continue  # white space between the header and the numbers says nothing
        assert not store.verify().is_clean, f"byte {place}"
    path.write_bytes(good)
    assert store.verify().is_clean


def test_a_file_without_a_seal_is_checked_as_far_as_it_can_be(store: VectorStore, paths: Paths) -> None:
    import json

    meta = VectorMeta("plain", MADE_FOR, pairs_sha256="nonsense").to_json()
    numbers = {"block_out.0": torch.tensor([1.0] * (WIDTH - 1) + [float("inf")])}
    path = paths.vectors / "org--tiny" / "plain.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(save(numbers, {"steer_tui": json.dumps(meta)}))
    report = store.verify("org/tiny")
    assert report.checked == 3 and report.sealed == 2
    problems = " ".join(finding.problem for finding in report.damaged)
    assert "not finite, at layer 0" in problems and "no SHA-256" in problems
    path.write_bytes(b"")
    assert "is empty" in store.verify().damaged[0].problem


@given(st.lists(st.floats(width=32), min_size=1, max_size=9))
def test_numbers_that_are_not_finite_are_found_in_the_bytes(values: list[float]) -> None:
    row = torch.tensor(values)
    data = save({"block_out.2": row})
    assert not_finite(data) == (() if bool(torch.isfinite(row).all()) else (2,))


def test_examples_that_have_changed_since_are_a_remark_and_no_damage(store: VectorStore, paths: Paths) -> None:
    made = vector("terse")
    made.meta = replace(made.meta, pairs_sha256="a" * 64, default_recipe="wordy:2")
    store.save(made)
    paths.concepts.mkdir(parents=True)
    (paths.concepts / "terse.toml").write_text('name = "terse"\npositive = ["Done."]\nnegative = ["It is done."]\n')
    report = store.verify()
    assert report.is_clean
    said = [finding.problem for finding in report.findings]
    assert any("other examples" in line for line in said) and any("wordy:2" in line for line in said)


def test_the_built_in_library_is_clean(paths: Paths) -> None:
    report = VectorStore(paths).verify()
    assert report.checked == 16 and report.is_clean


def test_verifying_tells_how_far_it_is_and_can_be_stopped(store: VectorStore) -> None:
    told: list[tuple[int, int]] = []
    report = store.verify(on_progress=lambda done, total: told.append((done, total)), should_stop=lambda: len(told) > 0)
    assert told == [(1, 2)] and report.checked == 1


def test_metadata_is_sealed_whatever_the_order_of_the_numbers(store: VectorStore) -> None:
    path = store.save(vector("mine"))
    again = with_metadata(path.read_bytes(), replace(vector("mine").meta, description="new"))
    path.write_bytes(again)
    assert store.verify().is_clean and own(store)[0].meta.description == "new"  # type: ignore[union-attr]
    assert torch.equal(store.load(path).layers[3], vector().layers[3])
