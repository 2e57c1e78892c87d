"""What a fresh machine gets: the documented commands, the pinned versions, a wheel that lacks nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN_COMMAND = "pip install -c constraints.txt . && steer-tui"
TEST_COMMAND = "pip install -c constraints.txt '.[test]' && pytest"


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    entries = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonical(name): version for name, version in entries}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_readme_prints_the_two_commands_of_the_contract() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line.split("  #")[0].strip() for line in readme.splitlines()]
    assert RUN_COMMAND in commands
    assert TEST_COMMAND in commands


def test_the_checks_run_readmes_test_command() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert TEST_COMMAND in lines
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_requirement_is_pinned_to_a_tested_version() -> None:
    table = project()
    requirements = [*table["dependencies"]]  # type: ignore[misc]
    for extra in table["optional-dependencies"].values():  # type: ignore[attr-defined]
        requirements += extra
    names = {canonical(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in requirements}
    assert names - {"steer-tui"} <= set(pins())


def test_pins_name_releases_and_no_place_to_get_them_from() -> None:
    assert pins()["torch"] == "2.13.0", "no build tag: CPU, CUDA and macOS builds all fit"
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pins().values())


def test_committed_set_up_files_name_no_host_and_no_folder_of_one_machine() -> None:
    for name in ("pyproject.toml", "constraints.txt", ".ci/run"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|file:|find-links|index-url|(?<![\w.$\"}])/(opt|home|root|work|tmp)/", text), (
            name
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout, with the builder that the test extra brings: nothing is fetched."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    command += ["--wheel-dir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def test_themes_vectors_and_the_demo_model_travel_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for kind in ("themes", "vectors"):
        for path in (ROOT / kind).rglob("*"):
            if path.suffix in (".toml", ".safetensors"):
                assert f"steer_tui/_bundled/{path.relative_to(ROOT).as_posix()}" in names
    for path in (ROOT / "steer_tui").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "themes/", "vectors/")) for name in names)


def test_an_unpacked_wheel_finds_its_own_themes_and_vectors(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import json, steer_tui; from steer_tui.paths import bundled;"
        "print(json.dumps([steer_tui.__file__, *(str(bundled(kind)) for kind in ('themes', 'vectors'))]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    for found in json.loads(ran.stdout):
        assert Path(found).resolve().is_relative_to((tmp_path / "site").resolve())
        assert Path(found).exists()


def test_the_module_and_the_command_are_the_same_program() -> None:
    assert project()["scripts"] == {"steer-tui": "steer_tui.__main__:main"}
