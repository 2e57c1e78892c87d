"""What crosses between the Library screen and the engine thread: commands on vector files, and what became of them.

Frozen plain values; a file is named by its `VectorEntry`, so that a command can never mean another file of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from steer_tui.library.catalogue import Listed
from steer_tui.library.entries import VectorEntry
from steer_tui.library.pairtexts import PairTexts
from steer_tui.library.trash import Removed
from steer_tui.library.verify import Report
from steer_tui.session.messages import Command, Event

if TYPE_CHECKING:
    from steer_tui.engine.arithmetic import CosineMap
    from steer_tui.engine.tokensread import ShownText
    from steer_tui.library.trade import ExportResult, ImportResult

Operation = Literal["mix", "negate", "orthogonalise"]


# Events


@dataclass(frozen=True, slots=True)
class LibraryListed(Event):
    """The library is now this."""

    vectors: tuple[Listed, ...]
    """Every file, those of the model in use first."""
    trash: tuple[Removed, ...]
    """Newest first."""

    def supersedes(self, last: Event) -> bool:
        """Only the newest list counts."""
        return isinstance(last, LibraryListed)


@dataclass(frozen=True, slots=True)
class LibraryProgress(Event):
    """Work on files goes on: so many of so many are done."""

    doing: str
    done: int
    total: int

    def supersedes(self, last: Event) -> bool:
        """Only the newest progress counts."""
        return isinstance(last, LibraryProgress)


@dataclass(frozen=True, slots=True)
class Change:
    """What a command did, in words, and the commands that take it back."""

    words: str
    """A past fact: `happy is now joy`."""
    undo: tuple[Command, ...] = ()
    """In the order in which they are to be sent; empty where nothing is to be taken back."""
    names: tuple[str, ...] = ()
    """The vectors that are there now because of it."""
    renamed: tuple[str, str] | None = None
    """The old name and the new one, where a vector got another."""


@dataclass(frozen=True, slots=True)
class LibraryChanged(Event):
    """A command did what it was asked; LibraryListed came before it."""

    change: Change
    is_undo: bool = False
    """Whether it took back an earlier change."""


@dataclass(frozen=True, slots=True)
class LibraryRefused(Event):
    """A command could not be done, or was stopped; nothing has changed."""

    message: str
    hint: str | None
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class LibraryVerified(Event):
    """Every file has been read whole, or those up to where it was stopped."""

    report: Report
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class ConceptMade(Event):
    """Making a vector of new examples ended; LibraryListed, VectorsChanged and ExtractFinished came before it."""

    name: str
    vector: Listed | None
    """None where it was stopped or failed."""
    change: Change | None = None
    message: str | None = None
    """What went wrong, None where all went well and where it was stopped."""
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class TokensShown(Event):
    """The tokens of examples, those marked that a vector is read from; only the first few texts."""

    texts: tuple[ShownText, ...]
    read: str


@dataclass(frozen=True, slots=True)
class CosinesMade(Event):
    """The cosines of some vectors with each other."""

    cosines: CosineMap


@dataclass(frozen=True, slots=True)
class FilesImported(Event):
    """What became of each file that was to be imported; LibraryListed came before it if any was."""

    results: tuple[ImportResult, ...]
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class VectorExported(Event):
    """A file was written for another program."""

    result: ExportResult


# Commands


@dataclass(frozen=True, slots=True)
class _LibraryCommand(Command):
    def refused(self, message: str, hint: str | None) -> Event:
        """Return LibraryRefused."""
        return LibraryRefused(message, hint)


@dataclass(frozen=True, slots=True)
class ListLibrary(_LibraryCommand):
    """Read what there is."""

    is_work: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class DescribeVector(_LibraryCommand):
    """Give a vector another name, group, note and tags at once; what is as it was stays untouched."""

    is_work: ClassVar[bool] = False
    entry: VectorEntry
    name: str
    group: str
    description: str
    tags: tuple[str, ...]
    is_undo: bool = False


@dataclass(frozen=True, slots=True)
class RemoveVectors(_LibraryCommand):
    """Move vectors to the trash."""

    is_work: ClassVar[bool] = False
    entries: tuple[VectorEntry, ...]
    is_undo: bool = False


@dataclass(frozen=True, slots=True)
class RestoreVectors(_LibraryCommand):
    """Bring vectors back from the trash; `name` is for a single one whose own is taken."""

    is_work: ClassVar[bool] = False
    removed: tuple[Removed, ...]
    name: str | None = None
    is_undo: bool = False


@dataclass(frozen=True, slots=True)
class VerifyLibrary(_LibraryCommand):
    """Read every file to its last bit."""


@dataclass(frozen=True, slots=True)
class MakeConcept(Command):
    """Make a vector of examples that a person gave, and keep both."""

    name: str
    pairs: PairTexts
    method: str = "mean"
    read: str = "auto"

    def refused(self, message: str, hint: str | None) -> Event:
        """Return ConceptMade."""
        return ConceptMade(self.name, None, None, message, hint)


@dataclass(frozen=True, slots=True)
class ShowTokens(_LibraryCommand):
    """Find out which tokens of examples a vector is read from."""

    pairs: PairTexts
    read: str = "auto"


@dataclass(frozen=True, slots=True)
class MakeVectors(_LibraryCommand):
    """Make vectors of concepts that there are, in one pass; no names means all that lack one."""

    names: tuple[str, ...] = ()
    method: str = "mean"
    read: str = "auto"
    suffix: str = ""
    """Put behind each concept's name to name its vector; empty keeps the name, and replaces a vector of that name."""


@dataclass(frozen=True, slots=True)
class CombineVectors(_LibraryCommand):
    """Make a vector of others by arithmetic."""

    operation: Operation
    name: str
    terms: tuple[tuple[VectorEntry, float], ...]
    """`mix`: with weights; `negate`: one; `orthogonalise`: the first against the others, weights ignored."""


@dataclass(frozen=True, slots=True)
class CompareVectors(_LibraryCommand):
    """Reckon the cosines of vectors with each other."""

    entries: tuple[VectorEntry, ...]


@dataclass(frozen=True, slots=True)
class ImportFiles(_LibraryCommand):
    """Take in vector files of other programs."""

    paths: tuple[Path, ...]
    name: str | None = None
    producer: str | None = None
    layer_offset: int | None = None


@dataclass(frozen=True, slots=True)
class ExportVector(_LibraryCommand):
    """Write a vector for another program, in the format that is named, else the one its file's ending says."""

    entry: VectorEntry
    path: Path
    format: str | None = None
