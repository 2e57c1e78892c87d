"""The folder that `sweep --out` keeps: what was asked, every cell as it is finished, and the exports at the end.

Promises that a kill at any instant loses no cell that was finished, and that a folder is gone on with only by the same
sweep of the same model and vectors. Knows nothing of running one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from steer_tui.engine.sweepexport import command_line, to_csv, to_json_text, to_markdown
from steer_tui.engine.sweepgrid import SweepResult
from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.sweeptypes import Cell
from steer_tui.engine.types import ModelInfo
from steer_tui.errors import LibraryError, SteerError, UsageError
from steer_tui.files import write_atomic, write_error
from steer_tui.text import one_line

if TYPE_CHECKING:
    from steer_tui.engine.vector import SteeringVector

ASKED, CELLS = "sweep.json", "cells.jsonl"
RESULT, TABLE, REPORT = "result.json", "cells.csv", "report.md"
VERSION = 1


class SweepFolder:
    """A sweep on disk; a context that has the file of cells open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cells: IO[str] | None = None

    @property
    def name(self) -> str:
        """The folder, as a person is told of it."""
        return one_line(str(self.path))

    @property
    def is_new(self) -> bool:
        """Whether no sweep was begun in it."""
        return not os.path.exists(self.path / ASKED)

    def asked(self) -> tuple[SweepRequest, str]:
        """Return what the folder's sweep was asked, and its model as it was named.

        Raises:
            UsageError: There is no sweep in the folder.
            LibraryError: What was asked cannot be read.
        """
        value = self._read()
        return SweepRequest.from_json(value["request"]), str(value["model"]["ref"])

    def begin(self, request: SweepRequest, model: ModelInfo, vectors: Mapping[str, SteeringVector]) -> None:
        """Note what is asked in a new folder.

        Raises:
            UsageError: The folder holds a sweep, or is none.
            LibraryError: It cannot be written.
        """
        if os.path.exists(self.path) and not os.path.isdir(self.path):
            raise UsageError(f"{self.name} is no folder", hint="name a folder, which need not be there yet, with --out")
        if not self.is_new or os.path.exists(self.path / CELLS):
            raise UsageError(f"{self.name} holds a sweep", hint=f"--resume {self.name} goes on with it")
        value = {
            "version": VERSION,
            "command": command_line(request, model.ref),
            "model": model.to_json(),
            "vectors": digests(request, vectors),
            "request": request.to_json(),
        }
        write_atomic(self.path / ASKED, (json.dumps(value, indent=1) + "\n").encode())

    def go_on(self, request: SweepRequest, model: ModelInfo, vectors: Mapping[str, SteeringVector]) -> dict[str, Cell]:
        """Return the cells that are finished.

        Raises:
            UsageError: The folder's sweep is another one, or of another model or other vectors.
            LibraryError: The folder cannot be read.
        """
        value = self._read()
        kept, hint = SweepRequest.from_json(value["request"]), "name another folder with --out"
        if kept != request:
            raise UsageError(f"{self.name} holds another sweep", hint=f"--resume {self.name} alone goes on with that")
        if value["model"]["fingerprint"] != model.fingerprint:
            raise UsageError(f"{self.name} holds a sweep of another model", hint=hint)
        if value["vectors"] != digests(request, vectors):
            raise UsageError(f"the vectors have changed since {self.name} was begun", hint=hint)
        return self._finished()

    def _read(self) -> dict[str, Any]:
        path = self.path / ASKED
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            SweepRequest.from_json(value["request"])
            if not isinstance(value["model"]["ref"], str) or not isinstance(value["vectors"], dict):
                raise TypeError
        except FileNotFoundError:
            hint = "a sweep is kept with --out DIR, and gone on with by --resume DIR"
            raise UsageError(f"there is no sweep in {self.name}", hint=hint) from None
        except OSError as error:
            reason = one_line(error.strerror or str(error))
            raise LibraryError(f"{one_line(str(path))} cannot be read: {reason}") from error
        except (ValueError, KeyError, TypeError, SteerError, RecursionError) as error:
            raise LibraryError(f"{one_line(str(path))} is damaged", hint="begin anew in another folder") from error
        if value.get("version") != VERSION:
            raise LibraryError(f"{self.name} was written by a newer steer-tui", hint="update steer-tui")
        return dict(value)

    def _finished(self) -> dict[str, Cell]:
        """Return the finished cells; a last line that a kill cut short is cut off, others that are damaged too."""
        path, cells, sound = self.path / CELLS, {}, []
        try:
            data = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise LibraryError(f"{one_line(str(path))} cannot be read: {one_line(error.strerror or '')}") from error
        for line in data.splitlines(keepends=True):
            try:
                cell = Cell.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if line.endswith(b"\n"):
                cells[cell.key] = cell
                sound.append(line)
        if b"".join(sound) != data:
            write_atomic(path, b"".join(sound))
        return cells

    def __enter__(self) -> SweepFolder:
        try:
            self._cells = open(self.path / CELLS, "a", encoding="utf-8")
        except OSError as error:
            raise write_error(self.path / CELLS, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cells is not None:
            self._cells.close()
            self._cells = None

    def keep(self, cell: Cell) -> None:
        """Append a finished cell and flush it to disk.

        Raises:
            LibraryError: It cannot be written.
        """
        assert self._cells is not None
        try:
            self._cells.write(json.dumps(cell.to_json()) + "\n")
            self._cells.flush()
            os.fsync(self._cells.fileno())
        except OSError as error:
            raise write_error(self.path / CELLS, error) from error

    def finish(self, result: SweepResult) -> None:
        """Write the exports.

        Raises:
            LibraryError: They cannot be written.
        """
        for name, text in ((RESULT, to_json_text(result)), (TABLE, to_csv(result)), (REPORT, to_markdown(result))):
            write_atomic(self.path / name, text.encode("utf-8", "replace"))


def digests(request: SweepRequest, vectors: Mapping[str, SteeringVector]) -> dict[str, str]:
    """Return for each concept a hex digest of all that its vector does."""
    import hashlib

    found: dict[str, str] = {}
    for name in request.concepts:
        vector, digest = vectors[name], hashlib.sha256()
        for layer, raw in vector.layers.items():
            digest.update(f"{layer} {vector.meta.origin.get(layer, 0.0)!r} ".encode())
            digest.update(raw.numpy().tobytes())
        digest.update(repr(vector.meta.best_layers).encode())
        found[name] = digest.hexdigest()
    return found
