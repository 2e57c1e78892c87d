"""The user's own keys: `<config>/keys.toml` read over the registry.

    run = "f"
    stronger = ["=", "ctrl+up"]

Promises that a mistake costs only its own line, and that ctrl+q quits whatever the file says.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path

from textual.binding import Binding

from steer_tui.text import one_line
from steer_tui.tui.actions import ACTIONS, BY_ID

NAMED_KEYS = frozenset(
    [
        "escape",
        "enter",
        "tab",
        "space",
        "backspace",
        "delete",
        "insert",
        "home",
        "end",
        "pageup",
        "pagedown",
        "up",
        "down",
        "left",
        "right",
    ]
    + [f"f{number}" for number in range(1, 25)]
)
MODIFIERS = frozenset(("ctrl", "shift", "alt", "super", "meta"))


class Keymap:
    """Which keys each action has now."""

    def __init__(self, changed: Mapping[str, tuple[str, ...]] | None = None) -> None:
        given = dict(changed or {})
        taken = {(BY_ID[name].place, key) for name, keys in given.items() for key in keys}
        self._keys = {
            action.id: given.get(action.id, tuple(key for key in action.keys if (action.place, key) not in taken))
            for action in ACTIONS
        }
        self._keys["quit"] = tuple(dict.fromkeys((*self._keys["quit"], "ctrl+q")))

    def keys(self, action_id: str) -> tuple[str, ...]:
        """Return the keys of an action, none perhaps."""
        return self._keys[action_id]

    def action(self, key: str, place: str) -> str | None:
        """Return the id of what a key does on a screen, None where it does nothing there."""
        found = [action for action in ACTIONS if key in self._keys[action.id] and action.place in ("", place)]
        return max(found, key=lambda action: bool(action.place)).id if found else None

    def bindings(self) -> list[Binding]:
        """Return Textual's bindings, one for each key of any action."""
        priority = {key: False for action in ACTIONS for key in self._keys[action.id]}
        priority |= {key: True for action in ACTIONS if action.priority for key in self._keys[action.id]}
        return [_binding(key, is_first) for key, is_first in priority.items()]


def _binding(key: str, priority: bool) -> Binding:
    return Binding("comma" if key == "," else key, f"app.press({key!r})", show=False, priority=priority)


def load_keymap(path: Path) -> tuple[Keymap, list[str]]:
    """Read the user's keys and return them with what was wrong, a line each; a missing file is no problem."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Keymap(), []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Keymap(), [f"{path.name}: {one_line(str(error))}"]
    changed: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for name, value in table.items():
        keys = [value] if isinstance(value, str) else value
        problem = _problem(name, keys, changed)
        if problem:
            problems.append(f"{path.name}: {problem}")
        else:
            changed[name] = tuple(keys)
    return Keymap(changed), problems


def _problem(name: str, keys: object, changed: Mapping[str, tuple[str, ...]]) -> str:
    if name not in BY_ID:
        near = difflib.get_close_matches(name, BY_ID, 1)
        return f"no action {one_line(name)!r}" + (f"; did you mean {near[0]}?" if near else "")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        return f'{name} must be a key or a list of keys, as in {name} = "f"'
    for key in keys:
        if not is_key(key):
            return f"{name}: {one_line(key)!r} is no key"
        for other, taken in changed.items():
            if key in taken and BY_ID[other].place == BY_ID[name].place:
                return f"{key} has two meanings, {other} and {name}"
    return ""


def is_key(key: str) -> bool:
    """Say whether a text names a key: one character, a named key, or one of them after ctrl+, alt+, shift+."""
    *modifiers, last = key.split("+") if key != "+" and not key.endswith("++") else [*key[:-2].split("+"), "+"]
    if key == "+":
        modifiers = []
    return all(part in MODIFIERS for part in modifiers) and (
        (len(last) == 1 and last.isprintable()) or last in NAMED_KEYS
    )
