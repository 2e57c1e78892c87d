"""What extraction can be asked for: methods, read positions, sites, templates. Plain values, no torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from steer_tui.errors import UsageError
from steer_tui.text import one_line, truncate

METHODS: Mapping[str, str] = {
    "mean": "difference of the class means",
    "pca": "first component of the pair differences",
    "pca-global": "first component of all texts around their common mean",
    "lat": "first component of the differences of random pairs",
    "probe": "normal of a logistic regression that tells the classes apart",
    "gradient": "optimised so that the positive texts become likelier; slow, few layers",
}
READS: Mapping[str, str] = {
    "auto": "completion where pairs have a prompt, else mean of all tokens",
    "mean": "mean of all tokens",
    "last": "the last token; `last:4` takes the mean of the last four",
    "after:TEXT": "mean of the tokens after TEXT",
    "completion": "mean of the tokens after what both texts of a pair begin with",
}
"""Spellings with one line of help each; `parse_read` takes them."""
SITES: Mapping[str, str] = {
    "block_out": "the residual stream after a block",
    "attn_out": "what attention writes to the residual stream",
    "mlp_out": "what the MLP writes to the residual stream",
}
TEMPLATES: Mapping[str, str] = {
    "auto": "the chat template for pairs with prompts or system prompts, else none",
    "raw": "texts as they stand",
    "chat": "the model's chat template",
}

BLOCK_OUT = "block_out"
_MOST_LAST = 10_000
_LAST = re.compile(r"last(?:[ :-](\d{1,9}))?(?: tokens?)?|last token")

ReadKind = Literal["auto", "mean", "last", "after", "completion"]


@dataclass(frozen=True, slots=True)
class Read:
    """Which tokens of a text are averaged; `str` gives what `parse_read` takes."""

    kind: ReadKind
    count: int = 1
    """Of `last`: how many tokens."""
    marker: str = ""
    """Of `after`."""

    def __str__(self) -> str:
        if self.kind == "last":
            return "last" if self.count == 1 else f"last:{self.count}"
        return f"after:{self.marker}" if self.kind == "after" else self.kind

    @property
    def words(self) -> str:
        """What a vector's metadata says of it."""
        if self.kind == "last":
            return "last token" if self.count == 1 else f"last {self.count} tokens"
        if self.kind == "after":
            return f"tokens after {truncate(one_line(self.marker), 60)!r}"
        return READS[self.kind] if self.kind == "mean" else self.kind


def parse_read(text: str) -> Read:
    """Return the read position that a text names.

    Raises:
        UsageError: It names none.
    """
    text = text.strip()
    lower = text.lower()
    if lower.startswith("after:"):
        marker = text[len("after:") :]
        if not marker.strip():
            raise UsageError("`after:` needs the text to read after", hint="such as after:Answer:")
        return Read("after", marker=marker)
    last = _LAST.fullmatch(lower)
    if last is not None:
        count = int(last[1] or 1)
        if not 1 <= count <= _MOST_LAST:
            raise UsageError(f"last {count} tokens cannot be read", hint="such as last or last:4")
        return Read("last", count)
    if lower in ("auto", "mean", "completion") or lower == READS["mean"]:
        return Read("mean" if lower == READS["mean"] else lower)  # type: ignore[arg-type]
    raise unknown("read position", text, READS)


def check_method(method: str) -> str:
    """Return a method's name.

    Raises:
        UsageError: There is none of that name.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    return method


def unknown(what: str, given: str, known: Mapping[str, str]) -> UsageError:
    """Return the error for a name that is none, with the nearest or all of them as a hint."""
    near = difflib.get_close_matches(given, known, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    return UsageError(f"there is no {what} {truncate(one_line(given), 40)!r}", hint=hint)
