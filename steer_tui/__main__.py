"""`python -m steer_tui`, the same as `steer-tui`."""

from __future__ import annotations

import sys

from steer_tui.cli import main

if __name__ == "__main__":
    sys.exit(main())
