"""`vectors rename|remove|restore|trash|verify|tag` and the arithmetic, as a script meets them."""

from __future__ import annotations

import json

import pytest
import torch

from steer_tui.cli import main
from steer_tui.library.entries import VectorEntry
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths
from tests.unit.made_vectors import own, vector

MODEL = "org/tiny"


@pytest.fixture
def store(paths: Paths) -> VectorStore:
    return VectorStore(paths)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["vectors", *arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def done(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 0
    found = json.loads(out)
    assert found["version"] == 1
    return dict(found)


def only(store: VectorStore) -> VectorEntry:
    (entry,) = own(store)
    return entry


def test_a_vector_is_renamed_removed_and_restored(capsys: pytest.CaptureFixture[str], store: VectorStore) -> None:
    path = store.save(vector("glad"))
    assert done(capsys, "rename", "glad", "merry")["name"] == "merry"
    removed = done(capsys, "remove", "merry")
    assert removed["name"] == "merry" and own(store) == []
    assert [entry["name"] for entry in done(capsys, "trash")["trash"]] == ["merry"]  # type: ignore[attr-defined]
    assert done(capsys, "restore", "merry", "--as", "glad")["path"] == str(path)
    assert torch.equal(store.load(path).layers[1], vector().layers[1])


def test_without_json_one_line_says_what_was_done_and_how_to_undo_it(
    capsys: pytest.CaptureFixture[str], store: VectorStore
) -> None:
    store.save(vector("glad"))
    status, out, _ = run(capsys, "remove", "glad")
    assert status == 0 and "vectors restore glad" in out and out.count("\n") == 1
    assert "glad" in run(capsys, "trash")[1]
    assert run(capsys, "restore", "glad")[0] == 0 and only(store).name == "glad"
    assert "merry" in run(capsys, "rename", "glad", "merry")[1]


def test_the_model_decides_between_vectors_of_one_name(capsys: pytest.CaptureFixture[str], store: VectorStore) -> None:
    for model in ("one", "two"):
        store.save(vector("glad", id=model))
    for arguments in (["rename", "glad", "x"], ["remove", "glad"], ["tag", "glad", "x"], ["negate", "n", "glad"]):
        status, _, said = run(capsys, *arguments)
        assert status == 2 and "--model one or two" in said
    done(capsys, "remove", "glad", "--model", "two")
    assert only(store).path.parent.name == "one"
    store.remove(only(store))
    assert run(capsys, "restore", "glad")[0] == 2
    assert done(capsys, "restore", "glad", "--model", "one")["model"]["id"] == "one"  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "status", "says", "hint"),
    [
        (["rename", "gald", "x"], 2, "no vector 'gald'", "did you mean glad"),
        (["rename", "glad", "../x"], 2, "cannot be a name", "such as"),
        (["rename", "glad", "sad-one"], 1, "there is a vector 'sad-one' already", "another name"),
        (["rename", "pirate", "x", "--model", "demo"], 1, "built in", "makes a copy"),
        (["remove", "pirate", "--model", "demo"], 1, "built in", "makes a copy"),
        (["tag", "pirate", "x", "--model", "demo"], 1, "built in", "makes a copy"),
        (["restore", "glad"], 2, "no vector 'glad' in the trash", "vectors trash"),
        (["tag", "glad", "x" * 99], 2, "a tag of 99 characters is too long", "at most"),
        (["mix", "new", "glad@3"], 2, "glad@3 says more than a name and a weight", "write glad:1"),
        (["mix", "new", "glad:x"], 2, "'x' is no number", "strength"),
        (["mix", "sad-one", "glad"], 1, "already", "another name"),
        (["mix", "CON", "glad"], 2, "cannot be a name", "such as"),
        (["mix", "new", "glad", "glad:-1"], 2, "nothing is left", "weight"),
        (["orthogonal", "new", "glad", "--against", ","], 2, "no vector to be orthogonal to", "--against"),
        (["mix", "new", "glad", "pirate"], 2, "was made for", "one model"),
    ],
)
def test_what_cannot_be_done_is_one_error_and_one_hint_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], store: VectorStore, arguments: list[str], status: int, says: str, hint: str
) -> None:
    before = {path: path.read_bytes() for path in (store.save(vector("glad")), store.save(vector("sad-one")))}
    found, out, said = run(capsys, *arguments)
    assert (found, out) == (status, "")
    error, advice = said.splitlines()
    assert error.startswith("error: ") and says in error
    assert advice.startswith("hint: ") and hint in advice
    assert {entry.path: entry.path.read_bytes() for entry in own(store)} == before


