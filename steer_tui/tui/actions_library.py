"""The keys of the Library screen; what they do is in `screens.library`."""

from __future__ import annotations

from steer_tui.tui.action import Action

GROUP = "Library"
PLACE = "library"


def _action(id: str, keys: tuple[str, ...], label: str, help: str) -> Action:
    return Action(f"library_{id}", keys, label, help, GROUP, place=PLACE)


LIBRARY: tuple[Action, ...] = (
    _action("mark", ("space",), "mark", "mark a vector, for what acts on several"),
    _action("edit", ("e",), "rename", "rename; group, tags and a note"),
    _action("remove", ("d", "delete"), "remove", "the marked vectors, or this one, to the trash"),
    _action("trash", ("D",), "trash", "bring a vector back from the trash"),
    _action("make", ("c",), "from concepts", "vectors of concepts: missing ones, or by another method"),
    _action("mix", ("x",), "mix", "mix, negate, or orthogonalise the marked vectors"),
    _action("map", ("a",), "alike", "how alike the marked vectors are: cosines"),
    _action("import", ("i",), "import", "import a vector file of another program"),
    _action("export", ("w",), "export", "write the vector to a file for another program"),
    _action("verify", ("v",), "verify", "read every file to its last bit"),
)

HERE = {
    "open": "steer with the vector",
    "undo": "take the last change of the library back",
    "stop": "leave one level: the filter, work on files, the marks, the zoom, the screen",
    "filter": "filter: words, or group: tag: method: model:",
    "copy": "copy the path of the vector's file",
}
"""What keys of everywhere do on this screen."""

FOOTERS: dict[str, tuple[str, ...]] = {
    "library": (
        "open|steer", "new_concept|new", "library_edit", "library_remove", "library_mark", "library_import",
        "library_export", "undo", "library_make", "library_trash", "library_verify", "filter", "show_keys|keys",
    ),
    "library marked": (
        "library_mix", "library_map", "library_remove", "library_mark", "stop|unmark", "undo", "show_keys|keys",
    ),
}  # fmt: skip
"""Hints of the bottom line, most useful first."""
