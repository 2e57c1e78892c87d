"""The shipped themes: each makes a Textual theme, and what it shows can be read."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

from steer_tui.paths import bundled

FILES = sorted(bundled("themes").glob("*.toml"))
SIGNS = ("primary", "secondary", "accent", "success", "warning", "error")
LEGIBLE = 4.5
"""The contrast that WCAG 2 asks of text of ordinary size."""


def read(path: Path) -> Theme:
    return Theme(**tomllib.loads(path.read_text(encoding="utf-8")))


def painted() -> list[Theme]:
    """Return the themes that bring colours of their own."""
    return [theme for theme in map(read, FILES) if not theme.ansi]


def contrast(first: str, second: str) -> float:
    """Return the WCAG 2 contrast ratio of two colours."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(text: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in Color.parse(text).normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def name(value: object) -> str:
    return value.name if isinstance(value, Theme) else str(value)


def test_there_are_at_least_eight_and_each_file_is_named_for_its_theme() -> None:
    assert len(FILES) >= 8
    for path in FILES:
        assert read(path).name == path.stem


def test_dark_light_and_the_terminals_own_colours_are_all_there() -> None:
    themes = [read(path) for path in FILES]
    assert {theme.dark for theme in themes if not theme.ansi} == {True, False}
    assert [theme.name for theme in themes if theme.ansi] == ["ansi"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_colour_parses(path: Path) -> None:
    theme = read(path)
    generated = theme.to_color_system().generate()
    for key, value in theme.variables.items():
        assert generated.get(key, value) == value, "a variable Textual overrules has no business in the file"
        if not key.endswith("-style"):
            Color.parse(value.split()[0])


@pytest.mark.parametrize("theme", painted(), ids=name)
def test_text_and_signs_stand_out_from_every_ground(theme: Theme) -> None:
    assert theme.foreground and theme.background and theme.surface and theme.panel
    muted = theme.variables["foreground-muted"]
    for ground in (theme.background, theme.surface):
        assert contrast(theme.foreground, ground) >= 7
        for sign in (*(getattr(theme, sign) for sign in SIGNS), muted):
            assert contrast(sign, ground) >= LEGIBLE, (sign, ground)
    assert contrast(theme.foreground, theme.panel) >= LEGIBLE
    assert contrast(muted, theme.panel) >= LEGIBLE
    for change in ("steer-mark", "steer-positive", "steer-negative"):
        assert contrast(theme.variables[change], theme.background) >= LEGIBLE


@pytest.mark.parametrize("theme", painted(), ids=name)
def test_cursors_can_be_read_and_borders_seen(theme: Theme) -> None:
    variables = theme.variables
    assert theme.background
    assert contrast(variables["block-cursor-foreground"], variables["block-cursor-background"]) >= LEGIBLE
    blurred = variables["block-cursor-blurred-foreground"], variables["block-cursor-blurred-background"]
    assert contrast(*blurred) >= LEGIBLE
    assert contrast(variables["border-blurred"], theme.background) >= 1.5
    assert contrast(variables["border"], variables["border-blurred"]) >= 1.5, "focus shows"


@pytest.mark.parametrize("theme", painted(), ids=name)
def test_more_and_less_differ_in_more_than_red_against_green(theme: Theme) -> None:
    more, less = (Color.parse(theme.variables[f"steer-{sign}"]) for sign in ("positive", "negative"))
    assert abs(more.b - less.b) > 60 or contrast(more.hex, less.hex) > 1.25


def test_the_high_contrast_themes_reach_seven_to_one_throughout() -> None:
    for theme in painted():
        if theme.name in ("beacon", "overhead"):
            for sign in SIGNS:
                assert contrast(getattr(theme, sign), theme.background or "") >= 7


def test_the_blue_and_orange_theme_keeps_its_signs_apart_without_red_and_green() -> None:
    theme = read(bundled("themes") / "harbour.toml")
    for sign in (theme.success, theme.warning, theme.error):
        color = Color.parse(sign or "")
        assert abs(color.b - color.r) > 60, "blue or orange, never a plain red or green"
