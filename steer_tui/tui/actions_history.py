"""What History adds to the actions of everywhere. Why one is not possible now, the screen says itself."""

from __future__ import annotations

from steer_tui.tui.action import Action

GROUP, PLACE = "History", "history"

HISTORY: tuple[Action, ...] = (
    Action("star", ("*",), "star", "star the entry, or take the star away", GROUP, place=PLACE),
    Action("compare", ("c",), "compare", "compare two runs: once on each", GROUP, place=PLACE),
    Action("write_note", ("w",), "note", "write a note to the entry", GROUP, place=PLACE),
    Action("export_history", ("x",), "export", "write what the filter lets through to JSONL or Markdown", GROUP,
           place=PLACE),
)  # fmt: skip

HERE = {
    "run": "replay the entry",
    "repeat": "replay the entry exactly, live changes too; a sweep goes on, or runs once more",
    "stop": "leave one level: the filter, the zoom, a comparison, the record, what runs, the screen",
    "open": "read the run; once more puts it on Steer; a sweep shows its grid",
    "filter": "filter: words, is:run, is:sweep, is:starred, seed:7, on:2026-05-31",
    "copy": "copy the text of the run, or what the pane shows",
}
"""What keys of everywhere do on this screen."""

_KEYS = "show_keys|keys"

FOOTERS: dict[str, tuple[str, ...]] = {
    "entries": (
        "open|read",
        "repeat|replay",
        "filter",
        "star",
        "compare",
        "write_note",
        "export_history",
        "copy",
        _KEYS,
    ),
    "record": (
        "open|use on Steer",
        "repeat|replay",
        "zoom",
        "copy",
        "star",
        "compare",
        "write_note",
        "stop|leave",
        _KEYS,
    ),
    "sweep": ("open|show grid", "filter", "star", "write_note", "export_history", _KEYS),
    "comparing": ("next_pane|pane", "copy", "zoom", "stop|leave", _KEYS),
}
"""The bottom line of each pane."""
