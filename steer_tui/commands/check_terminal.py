"""Checks of the terminal, tmux, SSH and the way to the clipboard. They send nothing to the terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from steer_tui.commands.check import Check

SMALLEST = (60, 16)
"""Columns and lines below which the workbench only says so."""


def terminal_checks() -> Iterator[Check]:
    """Yield what the workbench has to draw on."""
    yield size_check()
    yield colour_check()
    yield encoding_check()
    yield tmux_check()
    yield clipboard_check()
    yield remote_check()


def size_check() -> Check:
    """Return whether the workbench has room."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Check("terminal", "note", "none", "the workbench needs one; every other command works without")
    columns, lines = shutil.get_terminal_size()
    found = f"{os.environ.get('TERM', 'TERM is not set')}, {columns}x{lines}"
    if columns < SMALLEST[0] or lines < SMALLEST[1]:
        return Check("terminal", "note", found, f"the workbench wants {SMALLEST[0]}x{SMALLEST[1]} or more")
    return Check("terminal", "ok", found, "large enough")


def colour_check() -> Check:
    """Return how many colours the workbench will use."""
    term = os.environ.get("TERM", "")
    if os.environ.get("NO_COLOR"):
        return Check("colours", "ok", "none, NO_COLOR is set", "unset NO_COLOR for colours")
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return Check("colours", "ok", "16 million", "every theme shows as designed")
    advice = "ssh does not pass COLORTERM on: export COLORTERM=truecolor if your terminal has it"
    if "256color" in term:
        return Check("colours", "ok", "256", advice)
    return Check("colours", "note", "16 or fewer", f"--theme ansi suits; {advice}")


def encoding_check() -> Check:
    """Return whether the terminal takes characters beyond ASCII, as far as the locale tells."""
    encoding = (getattr(sys.stdout, "encoding", None) or "unknown").lower()
    if encoding.replace("-", "") == "utf8":
        return Check("encoding", "ok", encoding, "--ascii draws without line characters all the same")
    return Check("encoding", "note", encoding, "export LANG=C.UTF-8, or use --ascii")


def tmux_check() -> Check:
    """Return whether tmux is around this program, and what it lets through."""
    if not os.environ.get("TMUX"):
        return Check("tmux", "ok", "not inside tmux", "over SSH, tmux keeps a long session alive")
    release = _ask("tmux", "-V") or "tmux"
    clipboard = _ask("tmux", "show-options", "-gv", "set-clipboard")
    if clipboard == "off":
        return Check("tmux", "note", f"{release}, set-clipboard off", "tmux set -g set-clipboard on lets `y` copy")
    default = _ask("tmux", "show-options", "-gv", "default-terminal")
    if "256color" not in default and "direct" not in default:
        return Check("tmux", "note", f"{release}, {default}", "tmux set -g default-terminal tmux-256color")
    return Check("tmux", "ok", f"{release}, {default}", "tmux set -as terminal-features ',*:RGB' passes all colours on")


def clipboard_check() -> Check:
    """Return the way that `y` copies."""
    from steer_tui.tui.clipboard import NO_CLIPBOARD

    if os.environ.get("TMUX"):
        return Check("clipboard", "ok", "tmux load-buffer", "copies to tmux, and from 3.2 on to your terminal")
    if os.environ.get("TERM", "dumb") in NO_CLIPBOARD:
        return Check("clipboard", "note", "none", "what is copied goes to a file whose path is shown")
    return Check(
        "clipboard", "ok", "OSC 52", "your terminal must allow it; large texts go to a file whose path is shown"
    )


def remote_check() -> Check:
    """Return whether the screen travels over SSH."""
    if not (os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY")):
        return Check("ssh", "ok", "local", "full redraw rate")
    rate = os.environ.get("TEXTUAL_FPS", "15")
    return Check("ssh", "ok", f"remote, {rate} frames a second", "TEXTUAL_FPS=5 saves bytes on a slow line")


def _ask(*command: str) -> str:
    """Return what a command prints, empty where it fails or takes more than a second."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1, check=False, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
