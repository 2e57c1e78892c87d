"""Runs the workbench on the fake engine, to look at it: `python -m tests.tui.play [--ascii] [--layers N]`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from steer_tui.config import load_config
from steer_tui.options import Options
from steer_tui.paths import find_paths
from tests.tui.fake import FakeEngine


def main() -> None:
    """Open the workbench with tokens at thirty a second."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--theme")
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    from steer_tui.tui.app import SteerApp

    paths = find_paths(arguments.home or Path(tempfile.mkdtemp()))
    engine = FakeEngine(layers=arguments.layers)
    app = SteerApp(engine, paths, load_config(paths), Options(ascii=arguments.ascii, theme=arguments.theme))
    app.call_later(lambda: app.set_interval(1 / 30, engine.tick))
    app.call_later(lambda: app.set_interval(1 / 5, lambda: engine.sweep and engine.finish_cells(1)))
    app.run()


if __name__ == "__main__":
    main()
