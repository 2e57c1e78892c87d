"""The grammar of `vectors`: its commands and their arguments.

Knows names and kinds only, as `arguments` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from steer_tui.commands.trade_arguments import add_trading

if TYPE_CHECKING:
    from steer_tui.commands.arguments import Parser

_NAME = "name of the vector or its path"


class Add(Protocol):
    """Adds a command below `vectors` and returns its parser."""

    def __call__(self, name: str, help_line: str, /) -> Parser: ...


def add_vectors(parser: Parser, shared: Parser) -> None:
    """Add the commands below `vectors`; each takes `--json`."""
    actions = parser.add_subparsers(
        dest="action", metavar="COMMAND", title="commands", parser_class=type(parser), required=True
    )

    def add(name: str, help_line: str, /) -> Parser:
        sentence = f"{help_line[0].upper()}{help_line[1:]}."
        action = actions.add_parser(name, help=help_line, description=sentence, parents=[shared], allow_abbrev=False)
        action.add_argument("--json", action="store_true", help="print one JSON object")
        return action

    listing = add("list", "every vector on disk, or those that fit a query")
    listing.add_argument(
        "query", metavar="WORD", nargs="*", help="a word, or group:G tag:T model:M method:M; all must hold"
    )
    add("show", "one vector and its diagnostics").add_argument("name", metavar="NAME", help=_NAME)
    add_trading(add)
    _add_keeping(add)
    _add_making(add)


def _add_keeping(add: Add) -> None:
    renaming = add("rename", "give a vector another name")
    renaming.add_argument("name", metavar="OLD", help=_NAME)
    renaming.add_argument("new", metavar="NEW", help="what to call it from now on")
    removing = add("remove", "move a vector to the trash, from where `restore` brings it back")
    removing.add_argument("name", metavar="NAME", help=_NAME)
    restoring = add("restore", "bring back the vector of a name that was removed last")
    restoring.add_argument("name", metavar="NAME", help="what it was called, or its path in the trash")
    restoring.add_argument("--as", dest="new", metavar="NEW", help="what to call it from now on")
    add("trash", "every removed vector, newest first")
    add("verify", "read every vector to the last bit; exit status 1 if anything is damaged")
    tagging = add("tag", "tags, a note and a group for a vector; without any, print what it has")
    tagging.add_argument("name", metavar="NAME", help=_NAME)
    tagging.add_argument("tags", metavar="TAG", nargs="*", help="to add")
    tagging.add_argument("--drop", metavar="TAG", action="append", default=[], help="to take off; may be repeated")
    tagging.add_argument("--note", metavar="TEXT", help="instead of the description")
    tagging.add_argument("--group", metavar="GROUP", help="the heading it is listed under")


def _add_making(add: Add) -> None:
    mixing = add("mix", "a weighted sum of vectors as a new vector, such as: mix cheery happy:1 angry:-0.5")
    mixing.add_argument("new", metavar="NEW", help="name of the new vector")
    mixing.add_argument("terms", metavar="NAME[:WEIGHT]", nargs="+", help="weight 1 where none is given")
    negating = add("negate", "the opposite of a vector as a new vector")
    negating.add_argument("new", metavar="NEW", help="name of the new vector")
    negating.add_argument("name", metavar="NAME", help=_NAME)
    parting = add("orthogonal", "a vector without its part along others, as a new vector")
    parting.add_argument("new", metavar="NEW", help="name of the new vector")
    parting.add_argument("name", metavar="NAME", help=_NAME)
    parting.add_argument("--against", metavar="A,B", required=True, help="the others, parted by commas")
    comparing = add("cosine", "how alike the directions of vectors are, on average over layers and at each")
    comparing.add_argument("names", metavar="NAME", nargs="+", help=_NAME)