def test_tags_note_and_group_are_written_and_found_again(
    capsys: pytest.CaptureFixture[str], store: VectorStore
) -> None:
    store.save(vector("glad"))
    found = done(capsys, "tag", "glad", "mine", "#fun", "--note", "for parties", "--group", "my moods")
    assert (found["tags"], found["description"], found["group"]) == (["mine", "fun"], "for parties", "my moods")
    assert done(capsys, "tag", "glad", "--drop", "mine")["tags"] == ["fun"]
    for query, expected in (
        (["tag:fun"], ["glad"]),
        (["tag:mine"], []),
        (["PARTIES", "group:my-moods"], ["glad"]),
        (["method:mean", "model:org--tiny", "gla"], ["glad"]),
        (["method:pca"], []),
    ):
        listed = done(capsys, "list", *query)["vectors"]
        assert [entry["name"] for entry in listed if not entry["bundled"]] == expected, query  # type: ignore[attr-defined]


def test_a_sound_library_is_verified_and_a_damaged_one_exits_1(
    capsys: pytest.CaptureFixture[str], store: VectorStore
) -> None:
    path = store.save(vector("glad"))
    store.save(vector("sad-one"))
    found = done(capsys, "verify", "--model", MODEL)
    assert (found["checked"], found["sealed"], found["damaged"]) == (2, 2, [])
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    status, out, said = run(capsys, "verify")
    assert status == 1 and f"{path} is damaged" in out and "hint: " in said
    status, out, _ = run(capsys, "verify", "--json")
    assert status == 1 and [entry["path"] for entry in json.loads(out)["damaged"]] == [str(path)]


def test_the_own_vector_wins_over_the_built_in_one_and_says_so(
    capsys: pytest.CaptureFixture[str], store: VectorStore
) -> None:
    status, _, said = run(capsys, "mix", "happy", "happy:2,calm:0.5", "--model", "demo")
    assert status == 0 and "wins over the built-in one" in said
    listed = done(capsys, "list", "--model", "demo")["vectors"]
    notes = {entry["bundled"]: entry["note"] for entry in listed if entry["name"] == "happy"}  # type: ignore[attr-defined]
    assert notes == {False: "wins over the built-in one of this name", True: "your own of this name is used"}
    assert "built-in one" in run(capsys, "list", "happy")[1]


def test_vectors_are_put_together_from_the_command_line(capsys: pytest.CaptureFixture[str], store: VectorStore) -> None:
    glad, low = vector("glad"), vector("low", scale=-1.0)
    store.save(glad)
    store.save(low)
    made = done(capsys, "mix", "new", "glad:2", "low:-0.5")
    assert made["method"] == "mix" and made["parents"] == ["glad:2", "low:-0.5"]
    mixed = store.load(only_named(store, "new")).layers[1]
    torch.testing.assert_close(mixed, 2 * glad.layers[1] - 0.5 * low.layers[1])
    assert done(capsys, "negate", "not", "glad")["parents"] == ["glad:-1"]
    assert done(capsys, "orthogonal", "apart", "glad", "--against", "low")["parents"] == ["glad", "low"]
    left = store.load(only_named(store, "apart")).layers[3]
    assert abs(float(left @ low.layers[3])) < 1e-3
    found = done(capsys, "cosine", "glad", "not", "apart", "low")
    matrix = found["mean"]
    assert found["names"] == ["glad", "not", "apart", "low"] and found["layers"] == [1, 3]
    assert matrix[0][1] == pytest.approx(-1) and matrix[2][3] == pytest.approx(0, abs=1e-5)  # type: ignore[index]
    shown = run(capsys, "cosine", "glad", "not")[1]
    assert "mean of 2 layers" in shown and "-1.00" in shown and "layer 3" in shown


def only_named(store: VectorStore, name: str):  # type: ignore[no-untyped-def]
    return next(entry.path for entry in own(store) if entry.name == name)


def test_names_of_any_kind_are_cleared_away_by_what_is_shown(
    capsys: pytest.CaptureFixture[str], store: VectorStore, paths: Paths
) -> None:
    good = store.save(vector("glad"))
    for name in ("[bold]", "a\u202eb", "😀", "con", "x" * 200 + "y" * 30):
        good.with_name(f"{name}.safetensors").write_bytes(good.read_bytes())
    status, out, _ = run(capsys, "list", "--model", MODEL)
    assert status == 0 and "\u202e" not in out and out.count("cannot be a vector's name") == 5
    assert run(capsys, "verify", "--model", MODEL)[0] == 1
    for shown in ("[bold]", "ab", "😀", "con", str(good.with_name("x" * 200 + "y" * 30 + ".safetensors"))):
        assert run(capsys, "remove", shown)[0] == 0, shown
    assert run(capsys, "verify", "--model", MODEL)[0] == 0
    assert len(list(paths.trash.rglob("*.safetensors"))) == 5
