"""Themes are files, seen as soon as they are saved; a broken one is told; colour is never the only sign."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.color import Color

from steer_tui.options import Options
from steer_tui.paths import Paths, bundled
from steer_tui.tui.themes import BrokenTheme, ThemeFolder, read_theme
from tests.tui.desk import Bench, workbench

GOOD = 'name = "mine"\nprimary = "#ff8800"\nbackground = "#101010"\n'


def write(path: Path, text: str, age: float = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + age))


def drawn(bench: Bench, name: str) -> tuple[int, int, int]:
    return Color.parse(bench.app.theme_variables[name]).rgb


async def test_every_bundled_theme_draws_the_screen(paths: Paths) -> None:
    async with workbench(paths) as bench:
        assert len(bench.app.wardrobe.names) >= 6 and "ansi" in bench.app.wardrobe.names
        for name in bench.app.wardrobe.names:
            bench.app.set_theme(name)
            await bench.settle()
            assert bench.app.theme == name and " Concepts " in bench.screen


async def test_a_theme_dropped_into_the_folder_is_there_at_once(paths: Paths) -> None:
    async with workbench(paths) as bench:
        write(paths.themes / "mine.toml", GOOD)
        bench.app.wardrobe.look()
        bench.app.set_theme("mine")
        await bench.settle()
        assert drawn(bench, "primary") == pytest.approx((255, 136, 0), abs=2)
        write(paths.themes / "mine.toml", GOOD.replace("#ff8800", "#00ff00"), age=5)
        bench.app.wardrobe.look()
        await bench.settle()
        assert drawn(bench, "primary") == pytest.approx((0, 255, 0), abs=2)


async def test_a_theme_that_is_not_there_is_told_and_another_is_worn(paths: Paths) -> None:
    async with workbench(paths, options=Options(theme="no[/]such\x1b[31m")) as bench:
        assert "no theme no[/]such[31m: t shows them all" in bench.toasts
        assert bench.app.theme in bench.app.wardrobe.names and " Concepts " in bench.screen


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = [", "Invalid"),
        ('primary = "no colour"', "no colour"),
        ('secondary = "#fff"', "`primary` is missing"),
        ('primary = "#fff"\nsize = 3', "no field 'size'"),
        ('primary = "#fff"\ndark = "yes"', "true or false"),
        ('primary = "#fff"\n[variables]\nborder = "#zzz"', "no colour"),
        ('primary = "#fff"\n[variables]\nborder = "{}"', "plain text"),
        ('primary = "#fff"\n[variables]\nborder = "nonsense here"', ""),
        ("primary = 3", "must be text"),
    ],
)
async def test_a_broken_theme_is_told_and_changes_nothing(paths: Paths, text: str, reason: str) -> None:
    async with workbench(paths) as bench:
        before = bench.app.theme
        write(paths.themes / "bad.toml", text)
        bench.app.wardrobe.look()
        await bench.settle()
        assert "theme bad.toml" in bench.toasts and reason in bench.toasts
        assert bench.app.theme == before and "bad" not in bench.app.wardrobe.names
        await bench.press("t", "escape")
        assert " Concepts " in bench.screen


def test_unreadable_and_huge_files_are_broken_themes(tmp_path: Path) -> None:
    write(tmp_path / "huge.toml", "#" * 200_000)
    (tmp_path / "bytes.toml").write_bytes(b'\xff\xfe primary = "#fff"')
    for path, theme in ThemeFolder(tmp_path).changes():
        assert isinstance(theme, BrokenTheme), path


def test_a_file_without_a_name_takes_the_name_of_the_file(tmp_path: Path) -> None:
    write(tmp_path / "dusk.toml", 'primary = "#aabbcc"')
    assert read_theme(tmp_path / "dusk.toml").name == "dusk"


def test_a_folder_tells_each_change_once(tmp_path: Path) -> None:
    folder = ThemeFolder(tmp_path)
    assert list(folder.changes()) == []
    write(tmp_path / "a.toml", GOOD)
    assert len(list(folder.changes())) == 1
    assert list(folder.changes()) == []
    write(tmp_path / "a.toml", GOOD, age=3)
    assert len(list(folder.changes())) == 1


async def test_without_colour_state_and_sign_still_show(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with workbench(paths) as bench:
        await bench.press("r")
        await bench.tick(100)
        assert "● happy" in bench.screen and "○ sad" in bench.screen
        assert "+2.0" in bench.screen and "▸     3" in bench.screen
        for strip in bench.app.screen._compositor.render_strips():
            for segment in strip:
                color = segment.style.color if segment.style else None
                assert color is None or color.is_default


def test_bundled_themes_are_read_without_a_problem() -> None:
    for path, theme in ThemeFolder(bundled("themes")).changes():
        assert not isinstance(theme, BrokenTheme), path
