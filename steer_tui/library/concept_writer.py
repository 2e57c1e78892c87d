"""Concept files written: the examples a person gave, kept so that any model can make a vector of them.

Promises that what is written reads back as it was, and that nothing is lost where a file of that name was there.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from steer_tui.errors import LibraryError
from steer_tui.files import write_atomic, write_error
from steer_tui.library.concepts import MAX_FILE, SUFFIX, Concept
from steer_tui.library.moving import move
from steer_tui.library.names import check_name
from steer_tui.paths import Paths

_STAMP = "%Y%m%dT%H%M%S%fZ"


def concept_text(concept: Concept) -> str:
    """Return a concept as the TOML that `parse_concept` reads."""
    entries = [f"{key} = {_string(getattr(concept, key))}" for key in ("name", "group", "description")]
    if concept.instruction:
        entries.append(f"instruction = {_string(concept.instruction)}")
    if concept.system is not None:
        entries.append(f"system = {_strings(concept.system)}")
    for key in ("prompts", "positive", "negative", "test_prompts", "words"):
        if texts := getattr(concept, key):
            entries.append(f"{key} = {_strings(texts)}")
    return "\n\n".join(entries) + "\n"


def save_concept(paths: Paths, concept: Concept) -> Path:
    """Write a concept of the user's own; another one of its name goes to the trash. Return where it is.

    Raises:
        UsageError: Its name cannot be a file's.
        LibraryError: The file cannot be written, or would be too large to be read.
    """
    path = paths.concepts / f"{check_name(concept.name)}{SUFFIX}"
    data = concept_text(concept).encode()
    if len(data) > MAX_FILE:
        raise LibraryError(f"{len(data) >> 20} MiB of examples are too many to keep", hint="take a part of them")
    if _content(path) not in (None, data):
        _put_away(paths, path)
    write_atomic(path, data)
    return path


def describe_concept(paths: Paths, concept: Concept, name: str, group: str, description: str) -> Path:
    """Write one of the user's concepts under another name, or with other words; return where it is now.

    Raises:
        UsageError: The name cannot be a file's.
        LibraryError: Another concept has the name, or the file cannot be written.
    """
    path = paths.concepts / f"{check_name(name)}{SUFFIX}"
    if path != concept.path and path.exists():
        raise LibraryError(f"there is a concept {name!r} already", hint="choose another name")
    save_concept(paths, replace(concept, name=name, group=group or concept.group, description=description, path=path))
    if path != concept.path:
        _put_away(paths, concept.path)
    return path


def _content(path: Path) -> bytes | None:
    """Return what a file holds, None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise write_error(path, error) from error


def _put_away(paths: Paths, path: Path) -> None:
    """Move a concept file to the trash."""
    stamp = datetime.datetime.now(datetime.UTC).strftime(_STAMP)
    try:
        move(path, paths.trash / "concepts" / f"{path.stem}.{stamp}{SUFFIX}")
    except OSError as error:
        raise write_error(path, error) from error


def _strings(texts: Sequence[str]) -> str:
    return "[\n" + "".join(f"    {_string(text)},\n" for text in texts) + "]"


def _string(text: str) -> str:
    """Return a TOML string: JSON's escapes are TOML's, but for the one character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
