"""The grammar of `extract`. Knows names and kinds only, as `arguments` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from steer_tui.engine.extractchoices import BLOCK_OUT, METHODS, SITES, TEMPLATES

if TYPE_CHECKING:
    from steer_tui.commands.arguments import Parser


def add_extract(parser: Parser) -> None:
    """Add the arguments of `extract`."""
    parser.add_argument("name", metavar="NAME", help="of the vector; without texts, of a bundled or own concept")
    texts = parser.add_argument_group("what to make it from, one of these")
    texts.add_argument(
        "--pairs", metavar="FILE", type=Path, help="TOML, JSON lines, CSV or `positive | negative` lines"
    )
    texts.add_argument("--positive", metavar="FILE", type=Path, help="texts that show it, one per line")
    texts.add_argument("--negative", metavar="FILE", type=Path, help="texts that do not, one per line")
    texts.add_argument("--words", metavar="PAIR", help='two words or sentences, such as "Love - Hate"')
    texts.add_argument(
        "--system", metavar=("POSITIVE", "NEGATIVE"), nargs=2, help="two system prompts, read over neutral messages"
    )
    how = parser.add_argument_group("how to make it")
    how.add_argument("--method", metavar="M", default="mean", help=", ".join(METHODS))
    how.add_argument("--read", metavar="R", default="auto", help="tokens: mean, last, last:4, after:TEXT, completion")
    where = how.add_mutually_exclusive_group()
    where.add_argument("--site", choices=tuple(SITES), default=BLOCK_OUT, help="block_out by default")
    where.add_argument("--at", metavar="PATH", help="a module or hook point; * stands for the block's number")
    how.add_argument("--layers", metavar="SPAN", help="blocks to read, such as 3-5 or 1+4; all by default")
    how.add_argument("--template", choices=tuple(TEMPLATES), default="auto", help="of chat models; auto by default")
    how.add_argument("--seed", metavar="S", type=int, default=0, help="of methods that draw")
    parser.add_argument("--show-tokens", action="store_true", help="show which tokens are read, and make nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
