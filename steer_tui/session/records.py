"""Runs as the journal keeps them, and requests as JSON.

Plain values; knows nothing of databases. Reads files of own hooks only to know them again.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from steer_tui.engine.digest import file_digest
from steer_tui.engine.hookvalues import HookSpec
from steer_tui.engine.types import Change, Finish, Request, Sampling

Ending = Finish | Literal["failed"]


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run as a list shows it; its texts are cleaned."""

    id: int
    created: str
    """ISO 8601, UTC."""
    model: str
    """What the user called it."""
    prompt: str
    recipe: str
    seed: int
    finish: Ending | None
    """None while it streams, and where the program was killed before it ended."""
    starred: bool
    note: str
    head: str
    """How the steered text begins."""
    hooks: tuple[str, ...] = ()
    """Titles of the hooks that were on, such as `blocks.3.hook_resid_post=scale`."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All that is kept of a run."""

    entry: RunEntry
    model: dict[str, object]
    """The `model` object of the contract's JSON."""
    request: Request
    """Live changes included, so that running it again gives the same text."""
    steered: str
    """As it came, as far as it came."""
    baseline: str | None
    """None where none was asked for."""
    message: str | None
    """Why it failed, None where it did not."""
    result: dict[str, object] | None
    """What `generate --json` prints; None for a run that failed or did not end."""


def now() -> str:
    """Return the present moment as the journal writes it: ISO 8601, UTC, which sorts by age as it stands."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def request_to_json(request: Request) -> dict[str, object]:
    """Return all that is needed to run it again."""
    return {
        "prompt": request.prompt,
        "recipe": request.recipe,
        "sampling": request.sampling.to_json(),
        "baseline": request.baseline,
        "raw": request.raw,
        "statistics": request.statistics,
        "changes": [change.to_json() for change in request.changes],
        "hooks": [spec.to_json() for spec in request.hooks],
        "hook_file": request.hook_file,
        "hook_sha256": request.hook_sha256,
    }


def request_from_json(value: Mapping[str, object]) -> Request:
    """Return the request that `request_to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: It was not written by it.
    """
    sampling, changes = value["sampling"], value["changes"]
    if not isinstance(sampling, dict) or not isinstance(changes, list):
        raise TypeError("not a request")
    return Request(
        prompt=str(value["prompt"]),
        recipe=str(value["recipe"]),
        sampling=Sampling(**{key: sampling[key] for key in Sampling.__slots__}),
        baseline=bool(value["baseline"]),
        raw=bool(value["raw"]),
        changes=tuple(map(_change, changes)),
        statistics=bool(value["statistics"]),
        hooks=_hooks(value.get("hooks") or ()),
        hook_file=_text(value.get("hook_file")),
        hook_sha256=_text(value.get("hook_sha256")),
    )


def as_of_now(request: Request) -> tuple[Request, tuple[str, ...]]:
    """Return a request with the digest that its file of own hooks has now, and the files that were others before.

    A file of which nothing is known, as in journals of earlier versions, is not named.
    """
    used = [(request.hook_file, request.hook_sha256)]
    used += [(change.hook_file, change.hook_sha256) for change in request.changes]
    now = {path: file_digest(Path(path)) for path, _ in used if path is not None}
    others = (path for path, digest in used if path is not None and digest is not None and digest != now[path])
    path = request.hook_file
    return replace(request, hook_sha256=None if path is None else now[path]), tuple(dict.fromkeys(others))


def changes_to_lines(changes: Iterable[Change]) -> str:
    """Return changes as lines of JSON, which can be appended to others."""
    return "".join(f"{json.dumps(change.to_json())}\n" for change in changes)


def with_changes(request: Request, lines: str) -> Request:
    """Return a request completed by the changes that came while it ran, as `changes_to_lines` wrote them."""
    changes = {change.step: change for change in request.changes}
    for line in lines.splitlines():
        value = json.loads(line)
        # Older journals have pairs of step and recipe.
        change = _change(value) if isinstance(value, dict) else Change(int(value[0]), str(value[1]))
        changes[change.step] = change
    return replace(request, changes=tuple(changes[step] for step in sorted(changes)))


def _change(value: Mapping[str, object]) -> Change:
    hooks = value.get("hooks")
    return Change(
        int(str(value["step"])),
        str(value["recipe"]),
        _hooks(hooks) if hooks is not None else None,
        _text(value.get("hook_file")),
        _text(value.get("hook_sha256")),
    )


def _hooks(value: object) -> tuple[HookSpec, ...]:
    if not isinstance(value, (list, tuple)):
        raise TypeError("hooks are a list")
    return tuple(map(HookSpec.from_json, value))


def _text(value: object) -> str | None:
    return str(value) if value is not None else None
