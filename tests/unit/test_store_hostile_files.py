"""Vector files from elsewhere: each damage is named in words, none raises from a list, none is touched."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import LibraryError
from steer_tui.library.header import MAX_HEADER
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths, find_paths
from tests.unit.made_vectors import INFO, MADE_FOR, WIDTH, own, vector


@pytest.fixture
def store(paths: Paths) -> VectorStore:
    return VectorStore(paths)


def safetensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def described(meta: object, **tensors: object) -> dict[str, object]:
    known = {"block_out.1": {"dtype": "F32", "shape": [WIDTH], "data_offsets": [0, 4 * WIDTH]}}
    text = meta if isinstance(meta, str) else json.dumps(meta)
    return {"__metadata__": {"steer_tui": text}, **(tensors or known)}


DATA = bytes(4 * WIDTH)
META = VectorMeta("happy", MADE_FOR).to_json()


def tensor(**changes: object) -> dict[str, object]:
    return {"block_out.1": {"dtype": "F32", "shape": [WIDTH], "data_offsets": [0, 4 * WIDTH], **changes}}


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "short": (b"\x01\x02", "is cut short"),
    "huge header": (safetensors(b"{}", length=2**63), "cut short"),
    "large header": (safetensors(b"{}" + b" " * MAX_HEADER), "header of"),
    "text": (b"PK\x03\x04 this is no vector at all", "no safetensors"),
    "no json": (safetensors(b"{]"), "valid JSON"),
    "deep json": (safetensors(b"[" * 100_000), "valid JSON"),
    "not utf-8": (safetensors(b'{"\xff": 1}'), "valid JSON"),
    "a list": (safetensors([]), "not an object"),
    "nothing": (safetensors({}), "no direction"),
    "no metadata": (safetensors(tensor(), DATA), "no steer_tui entry"),
    "metadata a text": (safetensors({"__metadata__": "x", **tensor()}, DATA), "no steer_tui entry"),
    "metadata no json": (safetensors(described("nonsense"), DATA), "valid JSON"),
    "metadata empty": (safetensors(described({}), DATA), "model is not an object"),
    "NaN in metadata": (safetensors(described('{"origin": {"1": NaN}}'), DATA), "valid JSON"),
    "infinity in metadata": (safetensors(described({**META, "origin": {"1": 10**400}}), DATA), "no number"),
    "infinite": (safetensors(described(json.dumps(META)[:-1] + ', "origin": {"1": 1e999}}'), DATA), "no number"),
    "newer": (safetensors(described({**META, "format": 2}), DATA), "newer"),
    "no site": (safetensors(described({**META, "site": "attn out"}), DATA), "no place in a model"),
    "wrong type": (safetensors(described({**META, "tags": "x"}), DATA), "'tags'"),
    "layer of text": (safetensors(described({**META, "origin": {"\x1b[2J": 1}}), DATA), "names a layer"),
    "negative layer": (safetensors(described({**META, "best_layers": [-1]}), DATA), "names a layer"),
    "best layer absent": (safetensors(described({**META, "best_layers": [2]}), DATA), "recommends layer 2"),
    "wide": (safetensors(described({**META, "model": {**MADE_FOR, "width": 9}}), DATA), "contradicts itself"),
    "deep": (safetensors(described({**META, "model": {**MADE_FOR, "layers": 1}}), DATA), "contradicts itself"),
    "other tensor": (safetensors(described(META, **{"x/../y": {}})), "block_out"),
    "half": (safetensors(described(META, **tensor(dtype="F16")), DATA), "float32"),
    "matrix": (safetensors(described(META, **tensor(shape=[2, 4])), DATA), "shape"),
    "empty shape": (safetensors(described(META, **tensor(shape=[0], data_offsets=[0, 0]))), "shape"),
    "shape a text": (safetensors(described(META, **tensor(shape="8")), DATA), "shape"),
    "no offsets": (safetensors(described(META, **tensor(data_offsets=None)), DATA), "shape"),
    "bad offsets": (safetensors(described(META, **tensor(data_offsets=[-32, 0])), DATA), "shape"),
    "crooked": (safetensors(described(META, **tensor(data_offsets=[0, 31])), DATA), "disagree"),
    "gap": (safetensors(described(META, **tensor(data_offsets=[4, 36])), DATA + bytes(4)), "gaps"),
    "cut": (safetensors(described(META), DATA[:-1]), "cut short"),
    "trailing": (safetensors(described(META), DATA + b"x"), "goes on"),
    "not described": (safetensors(described(META, **{"block_out.1": 3}), DATA), "not described"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_that_does_not_parse_is_listed_with_its_reason_and_left_alone(
    store: VectorStore, paths: Paths, case: str
) -> None:
    data, says = HOSTILE[case]
    folder = paths.vectors / "org--tiny"
    folder.mkdir(parents=True)
    path = folder / "happy.safetensors"
    path.write_bytes(data)
    (entry,) = own(store)
    assert entry.meta is None and entry.problem is not None and says in entry.problem
    assert entry.problem.isprintable()
    assert says in store.load_for(INFO).problems["happy"]
    json.dumps(entry.to_json())
    with pytest.raises(LibraryError):
        store.load(path)
    store.save(vector("another"))
    assert path.read_bytes() == data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), max_size=4))
def test_any_damage_is_a_problem_or_a_vector(tmp_path: Path, cut: int, flips: list[tuple[int, int]]) -> None:
    paths = find_paths(tmp_path / "damage")
    store = VectorStore(paths)
    path = paths.vectors / "org--tiny" / "happy.safetensors"
    data = bytearray(GOOD_FILE)
    for place, value in flips:
        data[place % len(data)] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[: len(data) - cut])
    (entry,) = own(store)
    assert (entry.meta is None) == (entry.problem is not None)
    store.load_for(INFO)
    with contextlib.suppress(LibraryError):
        assert store.load(path).name == "happy"


def good_file() -> bytes:
    tensors = {f"block_out.{layer}": value for layer, value in vector().layers.items()}
    return save(tensors, {"steer_tui": json.dumps(vector().meta.to_json())})


GOOD_FILE = good_file()


def test_numbers_that_are_not_finite_are_refused_on_loading(store: VectorStore) -> None:
    path = store.save(vector())
    data = path.read_bytes()
    path.write_bytes(data[:-4] + torch.tensor([math.nan]).numpy().tobytes())
    assert own(store)[0].problem is None, "a list reads headers only"
    with pytest.raises(LibraryError, match="not finite"):
        store.load(path)
    assert "not finite" in store.load_for(INFO).problems["happy"]


def test_what_is_no_file_does_not_hold_a_list_up(store: VectorStore, paths: Paths) -> None:
    folder = paths.vectors / "org--tiny"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "folder.safetensors").mkdir()
    (folder / "link.safetensors").symlink_to("nowhere")
    (folder / "loop.safetensors").symlink_to("loop.safetensors")
    (folder / "notes.txt").write_text("x")
    (paths.vectors / "loose.safetensors").write_bytes(b"")
    assert [entry.name for entry in own(store)] == ["folder", "link", "loop", "pipe"]
    assert all(entry.problem for entry in own(store))


def test_file_names_of_any_kind_are_listed_as_clean_text(store: VectorStore, paths: Paths) -> None:
    folder = paths.vectors / "org--tiny"
    folder.mkdir(parents=True)
    for name in (b"[@click=app.quit]x", b"\x1b]0;title\x07", b"\xff\xfe", "a\u202eb".encode(), b"x" * 230):
        with open(os.fsencode(folder) + b"/" + name + b".safetensors", "wb") as file:
            file.write(GOOD_FILE)
    entries = own(store)
    assert len(entries) == 5
    for entry in entries:
        assert entry.problem and entry.name.isprintable()
        entry.name.encode()
        json.dumps(entry.to_json())
        with pytest.raises(LibraryError) as refused:
            store.load(entry.path)
        assert refused.value.message.isprintable()
    assert not store.vectors_for(INFO)


def test_a_library_that_may_not_be_read_is_empty(store: VectorStore, paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    paths.vectors.write_text("a file where the folder should be")
    assert own(store) == []
    with pytest.raises(LibraryError, match="cannot write"):
        store.save(vector())


def test_texts_in_metadata_come_out_clean() -> None:
    meta = VectorMeta.from_json(
        {
            **META,
            "group": "a\x1b[2J\nb",
            "description": "x\u202ey\nz",
            "tags": ["\x9bm"],
            "source": {"producer": "\x07p"},
        }
    )
    assert (meta.group, meta.description, meta.tags) == ("a[2J b", "xy\nz", ("m",))
    assert meta.source == {"producer": "p"}
