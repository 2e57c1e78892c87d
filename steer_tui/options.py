"""What the options of the command line say; None where the user said nothing and configuration decides.

Standard library only: the workbench and every command read it before anything heavy is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """The options that may stand before or after a command."""

    model: str | None = None
    """`demo`, a folder, a `.gguf` file or a hub id; None is the last one used, else `demo`."""
    device: str | None = None
    device_map: str | None = None
    dtype: str | None = None
    offline: bool = False
    data_dir: Path | None = None
    """Keeps config, data and state below it; None leaves the platform's folders."""
    theme: str | None = None
    mouse: bool = True
    ascii: bool = False
    debug: bool = False
    """Shows tracebacks and the libraries' own messages."""
