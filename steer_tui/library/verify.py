"""Reading every vector to the last bit: does it parse, agree with itself, hold numbers, and is it what was saved?

Promises that no file raises, that nothing is changed, and that no torch is needed. A file without a seal, as other
programs and earlier versions write it, can be damaged in a number or a word without this being seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from steer_tui.engine.recipe import parse_recipe
from steer_tui.errors import LibraryError, RecipeError
from steer_tui.library.concepts import Concept
from steer_tui.library.entries import VectorEntry
from steer_tui.library.header import VectorHeader, header_of, read_file
from steer_tui.library.seal import is_as_sealed, not_finite

Progress = Callable[[int, int], None]

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one file that a person should know."""

    entry: VectorEntry
    problem: str
    """A sentence part that follows the file's name: `is cut short`."""
    is_damage: bool
    """False for a remark: the vector can be used."""

    def to_json(self) -> dict[str, object]:
        """Return one entry of `vectors verify --json`."""
        return {"name": self.entry.name, "path": str(self.entry.path), "problem": self.problem}


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a library."""

    checked: int
    """Files that were read."""
    sealed: int
    """Those among them whose every bit could be checked."""
    findings: tuple[Finding, ...] = ()

    @property
    def damaged(self) -> tuple[Finding, ...]:
        """Files that cannot be used as they are."""
        return tuple(finding for finding in self.findings if finding.is_damage)

    @property
    def is_clean(self) -> bool:
        """Whether no file is damaged."""
        return not self.damaged


def verify(
    entries: Iterable[VectorEntry],
    concepts: Iterable[Concept] = (),
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Report:
    """Read every file and return what was found; what was found so far where it is stopped.

    Args:
        entries: The files.
        concepts: The examples there are now, to compare with those that a vector was made from.
        on_progress: Is told (files read, files in all).
        should_stop: Is asked before each file.
    """
    entries = list(entries)
    known = {concept.name: concept for concept in concepts}
    findings: list[Finding] = []
    checked = sealed = 0
    for entry in entries:
        if should_stop is not None and should_stop():
            break
        found, is_sealed = _check(entry, known)
        findings += found
        checked, sealed = checked + 1, sealed + is_sealed
        if on_progress is not None:
            on_progress(checked, len(entries))
    return Report(checked, sealed, tuple(findings))


def _check(entry: VectorEntry, concepts: Mapping[str, Concept]) -> tuple[list[Finding], bool]:
    """Return what there is to say of one file, and whether it has a seal."""
    if entry.known is None:
        return [Finding(entry, entry.problem or "cannot be read", True)], False
    try:
        data = read_file(entry.path)
        header = header_of(data)
    except LibraryError as error:
        return [Finding(entry, error.message, True)], False
    damage = [Finding(entry, problem, True) for problem in _damage(data, header)]
    remarks = [Finding(entry, remark, False) for remark in _remarks(entry.name, header, concepts)]
    return damage + remarks, bool(header.seal)


def _damage(data: bytes, header: VectorHeader) -> Iterator[str]:
    layers = not_finite(data)
    if layers:
        yield f"is damaged: it holds numbers that are not finite, at layer {', '.join(map(str, layers))}"
    if header.seal and not is_as_sealed(data, header.seal):
        yield "is damaged: it is not what was saved"
    texts = header.meta.pairs_sha256
    if texts and not _SHA256.fullmatch(texts):
        yield "is damaged: its fingerprint of the texts is no SHA-256"


def _remarks(name: str, header: VectorHeader, concepts: Mapping[str, Concept]) -> Iterator[str]:
    meta = header.meta
    concept = concepts.get(name)
    if concept is not None and meta.pairs_sha256 and meta.pairs_sha256 != concept.pairs_sha256:
        yield "was made from other examples than its concept has now"
    if meta.default_recipe is not None:
        try:
            names = parse_recipe(meta.default_recipe).names
        except RecipeError:
            names = ()
        if name not in names:
            yield f"has a recipe that does not name it: {meta.default_recipe[:60]}"
