"""Files from elsewhere that are wrong, hostile or enormous: refused in one line, quickly, and nothing in them runs."""

from __future__ import annotations

import json
import os
import pickle
import random
import struct
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from steer_tui.engine.vectormeta import MadeFor
from steer_tui.errors import LibraryError, SteerError
from steer_tui.library.formats.registry import read_vectors
from tests.conftest import ROOT
from tests.unit.foreign_files import (
    LAYERS,
    STRING,
    UINT32,
    WIDTH,
    control_vector,
    gguf,
    latents,
    members,
    mutate,
    pt,
    repacked,
    rows,
    samples,
    steering_lite,
    svec,
)
from tests.unit.foreign_giants import giants

MODEL = MadeFor(id="org/tiny", type="llama", layers=LAYERS, width=WIDTH, fingerprint="ab12")
ROWS = rows()
SECONDS = 1.0
"""Of work, not of waiting: most that a refusal may take."""
LEFT_TO_THE_BENCH = {"largest-model.json"}
"""Takes a second to make."""
ACCEPTED = {"wide.gguf"}


class Calls:
    """Would call something when loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def with_pickle(data: bytes) -> bytes:
    return repacked({**members(pt(ROWS)), "archive/data.pkl": data})


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def not_finite(value: float) -> dict[int, torch.Tensor]:
    return {1: torch.full((WIDTH,), value)}


PLAIN = control_vector(ROWS, (UINT32, 5))
REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "text": (b"# hello", "no vector file"),
    "a pickle": (pickle.dumps({1: [1.0]}), "is a pickle"),
    "an old torch file": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "old format"),
    "a numpy array": (b"\x93NUMPY\x01\x00", "numpy array"),
    "gzip": (b"\x1f\x8b\x08", "gzip"),
    # GGUF
    "gguf of a model": (gguf({}, {"general.architecture": (STRING, "llama")}), "no control vector"),
    "gguf cut": (PLAIN[:-40], "cut short"),
    "gguf cut in its head": (PLAIN[:70], "cut short"),
    "gguf version": (PLAIN[:4] + b"\x01" + PLAIN[5:], "version 1"),
    "gguf big-endian": (PLAIN[:4] + b"\0\0\0\x03" + PLAIN[8:], "big-endian"),
    "gguf counts": (gguf({}, counts=(2**63, 1)), "claims 9223372036854775808 tensors"),
    "gguf keys": (gguf({}, counts=(1, 2**40)), "keys"),
    "gguf without a direction": (control_vector({}, None), "holds no direction"),
    "gguf other tensor": (gguf({"token_embd.weight": ROWS[1]}), "no direction"),
    "gguf matrix": (gguf({"direction.1": torch.ones(4, 4)}), "no direction"),
    "gguf quantised": (gguf({"direction.1": torch.ones(4, dtype=torch.int8)}), "not floats of 16 to 64 bits"),
    "gguf negative": (gguf({"direction.-1": ROWS[1]}), "names a layer that is none"),
    "gguf path": (gguf({"direction.../../1": ROWS[1]}), "names a layer that is none"),
    "gguf zeros before": (gguf({"direction.01": ROWS[1]}), "leading zeros"),
    "gguf twice": (changed(PLAIN, b"direction.2", b"direction.1"), "twice"),
    "gguf key twice": (changed(control_vector(ROWS, None, a=(UINT32, 1), b=(UINT32, 2)), b"r.b", b"r.a"), "twice"),
    "gguf NaN": (control_vector(not_finite(float("nan")), (UINT32, 1)), "not finite"),
    "gguf huge numbers": (control_vector(not_finite(3e38), (UINT32, 1)), "too large"),
    "gguf widths": (control_vector({1: ROWS[1], 2: torch.ones(3)}, (UINT32, 2)), "different widths"),
    # JSON
    "json broken": (b'{"directions": ', "not valid JSON"),
    "json list": (b"  [1]", "no vector file"),
    "json of something": (b'{"a": 1}', "no vector this program knows"),
    "json request": (b'{"vectors": [], "conflict": "error"}', "EasySteer request"),
    "json NaN": (b'{"model_type": "x", "directions": {"1": [NaN]}}', "NaN"),
    "json infinite": (b'{"directions": {"1": [1e999, 1]}}', "not finite"),
    "json enormous": (b'{"directions": {"1": [1' + b"0" * 400 + b"]}}", "not finite"),
    "json beyond float32": (b'{"directions": {"1": [1e300, 1]}}', "not finite"),
    "json layer twice": (b'{"directions": {"1": [1.0], "1": [2.0]}}', "twice"),
    "json texts": (b'{"directions": {"1": ["1.0", "2.0"]}}', "no list of numbers"),
    "json truths": (b'{"directions": {"1": [true, false]}}', "no list of numbers"),
    "json empty": (b'{"directions": {}}', "holds no direction"),
    "json no numbers": (b'{"directions": {"1": []}}', "holds a direction of 0"),
    "json widths": (b'{"directions": {"1": [1.0], "2": [1.0, 2.0]}}', "different widths"),
    "json no object": (b'{"layer_vectors": [1]}', "no object"),
    "json layer": (b'{"layer_vectors": {"../x": [1.0]}}', "names a layer"),
    "json layer of other digits": ('{"layer_vectors": {"٣": [1.0]}}'.encode(), "names a layer"),
    "json many layers": (latents({layer: torch.ones(1) for layer in range(1025)}), "more than any model"),
    "json type": (b'{"model_type": 3, "directions": {"1": [1.0]}}', "no text"),
    # torch
    "pt calls": (with_pickle(pickle.dumps(Calls(os.mkdir, "/tmp/steer-tui-was-here"), 2)), "mkdir"),
    "pt evaluates": (with_pickle(pickle.dumps(Calls(eval, "1"), 2)), "eval"),
    "pt of protocol 4": (with_pickle(pickle.dumps({1: 2.0}, 4)), "pickle instruction"),
    "pt builds": (with_pickle(b"\x80\x02ccollections\nOrderedDict\n)R}b."), "BUILD"),
    "pt integers": (pt({1: torch.ones(4, dtype=torch.int64)}), "not floats"),
    "pt bytes": (pt(torch.ones(4, dtype=torch.uint8)), "not floats"),
    "pt scalar": (pt(torch.tensor(1.0)), "shape"),
    "pt four": (pt(torch.ones(2, 2, 2, 2)), "shape"),
    "pt no tensor": (pt({"a": 1}), "no tensor"),
    "pt list": (pt([ROWS[1]]), "holds a list"),
    "pt keys": (pt({(1, 2): ROWS[1]}), "neither names nor numbers"),
    "pt negative": (pt({-1: ROWS[1]}), "names a layer"),
    "pt truth as layer": (pt({True: ROWS[1]}), "names a layer"),
    "pt layer twice": (pt({1: ROWS[1], "1": ROWS[2]}), "twice"),
    "pt widths": (pt({1: ROWS[1], 2: torch.ones(3)}), "different widths"),
    "pt matrices": (pt({1: torch.ones(2, 3)}), "no plain directions"),
    "pt NaN": (pt(not_finite(float("nan"))), "not finite"),
    "pt sparse": (pt({1: torch.ones(4).to_sparse()}), "_rebuild_sparse_tensor"),
    "pt of an object": (pt(OrderedDict(weight=torch.device("cpu"))), "torch.device"),
    "pt expanded": (pt({1: torch.ones(1).expand(2**40)}), "claim more"),
    "pt cut": (pt(ROWS)[:-30], "archive cannot be read"),
    "zip": (repacked({"a.txt": b"x"}), "none that torch.save wrote"),
    "zip outside": (repacked({**members(pt(ROWS)), "archive/../../x": b"y"}), "does not write"),
    "zip absolute": (repacked({**members(pt(ROWS)), "/etc/x": b"y"}), "does not write"),
    "zip of two": (repacked({**members(pt(ROWS)), "other/data.pkl": b"y"}), "none that torch.save wrote"),
    "zip compressed": (repacked(members(pt(ROWS)), zipfile.ZIP_DEFLATED), "compressed"),
    "zip program": (repacked({**members(pt(ROWS)), "archive/code/x.py": b""}), "TorchScript"),
    # safetensors
    "safetensors of a model": (changed(steering_lite(ROWS), b'"cfg"', b'"xyz"'), "no vector this program"),
    "safetensors cut": (steering_lite(ROWS)[:-4], "do not fit its header"),
    "safetensors cut in its header": (steering_lite(ROWS)[:60], "cut short"),
    "safetensors long": (struct.pack("<Q", 2**20 - 1) + b"{", "no vector file"),
    "safetensors tensor twice": (changed(steering_lite(ROWS), b"layer2.v", b"layer1.v"), "twice"),
    "safetensors other tensors": (changed(steering_lite(ROWS), b"layer2.v", b"layer2.b"), "no direction"),
    "safetensors path": (changed(steering_lite(ROWS), b"layer2.v", b"../../.v"), "no direction"),
    "own, changed": (samples()["own.safetensors"][:-1] + b"\x7f", "not what was saved"),
    "svec heads": (svec(ROWS, probe_accuracies={"1:2": 0.5}), "heads"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    data, says = REFUSED[case]
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    with pytest.raises(LibraryError) as caught:
        read_vectors(path, model=MODEL)
    assert says in caught.value.message
    assert caught.value.message.isprintable() and len(caught.value.message) < 200
    assert caught.value.hint is None or caught.value.hint.isprintable()
    assert not Path("/tmp/steer-tui-was-here").exists()
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    for name, says in (
        ("pipe", "not a regular file"),
        (".", "cannot be read"),
        ("link", "cannot be read"),
        ("a\0b", "read"),
    ):
        with pytest.raises(LibraryError, match=says):
            read_vectors(tmp_path / name)


def test_a_file_larger_than_any_vector_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "model.gguf").open("wb") as file:
        file.write(PLAIN)
        file.truncate(1 << 40)
    with pytest.raises(LibraryError, match="larger than"):
        read_vectors(tmp_path / "model.gguf")


def test_a_storage_larger_than_its_data_is_refused(tmp_path: Path) -> None:
    plain = members(pt({1: torch.ones(16)}))
    plain["archive/data.pkl"] = changed(plain["archive/data.pkl"], b"K\x10", b"M\x00\x40")
    (tmp_path / "x.pt").write_bytes(repacked(plain))
    with pytest.raises(LibraryError, match="is damaged"):
        read_vectors(tmp_path / "x.pt")


@pytest.mark.parametrize("name", sorted(giants().keys() - LEFT_TO_THE_BENCH - ACCEPTED))
def test_what_asks_for_more_than_it_is_costs_no_time(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(giants()[name]())
    started = time.process_time()
    with pytest.raises(LibraryError) as caught:
        read_vectors(path)
    assert time.process_time() - started < SECONDS
    assert caught.value.message.isprintable() and len(caught.value.message) < 200
    assert not Path("/tmp/steer-tui-was-here").exists()


@pytest.mark.filterwarnings(
    "ignore:invalid escape sequence"
)  # pickletools looks at an instruction before it is refused
@pytest.mark.parametrize("name", samples())
def test_any_damage_is_a_refusal_a_question_or_vectors(tmp_path: Path, name: str) -> None:
    draw, good = random.Random(name), samples()[name]
    path = tmp_path / name
    for _ in range(150):
        path.write_bytes(mutate(good, draw))
        try:
            found = read_vectors(path, model=MODEL)
        except SteerError as error:
            assert error.message.isprintable() and len(error.message) < 400
        else:
            assert bool(found.vectors) != bool(found.question)
            assert all(torch.isfinite(row).all() for vector in found.vectors for row in vector.layers.values())
    assert list(tmp_path.iterdir()) == [path]


def test_the_bench_s_watch_sees_nothing_run_written_or_hoarded() -> None:
    command = [
        sys.executable,
        str(ROOT / "tests/bench/fuzz_formats.py"),
        "--json",
        "--files",
        "60",
        "--only",
        "layers.pt",
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    found = json.loads(ran.stdout)["layers.pt"]
    assert found["files"] == 60 and found["wrong"] == [] and ran.returncode == 0
    assert found["megabytes"] < 200


def test_the_bench_s_watch_would_see_it(tmp_path: Path) -> None:
    code = """
import sys, pathlib
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests/bench"]
from fuzz_formats import Watch
watch = Watch(pathlib.Path(sys.argv[2]))
watch.is_on = True
open(sys.argv[2] + "/x", "w").close()
open(sys.argv[2] + "/x", "rb").close()
import os; os.mkdir(sys.argv[2] + "/y")
print(len(watch.seen))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(tmp_path)], capture_output=True, text=True, timeout=280
    )
    assert ran.stdout.split() == ["2"], ran.stderr
