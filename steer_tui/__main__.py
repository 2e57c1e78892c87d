"""`python -m steer_tui`, the same as `steer-tui`: where the process begins."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> int:
    """Run the command line; Ctrl+C ends it in one line also while this program itself is being read."""
    try:
        from steer_tui.cli import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
