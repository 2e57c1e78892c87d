"""Which vectors a person asks to see: words, and `group:` `tag:` `model:` `method:` with a value.

Promises that every text is a query and that none raises. Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass

from steer_tui.library.entries import VectorEntry
from steer_tui.library.names import slug
from steer_tui.text import one_line

FIELDS = ("group", "tag", "model", "method")


@dataclass(frozen=True, slots=True)
class Query:
    """What a vector must be to be shown; all of it must hold, in any case of letters, and empty holds always."""

    words: tuple[str, ...] = ()
    """Each is part of the name, group, tags, description, method or model's id."""
    group: str = ""
    tag: str = ""
    model: str = ""
    """The id, or the folder in the library, begins with it."""
    method: str = ""

    def matches(self, entry: VectorEntry) -> bool:
        """Say whether an entry is asked for; a file that does not parse is known by its name and folder alone."""
        meta = entry.known
        folder = one_line(entry.path.parent.name)
        if meta is None:
            models: tuple[str, ...] = (folder,)
            tags: tuple[str, ...] = ()
            group = method = text = ""
        else:
            models = (meta.model["id"], slug(meta.model["id"]), folder)
            group, method, tags, text = meta.group, meta.method, meta.tags, meta.description
        return (
            _is_same(self.group, group)
            and _is_same(self.method, method)
            and (not self.tag or any(_is_same(self.tag, tag) for tag in tags))
            and (not self.model or any(model.casefold().startswith(self.model.casefold()) for model in models))
            and _holds("\n".join((entry.name, group, method, *tags, *models, text)), self.words)
        )


def parse_query(text: str) -> Query:
    """Return the query that a line says, such as `calm group:mood tag:mine`."""
    words: list[str] = []
    fields: dict[str, str] = {}
    for part in one_line(text).split():
        key, colon, value = part.partition(":")
        if colon and key.casefold() in FIELDS and value:
            fields[key.casefold()] = value
        else:
            words.append(part)
    return Query(tuple(words), **fields)


def _is_same(wanted: str, found: str) -> bool:
    # A group may hold blanks, which a query's value cannot: `dark-mood` asks for `dark mood` too.
    return not wanted or wanted.casefold() in (found.casefold(), "-".join(found.casefold().split()))


def _holds(text: str, words: tuple[str, ...]) -> bool:
    return not words or all(word in text.casefold() for word in map(str.casefold, words))
