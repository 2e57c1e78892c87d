"""The grammar of the command line: options before or after the command, and every command's own arguments.

Knows names and kinds only; it imports neither torch nor textual, and nothing of what the commands do.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from steer_tui import __version__
from steer_tui.commands.extract_arguments import add_extract
from steer_tui.commands.hook_arguments import add_hooks, add_points
from steer_tui.commands.sweep_arguments import add_sweep
from steer_tui.commands.vector_arguments import add_vectors
from steer_tui.errors import UsageError
from steer_tui.options import Options

PLACES = ("config", "data", "state", "themes", "vectors", "log")
"""What `locate` can name."""

_EXAMPLES = """\
examples:
  steer-tui                                                      open the workbench
  steer-tui generate "The meeting went" --steer happy:1          stream steered text
  steer-tui generate "The meeting went" --steer happy:1,formal:0.5 --baseline
  steer-tui sweep "The meeting went" --concept happy             which layer, which strength?
  steer-tui --model ./my-llama --dtype bfloat16 models           options stand before or after the command
"""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError, with the nearest names as a hint, where argparse would leave."""

    def error(self, message: str) -> NoReturn:
        raise _refusal(message, self.prog, _known_options(self))


def _known_options(parser: Parser) -> list[str]:
    return re.findall(r"--[a-z][a-z-]*", parser.format_help())


def _refusal(message: str, prog: str, options: Sequence[str]) -> UsageError:
    """Turn argparse's words into an error with a remedy."""
    from difflib import get_close_matches

    hint = f"`{prog} --help` lists what there is"
    choice = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
    if choice and "COMMAND" in message:
        known = re.findall(r"[\w-]+", choice[2])
        near = get_close_matches(choice[1], known, n=3, cutoff=0.6)
        return UsageError(
            f"there is no command {choice[1]!r}", hint=f"did you mean {' or '.join(near)}?" if near else hint
        )
    unknown = re.match(r"unrecognized arguments: (\S+)", message)
    if unknown:
        near = get_close_matches(unknown[1].split("=")[0], options, n=1, cutoff=0.75)
        return UsageError(message, hint=f"did you mean {near[0]}?" if near else hint)
    return UsageError(message, hint=hint)


def _number(low: float, high: float, kind: Callable[[str], float], *, open_low: bool = False) -> Callable[[str], float]:
    """Return an argparse type that takes finite numbers from `low` to `high`."""

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of the kind wanted") from None
        if not math.isfinite(value) or not low <= value <= high or (open_low and value == low):
            span = f"{'above' if open_low else 'at least'} {low:g}" + (
                "" if math.isinf(high) else f" and at most {high:g}"
            )
            raise argparse.ArgumentTypeError(f"{text} is out of range, it must be {span}")
        return value

    return convert


def _named(text: str) -> str:
    """Return a text that names something; an empty one, as of a variable that is not set, would mean another thing."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return text


def _folder(text: str) -> Path:
    return Path(_named(text))


def _shared_options() -> Parser:
    """Return the parser of the options that stand anywhere; absent ones leave no trace, so that none hides another."""
    shared = Parser(add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    group = shared.add_argument_group("options before or after the command")
    group.add_argument("--model", metavar="REF", type=_named, help="demo, a local folder, a .gguf file or a hub id")
    group.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument("--device-map", metavar="MAP", help="auto spreads a large model over several GPUs")
    group.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), help="precision of the weights")
    group.add_argument("--offline", action="store_true", help="no network call of any kind")
    group.add_argument("--data-dir", metavar="DIR", type=_folder, help="keep config, data and state below DIR")
    group.add_argument("--theme", metavar="NAME", help="colours of the workbench")
    group.add_argument("--no-mouse", dest="mouse", action="store_false", help="leave the mouse to the terminal")
    group.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
    group.add_argument("--debug", action="store_true", help="show tracebacks and the libraries' own messages")
    return shared


def build_parser() -> Parser:
    """Return the parser of the whole command line; `command` in its namespace is None for the workbench."""
    shared = _shared_options()
    parser = Parser(
        prog="steer-tui",
        description="Steer language models along concept vectors: a terminal workbench and its commands. "
        "Without a command the workbench opens.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"steer-tui {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=Parser)

    def add(name: str, help_line: str) -> Parser:
        return commands.add_parser(
            name, help=help_line, description=_sentence(help_line), parents=[shared], allow_abbrev=False
        )

    _add_generate(add("generate", "stream steered text, with the unsteered text beside it if wanted"))
    add_sweep(add("sweep", "try layers and strengths on one grid, with measures and controls"), _number)
    add_extract(add("extract", "make a vector from contrast texts and keep it in the library"))
    _add_export(add("export", "write the steered model as an ordinary model folder, steered by its weights"))
    _json_flag(add("models", "list the demo model, recent models and the local Hugging Face cache"))
    add_vectors(add("vectors", "list, show, change, combine and check the vectors in the library"), shared)
    add_points(add("points", "list every hook point of a model"))
    _json_flag(add("bench", "measure tokens per second against the memory-bandwidth floor"))
    _json_flag(add("doctor", "check what works on this machine, with advice"))
    locate = add("locate", "print where a thing is kept")
    locate.add_argument("place", choices=PLACES, metavar="PLACE", help=", ".join(PLACES))
    return parser


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _json_flag(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_generate(parser: Parser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="the text to continue; - reads it from standard input")
    parser.add_argument(
        "--steer", metavar="RECIPE", help="such as happy:1 or happy:2@3-4/generated,formal; needed without hooks"
    )
    parser.add_argument("--baseline", action="store_true", help="also the text without steering, from the same draws")
    parser.add_argument("--max-tokens", type=_number(1, 1_000_000, int), metavar="N", help="most tokens to generate")
    parser.add_argument("--temperature", type=_number(0, 100, float), metavar="T", help="0 is greedy")
    parser.add_argument("--top-p", type=_number(0, 1, float, open_low=True), metavar="P", help="1 switches it off")
    parser.add_argument("--top-k", type=_number(0, 1_000_000, int), metavar="K", help="0 switches it off")
    parser.add_argument(
        "--seed", type=_number(0, 2**63 - 1, int), metavar="S", help="the same seed gives the same text"
    )
    parser.add_argument("--raw", action="store_true", help="bypass the model's chat template")
    add_hooks(parser)
    _json_flag(parser)


def _add_export(parser: Parser) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=_folder, help="a new one, which transformers loads as it is")
    parser.add_argument("--steer", metavar="RECIPE", help="such as happy:1: what it adds becomes part of the biases")
    parser.add_argument(
        "--without",
        metavar="NAME",
        action="append",
        default=[],
        help="a vector whose direction is taken out of all weights; may be repeated",
    )
    _json_flag(parser)


def read_options(namespace: argparse.Namespace) -> Options:
    """Return the shared options of a parsed command line."""
    given = {name: getattr(namespace, name) for name in Options.__slots__ if hasattr(namespace, name)}
    return Options(**given)
