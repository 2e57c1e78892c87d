"""The grammar of `vectors import` and `vectors export`.

Knows names and kinds only, as `arguments` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steer_tui.commands.vector_arguments import Add


def add_trading(add: Add) -> None:
    """Add both commands."""
    taking = add("import", "take in vector files of other tools: GGUF, .svec, .pt, safetensors, JSON")
    taking.add_argument("files", metavar="FILE", nargs="+", type=Path, help="told apart by what is in them")
    taking.add_argument("--name", metavar="N", help="what to call the vector; else each file's own name")
    taking.add_argument("--producer", metavar="P", help="who wrote the files, such as repeng or llama.cpp")
    taking.add_argument("--layer-offset", type=int, metavar="K", help="block = the file's layer number + K")
    giving = add("export", "write a vector or a recipe for another tool")
    giving.add_argument("name", metavar="NAME", help="of the vector; or a recipe, such as happy:0.7,excited:0.3")
    giving.add_argument("file", metavar="FILE", type=Path, help="its ending says the format: .gguf .svec .pt .json ...")
    giving.add_argument("--format", metavar="F", help="where the ending does not say it, such as lm-eval or easysteer")
