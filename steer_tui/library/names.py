"""Names of vectors and concepts: what can be a file's name on any system and stand in a recipe.

Promises that a checked name is a single plain path part; knows nothing of which names are taken.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from steer_tui.errors import UsageError
from steer_tui.text import one_line, truncate

MAX_CHARACTERS = 100
MAX_BYTES = 200
"""UTF-8; leaves room for an ending within the 255 bytes that file systems allow."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Characters that count as letters or marks and show nothing: two names would look the same."""
_PUNCTUATION = "_-."
_RULE = "a name is made of letters, digits, `_`, `-` and `.`, and begins with a letter or digit"


def check_name(name: str) -> str:
    """Return `name` in Unicode's composed form (NFC) if it may name a vector or concept.

    Raises:
        UsageError: It may not; the hint offers one that may.
    """
    composed = unicodedata.normalize("NFC", name) if _is_encodable(name) else name
    problem = _problem(composed)
    if problem is None:
        return composed
    shown = truncate(one_line(name), 40)
    raise UsageError(f"{shown!r} cannot be a name: {problem}", hint=f"{_RULE}, such as {slug(name)}")


def is_name(name: str) -> bool:
    """Say whether `name` may name a vector or concept, as it stands."""
    return _is_encodable(name) and _problem(name) is None and unicodedata.is_normalized("NFC", name)


@lru_cache(maxsize=256)
def slug(text: str) -> str:
    """Return a name made from any text, such as a model's id: `org/model` becomes `org--model`.

    Different texts may give the same name.
    """
    composed = unicodedata.normalize("NFC", one_line(text)).replace("/", "--")
    plain = "".join(character if _is_allowed(character) else " " for character in composed)
    name = "-".join(plain.split()).lstrip(".-")
    while name and _is_mark(name[0]):
        name = name[1:].lstrip(".-")
    name = _cut(name).rstrip(".-")
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    return name if is_name(name) else "unnamed"


def _cut(name: str) -> str:
    name = name[: MAX_CHARACTERS - 1]  # one is left for the mark before a reserved name
    return name.encode()[: MAX_BYTES - 1].decode(errors="ignore")


def _problem(name: str) -> str | None:
    """Return what is wrong with a name in composed form, None where nothing is."""
    if not name:
        return "it is empty"
    if not _is_encodable(name) or len(name) > MAX_CHARACTERS or len(name.encode()) > MAX_BYTES:
        return f"it is longer than {MAX_CHARACTERS} characters" if _is_encodable(name) else "it is not text"
    strange = next((character for character in name if not _is_allowed(character)), None)
    if strange is not None:
        return "it holds a blank" if strange == " " else f"it holds U+{ord(strange):04X}"
    if name[0] in ".-" or _is_mark(name[0]):
        return "it begins with a mark"
    if name[-1] == ".":
        return "it ends in a full stop"
    if _RESERVED.fullmatch(name):
        return "some systems keep that name for a device"
    return None


def _is_allowed(character: str) -> bool:
    if character in _PUNCTUATION:
        return True
    return unicodedata.category(character)[0] in "LNM" and _INVISIBLE.match(character) is None


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _is_encodable(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
