"""Draw README's picture, `docs/steer.svg`: the real workbench after a real run on the demo model.

    python tests/bench/picture.py [--model demo]

`tests/unit/test_readme.py` compares the picture with the screen as it is now; run this again when that fails.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from steer_tui.config import load_config
from steer_tui.options import Options
from steer_tui.paths import find_paths
from steer_tui.session.runner import Engine
from steer_tui.tui.app import SteerApp

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "steer.svg"
SIZE = (120, 36)
THEME = "nightshift"
SECONDS = 120.0


def drawing(app: SteerApp) -> str:
    """Return the screen as SVG that asks no other site for a font."""
    return re.sub(r"@font-face \{.*?\}\n", "", app.export_screenshot(title="steer-tui"), flags=re.DOTALL)


def screen_lines(svg: str) -> list[str]:
    """Return what an SVG of the screen says, line by line, pieces of a line joined without their distances."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for found in re.finditer(r'<text class="[^"]*-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', svg, re.DOTALL):
        text = html.unescape(found[3]).replace("\xa0", " ")
        lines.setdefault(float(found[2]), []).append((float(found[1]), text))
    return ["".join(text for _, text in sorted(lines[place])) for place in sorted(lines)]


async def draw(model: str) -> str:
    """Run the workbench without a terminal, press `r`, and return the screen when the run has ended."""
    with tempfile.TemporaryDirectory() as home:
        paths = find_paths(Path(home))
        app = SteerApp(Engine(paths), paths, load_config(paths), Options(model=model, theme=THEME))
        async with app.run_test(size=SIZE) as pilot:
            await _until(pilot, lambda: app.status.info is not None)
            await pilot.press("r")
            await _until(pilot, lambda: app.last_request is not None and app.status.running is None)
            await pilot.pause(0.5)
            svg = drawing(app)
        app.engine.shutdown()
        return svg


async def _until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    for _ in range(int(SECONDS / 0.1)):
        if holds():
            return
        await pilot.pause(0.1)
    raise SystemExit("the workbench did not get there")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="demo")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(asyncio.run(draw(parser.parse_args().model)), encoding="utf-8")
