"""The arrows between the parts point down only: proved by importing each module alone, and by reading every import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "steer_tui"

GROUND = {"errors", "paths", "config", "text", "files"}
"""Modules that stand on the standard library (and, for folders, platformdirs) alone."""
MAY_USE = {
    "ground": GROUND,
    "engine": GROUND | {"engine", "library", "demo"},
    "library": GROUND | {"library", "engine"},
    "session": GROUND | {"session", "engine", "library"},
    "learn": GROUND | {"learn"},
    "tui": GROUND | {"tui", "session", "engine", "library", "learn", "options", ""},
}
"""Room -> what of the package it may import, anywhere in its files. `cli`, `commands` and `demo` may use every room."""
HEAVY = {"torch", "transformers", "safetensors", "accelerate", "gguf", "numpy"}
SCREEN = {"textual", "rich"}
NEVER = {
    "ground": HEAVY | SCREEN,
    "engine": SCREEN,
    "library": SCREEN | {"transformers"},
    "session": SCREEN,
    "learn": HEAVY | SCREEN,
    "tui": HEAVY,
}
"""Room -> foreign packages that its files never name, not even inside a function."""
LIGHT_ENGINE = ("types", "recipe", "scope", "vectormeta", "models", "digest", "extractchoices", "oddpairs", "advice")
"""Engine modules that import no torch."""
REPORT = """
import json
ours = {name for name in sys.modules if name.startswith("steer_tui.")}
print(json.dumps(sorted(ours | {name.split(".")[0] for name in sys.modules})))
"""


def modules() -> list[str]:
    """Return every module of the package by its dotted name."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def room(module: str) -> str:
    parts = module.split(".")
    first = parts[1] if len(parts) > 1 else ""
    return "ground" if first in GROUND else first


def loaded_by(*names: str) -> set[str]:
    """Return what is imported once the named modules are, in a fresh interpreter: packages, and our modules."""
    code = "import sys\n" + "".join(f"import {name}\n" for name in names) + REPORT
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout))


def loaded_by_room(part: str) -> set[str]:
    """Return what is imported once all modules of a room are."""
    names = [module for module in modules() if room(module) == part]
    if not names:
        pytest.skip(f"there is no {part}")
    return loaded_by(*names)


def imports(module: str) -> Iterator[tuple[str, int]]:
    """Yield (dotted name, line) for every import in a module's file, those inside functions included."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def own_room(name: str) -> str | None:
    """Return the part of the package that an imported name belongs to, None for a foreign one."""
    parts = name.split(".")
    if parts[0] != "steer_tui":
        return None
    first = parts[1] if len(parts) > 1 else ""
    return first if (PACKAGE / first).is_dir() or (PACKAGE / f"{first}.py").is_file() else ""


@pytest.mark.parametrize("module", modules())
def test_no_import_points_up(module: str) -> None:
    here = room(module)
    for name, line in imports(module):
        target = own_room(name)
        if target is None:
            assert name.split(".")[0] not in NEVER.get(here, set()), f"{module}:{line} imports {name}"
        elif here in MAY_USE:
            assert target in MAY_USE[here], f"{module}:{line} imports {name}"


def test_the_face_of_the_package_brings_in_neither_torch_nor_textual() -> None:
    assert not loaded_by("steer_tui") & (HEAVY | SCREEN)


@pytest.mark.parametrize("part", ["engine", "library"])
def test_what_computes_and_what_keeps_never_see_a_screen(part: str) -> None:
    found = loaded_by_room(part)
    assert not found & SCREEN
    assert not {name for name in found if name.startswith(("steer_tui.session", "steer_tui.tui"))}


@pytest.mark.parametrize("part", ["session", "tui", "cli", "commands", "ground", "options", "learn"])
def test_what_decides_and_what_shows_start_without_torch(part: str) -> None:
    found = loaded_by_room(part)
    assert not found & {"torch", "transformers"}
    if part != "tui":
        assert "textual" not in found


def test_what_decides_never_sees_the_screen() -> None:
    found = loaded_by_room("session")
    assert not found & SCREEN
    assert not {name for name in found if name.startswith("steer_tui.tui")}


@pytest.mark.parametrize("name", LIGHT_ENGINE)
def test_plain_values_and_recipes_need_no_torch(name: str) -> None:
    assert not loaded_by(f"steer_tui.engine.{name}") & (HEAVY | SCREEN)


@pytest.mark.parametrize("name", ["concepts", "names", "header", "entries", "store", "pairfiles"])
def test_the_library_reads_headers_without_torch(name: str) -> None:
    assert not loaded_by(f"steer_tui.library.{name}") & (HEAVY | SCREEN)
