"""Where things are: one folder where one is named, the platform's otherwise, and nothing is made by looking."""

from __future__ import annotations

from pathlib import Path

import pytest

from steer_tui.errors import LibraryError
from steer_tui.paths import HOME_VARIABLE, Paths, bundled, find_paths


def test_a_data_folder_holds_config_data_and_state(tmp_path: Path) -> None:
    paths = find_paths(tmp_path / "here")
    assert paths == Paths(tmp_path / "here" / "config", tmp_path / "here" / "data", tmp_path / "here" / "state")
    assert not (tmp_path / "here").exists()


def test_the_variable_names_the_folder_and_the_option_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "variable"))
    assert find_paths().data == tmp_path / "variable" / "data"
    assert find_paths(tmp_path / "option").data == tmp_path / "option" / "data"


def test_an_empty_variable_means_the_platforms_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, " ")
    paths = find_paths()
    assert len({paths.config, paths.data, paths.state}) >= 2 or paths.config.parent == paths.data.parent
    assert all("steer-tui" in folder.parts for folder in (paths.config, paths.data, paths.state))


def test_relative_and_home_folders_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert find_paths(Path("x")).data == tmp_path / "x" / "data"
    assert find_paths(Path("~/x")).data == tmp_path / "me" / "x" / "data"


def test_the_files_of_the_contract_have_their_places(tmp_path: Path) -> None:
    paths = find_paths(tmp_path)
    places = {
        "config/config.toml": paths.config_file,
        "config/keys.toml": paths.keys_file,
        "config/themes": paths.themes,
        "data/vectors": paths.vectors,
        "data/concepts": paths.concepts,
        "data/trash": paths.trash,
        "state/journal.sqlite3": paths.journal,
        "state/session.json": paths.session,
        "state/steer-tui.log": paths.log,
    }
    assert {name: tmp_path / name for name in places} == places


def test_what_ships_is_found() -> None:
    assert list(bundled("themes").glob("*.toml"))
    assert list((bundled("vectors") / "concepts").glob("*.toml"))


@pytest.mark.parametrize("kind", ["tests", "..", ""])
def test_only_what_ships_is_found(kind: str) -> None:
    with pytest.raises(LibraryError):
        bundled(kind)
