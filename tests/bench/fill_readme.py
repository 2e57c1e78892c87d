"""Fill README's generated blocks anew: `python tests/bench/fill_readme.py keys`.

Blocks stand between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; a test compares `keys` with the actions there are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from steer_tui.tui.actions import key_table

README = Path(__file__).resolve().parents[2] / "README.md"

BLOCKS: dict[str, Callable[[], str]] = {"keys": key_table}


def fill(text: str, name: str, content: str) -> str:
    """Return `text` with the block of that name replaced."""
    pattern = rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)"
    filled, count = re.subn(pattern, lambda match: f"{match[1]}{content.strip()}\n{match[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"README has {count} blocks named {name}")
    return filled


def main(names: list[str]) -> None:
    """Fill the named blocks, all of them where none is named."""
    text = README.read_text(encoding="utf-8")
    for name in names or BLOCKS:
        text = fill(text, name, BLOCKS[name]())
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
