"""Copying, by whatever way there is: tmux's buffer, the terminal's clipboard (OSC 52), else a file.

Promises to say which way was taken. Knows nothing of what is copied; may take a tenth of a second, so call it off the
screen's thread.
"""

from __future__ import annotations

import base64
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

OSC_52_LIMIT = 74_000
"""Bytes of base64 that common terminals take."""
NO_CLIPBOARD = ("linux", "dumb", "vt100", "vt220")
"""Terminals that cannot set a clipboard."""


def copy(
    text: str, what: str, folder: Path, write: Callable[[str], None], environ: Mapping[str, str] = os.environ
) -> str:
    """Copy `text` and return a short line that says where it went.

    Args:
        text: What to copy.
        what: What it is, in a word, for the line returned.
        folder: Where a file is put if nothing else works.
        write: Sends a control sequence to the terminal.
        environ: The process's environment.
    """
    if environ.get("TMUX") and _to_tmux(text):
        return f"{what} copied to the tmux buffer and the clipboard"
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode()
    if len(encoded) <= OSC_52_LIMIT and environ.get("TERM", "dumb") not in NO_CLIPBOARD:
        write(f"\x1b]52;c;{encoded}\a")
        return f"{what} copied to the terminal's clipboard"
    return _to_file(text, what, folder)


def _to_tmux(text: str) -> bool:
    """Load tmux's buffer; `-w` sends it on to the clipboard of the terminal outside."""
    for command in (["tmux", "load-buffer", "-w", "-"], ["tmux", "load-buffer", "-"]):
        try:
            done = subprocess.run(
                command, input=text.encode("utf-8", "replace"), capture_output=True, timeout=2, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return False
        if done.returncode == 0:
            return True
    return False


def _to_file(text: str, what: str, folder: Path) -> str:
    path = folder / f"copied-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        return f"{what} could not be copied: {error.strerror or error}"
    return f"{what} written to {path}"
