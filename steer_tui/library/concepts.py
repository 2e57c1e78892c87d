"""Concept files: contrast examples in TOML, those of the user and those that ship with the product.

Promises that what is returned is clean text within bounds, and that a broken file costs that file only.
Knows nothing of models or tensors.
"""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path

from steer_tui.engine.digest import pairs_digest
from steer_tui.errors import LibraryError, UsageError
from steer_tui.library.names import check_name
from steer_tui.paths import Paths, bundled
from steer_tui.text import clean, one_line

MAX_FILE = 4 << 20
MAX_TEXTS = 20_000
SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class Concept:
    """A direction in meaning, given by examples of it and of what it is not."""

    name: str
    group: str
    description: str
    positive: tuple[str, ...]
    """At least one text that shows the concept."""
    negative: tuple[str, ...]
    """At least one text that does not; pairs with `positive` where there are as many."""
    test_prompts: tuple[str, ...]
    words: tuple[str, ...]
    """Words whose presence shows the concept in a text of the demo model; empty where no words do."""
    path: Path
    bundled: bool
    prompts: tuple[str, ...] = ()
    """What each pair answers, as many as there are pairs; empty where the texts stand alone."""
    system: tuple[str, str] | None = None
    """System prompts of the two sides, read over the same user messages; None where the texts themselves differ."""
    instruction: str = ""
    """What asks for the concept in words, such as `Answer happily.`: what steering is compared with; empty for none."""

    @property
    def pairs(self) -> int:
        """Contrast pairs: 0 where the two sides differ in number."""
        return len(self.positive) if len(self.positive) == len(self.negative) else 0

    @property
    def pairs_sha256(self) -> str:
        """Hex digest of both sides' texts, in order: the same examples, the same digest."""
        return pairs_digest(self.positive, self.negative, self.prompts, self.system)


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be used, and why."""

    path: Path
    message: str


def load_concepts(paths: Paths) -> tuple[list[Concept], list[Problem]]:
    """Return every concept by group and name, and every file that is none; the user's own win over bundled ones."""
    own, own_problems = _load_folder(paths.concepts, is_bundled=False)
    shipped, shipped_problems = _load_folder(bundled("vectors") / "concepts", is_bundled=True)
    concepts = {concept.name: concept for concept in (*shipped, *own)}
    ordered = sorted(concepts.values(), key=lambda concept: (concept.group.casefold(), concept.name.casefold()))
    return ordered, own_problems + shipped_problems


def _load_folder(folder: Path, *, is_bundled: bool) -> tuple[list[Concept], list[Problem]]:
    concepts: dict[str, Concept] = {}
    problems: list[Problem] = []
    for path in _concept_files(folder):
        try:
            concept = read_concept(path, is_bundled=is_bundled)
        except (LibraryError, UsageError) as error:
            problems.append(Problem(path, error.message))
            continue
        first = concepts.setdefault(concept.name, concept)
        if first is not concept:
            problems.append(Problem(path, f"is named {concept.name!r}, as {one_line(first.path.name)} is"))
    return list(concepts.values()), problems


def _concept_files(folder: Path) -> list[Path]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [folder / name for name in sorted(names) if name.endswith(SUFFIX) and not name.startswith(".")]


def read_concept(path: Path, *, is_bundled: bool = False) -> Concept:
    """Return the concept in the file at `path`.

    Raises:
        LibraryError: It cannot be read, or is not a concept.
        UsageError: Its name cannot be a name.
    """
    try:
        # O_NONBLOCK: a pipe with this name would otherwise be waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise LibraryError("is not a regular file")
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise LibraryError(f"cannot be read: {error.strerror or 'unknown reason'}") from error
    if len(data) > MAX_FILE:
        raise LibraryError(f"is larger than {MAX_FILE >> 20} MiB")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise LibraryError(f"is not UTF-8 text, at byte {error.start}") from error
    return parse_concept(text, path, is_bundled=is_bundled)


def parse_concept(text: str, path: Path, *, is_bundled: bool = False) -> Concept:
    """Return the concept that a TOML text describes; entries it does not know are passed over.

    Raises:
        LibraryError: It is not TOML, or lacks examples, or an entry is of a wrong type.
        UsageError: Its name cannot be a name.
    """
    try:
        entries = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"is not valid TOML: {one_line(str(error))[:120]}") from error
    name = check_name(_text(entries, "name", required=True))
    positive = _texts(entries, "positive", required=True)
    return Concept(
        name=name,
        group=one_line(_text(entries, "group")) or "other",
        description=one_line(_text(entries, "description")),
        positive=positive,
        negative=_texts(entries, "negative", required=True),
        test_prompts=_texts(entries, "test_prompts"),
        words=_texts(entries, "words"),
        path=path,
        bundled=is_bundled,
        prompts=_prompts(entries, len(positive)),
        system=_system(entries),
        instruction=one_line(_text(entries, "instruction")),
    )


def _prompts(entries: dict[str, object], pairs: int) -> tuple[str, ...]:
    prompts = _texts(entries, "prompts")
    if prompts and len(prompts) != pairs:
        raise LibraryError(f"has {len(prompts)} prompts for {pairs} positive texts")
    return prompts


def _system(entries: dict[str, object]) -> tuple[str, str] | None:
    sides = _texts(entries, "system")
    if not sides:
        return None
    if len(sides) != 2:
        raise LibraryError("has a system that is not two texts, one for each side")
    return sides[0], sides[1]


def _text(entries: dict[str, object], key: str, *, required: bool = False) -> str:
    value = entries.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise LibraryError(f"has no {key}" if value is None else f"has a {key} that is not a text")
    return value


def _texts(entries: dict[str, object], key: str, *, required: bool = False) -> tuple[str, ...]:
    """Return a list of texts, cleaned, none of them blank."""
    value = entries.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise LibraryError(f"has {key} that are not a list of texts")
    if required and not value:
        raise LibraryError(f"has no {key} examples")
    if len(value) > MAX_TEXTS:
        raise LibraryError(f"has more than {MAX_TEXTS} {key} texts")
    texts = tuple(clean(entry).strip() for entry in value)
    if "" in texts:
        raise LibraryError(f"has a blank text in {key}, entry {texts.index('') + 1}")
    return texts
