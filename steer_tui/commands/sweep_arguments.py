"""What the command line says about sweeps. Knows names and kinds only, as `arguments` does."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from steer_tui.engine.recipe import OPS, parse_number
from steer_tui.engine.sweeprequest import KL_BUDGET, RANDOMS, TOKENS, strength_range
from steer_tui.errors import RecipeError, UsageError

Number = Callable[..., Callable[[str], float]]
"""(low, high, kind, *, open_low) -> an argparse type."""

_MOST_COLUMNS = 1000


def add_sweep(parser: argparse.ArgumentParser, number: Number) -> None:
    """Give `sweep` its arguments."""
    # A strength may be negative: `--strengths -2:2:1` is a value, not an option.
    parser._negative_number_matcher = re.compile(r"^-(\d|\.\d)")
    parser.add_argument("prompts", metavar="PROMPT", nargs="*", help="texts to continue; - reads one from stdin")
    grid = parser.add_argument_group("the grid")
    grid.add_argument(
        "--concept", metavar="NAME", action="append", default=[], help="several are swept one after another"
    )
    grid.add_argument("--layers", metavar="SPAN", help="one row each, such as 2-5, 1+4 or all; best is one row")
    grid.add_argument("--rows", metavar="SPANS", help="rows that act on several layers at once, such as 2-3,3-5,best")
    grid.add_argument("--strengths", metavar="LO:HI:STEP", help="the columns, both ends included; or a list: 0.5,1,2")
    grid.add_argument("--op", choices=OPS, default="add", help="operation of every cell; add by default")
    grid.add_argument(
        "--scope", metavar="SCOPE", default="all", help="as in recipes: all, generated, last, first=N ..."
    )
    grid.add_argument("--mix", action="store_true", help="two or three concepts' weights are the axes of one grid")
    grid.add_argument("--auto", action="store_true", help="find layers and the strength that costs the KL budget")
    grid.add_argument("--refine", action="store_true", help="look closer around the best cell afterwards")
    texts = parser.add_argument_group("the texts")
    texts.add_argument("--max-tokens", type=number(1, 1_000_000, int), metavar="N", help=f"{TOKENS} by default")
    texts.add_argument("--temperature", type=number(0, 100, float), metavar="T", help="0 is greedy")
    texts.add_argument("--top-p", type=number(0, 1, float, open_low=True), metavar="P", help="1 switches it off")
    texts.add_argument("--top-k", type=number(0, 1_000_000, int), metavar="K", help="0 switches it off")
    texts.add_argument("--seed", type=number(0, 2**63 - 1, int), metavar="S", default=0, help="the first seed")
    texts.add_argument("--seeds", metavar="N", default="1", help="texts of every prompt: so many seeds, or a list")
    texts.add_argument("--raw", action="store_true", help="bypass the model's chat template")
    measures = parser.add_argument_group("what is measured")
    measures.add_argument(
        "--kl", type=number(0, 1e6, float, open_low=True), metavar="NATS", default=KL_BUDGET,
        help="budget of the best cell, mean over generated positions; 1 by default",
    )  # fmt: skip
    measures.add_argument("--randoms", type=number(RANDOMS, 1000, int), metavar="N", default=RANDOMS)
    measures.add_argument("--no-controls", action="store_true", help="without random directions and other controls")
    measures.add_argument("--no-measures", action="store_true", help="texts only")
    out = parser.add_argument_group("what comes of it")
    out.add_argument("--out", metavar="DIR", type=Path, help="keep cells as they come, then JSON, CSV and Markdown")
    out.add_argument("--resume", metavar="DIR", type=Path, help="go on with a sweep that was kept; PROMPT not needed")
    out.add_argument("--json", action="store_true", help="print one JSON object")


def parse_strengths(text: str) -> tuple[float, ...]:
    """Return the strengths that `LO:HI:STEP` or a list names; both ends are among them.

    Raises:
        UsageError: It names none, or far too many.
    """
    hint = "write --strengths 0.5:2.5:0.5, or a list such as 0.5,1,2"
    try:
        parts = [parse_number(part.strip()) for part in re.split("[:,]", text)]
    except RecipeError as error:
        raise UsageError(f"strengths {text!r}: {error.message}", hint=hint) from None
    if ":" not in text:
        return tuple(dict.fromkeys(parts))
    if "," in text or len(parts) != 3:
        raise UsageError(f"strengths {text!r} are no LO:HI:STEP", hint=hint)
    low, high, step = parts
    if step <= 0 or high < low:
        raise UsageError(f"strengths {text!r} run nowhere", hint=hint)
    if (high - low) / step > _MOST_COLUMNS:
        raise UsageError(f"strengths {text!r} are more than {_MOST_COLUMNS}", hint="take a larger step")
    return strength_range(low, high, step)


def parse_seeds(text: str, first: int) -> tuple[int, ...]:
    """Return the seeds that a number, counted from `first`, or a list names.

    Raises:
        UsageError: It names none.
    """
    if not re.fullmatch(r"\d{1,18}(,\d{1,18})*,?", text):
        raise UsageError(f"seeds {text!r} are no number", hint="--seeds 5 makes five texts of every prompt")
    if "," in text:
        return tuple(int(part) for part in text.split(",") if part)
    count = int(text)
    if not 1 <= count <= 10_000:
        raise UsageError(f"{count} seeds are none, or too many", hint="--seeds 5 makes five texts of every prompt")
    return tuple(range(first, first + count))
