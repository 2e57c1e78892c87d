"""The one registry of actions: footer, `?`, palette, bindings, keys.toml and README's table all read it.

Knows what each action is called, which keys it has, and why it may not be possible now; what it does is a method
`act_<id>` of the screen in front or of the app.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steer_tui.tui.action import PLACE_KEYS, Action, Situation
from steer_tui.tui.actions_history import FOOTERS as HISTORY_FOOTERS
from steer_tui.tui.actions_history import HERE as HISTORY_HERE
from steer_tui.tui.actions_history import HISTORY
from steer_tui.tui.actions_inspect import FOOTERS as INSPECT_FOOTERS
from steer_tui.tui.actions_inspect import HERE as INSPECT_HERE
from steer_tui.tui.actions_inspect import INSPECT
from steer_tui.tui.actions_library import FOOTERS as LIBRARY_FOOTERS
from steer_tui.tui.actions_library import HERE as LIBRARY_HERE
from steer_tui.tui.actions_library import LIBRARY
from steer_tui.tui.actions_sweep import FOOTERS as SWEEP_FOOTERS
from steer_tui.tui.actions_sweep import HERE as SWEEP_HERE
from steer_tui.tui.actions_sweep import PRESETS, SWEEP

__all__ = ["ACTIONS", "BY_ID", "FOOTERS", "HERE", "PLACE_KEYS", "Action", "Hint", "Situation", "key_label", "key_table"]


def _steer(situation: Situation) -> str:
    return "" if situation.screen == "steer" else "works on Steer: press 1"


def _model(situation: Situation) -> str:
    if reason := _steer(situation):
        return reason
    if situation.model:
        return ""
    if situation.loading:
        return "the model is still loading"
    return "no model yet: m chooses one"


def _run(situation: Situation) -> str:
    if reason := _model(situation):
        return reason
    if situation.extracting:
        return "vectors are being made"
    return "a sweep is running: 2 shows it" if situation.sweeping else ""


def _repeat(situation: Situation) -> str:
    return _run(situation) or ("" if situation.has_run else "nothing to repeat: r runs")


def _term(situation: Situation) -> str:
    return _steer(situation) or ("" if situation.terms else "the recipe is empty: space adds a concept")


def _concepts(situation: Situation) -> str:
    return _steer(situation) or ("" if situation.concepts else "no concepts yet: the model comes first")


def _undo(situation: Situation) -> str:
    return _steer(situation) or ("" if situation.can_undo else "nothing to undo")


def _stop(situation: Situation) -> str:
    busy = situation.running or situation.extracting or situation.loading or situation.sweeping
    return "" if busy or situation.inside else "nothing is running"


def _screen(key: str, name: str, help: str) -> Action:
    return Action(f"show_{name.lower()}", (key,), name, help, "Screens")


RUN, RECIPE, MOVE, SCREENS, BENCH, SETTINGS = "Run", "Recipe", "Move", "Screens", "Workbench", "Settings"

QUIT = ("q", "q!", "wq", "exit")

GENERAL: tuple[Action, ...] = (
    Action("run", ("r",), "run", "run (generate) with the current recipe", RUN, _run),
    Action("run_new_seed", ("R",), "new seed", "run with a new seed", RUN, _run),
    Action("repeat", (".",), "repeat", "repeat the last run exactly, live changes too", RUN, _repeat),
    Action(
        "stop", ("escape",), "stop", "leave one level: a field, a dialog, the zoom, a running generation", RUN, _stop
    ),
    Action("interrupt", ("ctrl+c",), "stop", "stop the running generation; copy marked text", RUN, priority=True),
    Action("baseline", ("b",), "baseline", "baseline (unsteered text) beside it on/off", RUN, _steer),
    Action("write_prompt", ("i",), "prompt", "write the prompt: enter runs, ctrl+j new line, esc leaves", RUN, _steer),
    Action("toggle", ("space",), "on/off", "concept on/off, also while text streams", RECIPE, _concepts),
    Action("weaker", ("-",), "weaker", "strength down by 0.5, also while text streams", RECIPE, _term),
    Action("stronger", ("=",), "stronger", "strength up by 0.5, also while text streams", RECIPE, _term),
    Action("weaker_fine", ("_",), "a little weaker", "strength down by 0.1", RECIPE, _term),
    Action("stronger_fine", ("+",), "a little stronger", "strength up by 0.1", RECIPE, _term),
    Action("zero", ("0",), "zero", "strength zero", RECIPE, _term),
    Action("layers_down", ("[",), "layers down", "layers of the selected term one down", RECIPE, _term),
    Action("layers_up", ("]",), "layers up", "layers of the selected term one up", RECIPE, _term),
    Action("layers_fewer", ("{",), "fewer layers", "one layer fewer", RECIPE, _term),
    Action("layers_more", ("}",), "more layers", "one layer more", RECIPE, _term),
    Action("next_operation", ("o",), "operation", "next operation: add keepnorm ablate set cap rotate", RECIPE, _term),
    Action("next_scope", ("s",), "scope", "next scope: which tokens the term acts on", RECIPE, _term),
    Action("edit_recipe", ("e",), "edit", "edit the recipe as text", RECIPE, _steer),
    Action("clear_recipe", (), "clear recipe", "take every term out of the recipe", RECIPE, _term),
    Action("undo", ("u",), "undo", "undo the last change of recipe, hooks, prompt or library", RECIPE, _undo),
    Action("new_concept", ("n",), "new concept", "new concept from contrast pairs", RECIPE),
    Action("extract", (), "make vectors", "make the vectors that this model lacks, in one pass", RECIPE, _run),
    Action("next_pane", ("tab",), "next pane", "next pane", MOVE),
    Action("previous_pane", ("shift+tab",), "previous pane", "previous pane", MOVE),
    Action("move_down", ("j", "down"), "down", "down", MOVE),
    Action("move_up", ("k", "up"), "up", "up", MOVE),
    Action("move_left", ("h", "left"), "left", "to the pane on the left", MOVE),
    Action("move_right", ("l", "right"), "right", "to the pane on the right", MOVE),
    Action("first", ("g", "home"), "first", "first line", MOVE),
    Action("last", ("G", "end"), "last", "last line; a streaming text is followed again", MOVE),
    Action("page_down", ("pagedown", "ctrl+d"), "page down", "a page down", MOVE),
    Action("page_up", ("pageup", "ctrl+u"), "page up", "a page up", MOVE),
    Action("filter", ("/",), "filter", "filter the list", MOVE, _concepts),
    Action("open", ("enter",), "open", "open, apply, run: what fits the pane", MOVE),
    Action("zoom", ("z",), "zoom", "give the pane the whole screen, and back", MOVE, _steer),
    _screen("1", "Steer", "steer and watch (home)"),
    _screen("2", "Sweep", "layers by strengths on one grid"),
    _screen("3", "Library", "vectors on disk"),
    _screen("4", "Inspect", "points, watches, hooks"),
    _screen("5", "History", "every run, to read and replay"),
    _screen("6", "Learn", "lessons that are done, not read"),
    Action("choose_model", ("m",), "model", "choose a model", BENCH, argument="REF", also=("load",)),
    Action("copy", ("y",), "copy", "copy what the pane holds: the recipe, a text, a path", BENCH),
    Action("choose_theme", ("t",), "theme", "choose a theme", BENCH, argument="NAME"),
    Action("show_keys", ("?",), "keys", "the keys of this place", BENCH, also=("help",)),
    Action("palette", (":", "ctrl+p"), "palette", "every action by name, and settings", BENCH),
    Action("suspend", ("ctrl+z",), "suspend", "to the shell; `fg` comes back", BENCH),
    Action("quit", ("ctrl+q",), "quit", "quit at once, everything saved (`:q` too)", BENCH, also=QUIT, priority=True),
    Action("temperature", (), "temperature", "sampling temperature; 0 is greedy", SETTINGS, _steer, "0..5"),
    Action("top_p", (), "top-p", "nucleus sampling; 1 switches it off", SETTINGS, _steer, "0..1"),
    Action("top_k", (), "top-k", "the k likeliest tokens; 0 switches it off", SETTINGS, _steer, "0.."),
    Action("max_tokens", (), "tokens", "how many tokens a run makes at most", SETTINGS, _steer, "1.."),
    Action("seed", (), "seed", "the seed of the next run", SETTINGS, _steer, "0.."),
    Action("raw", (), "raw prompt", "bypass the chat template on/off", SETTINGS, _steer),
)  # fmt: skip

ACTIONS: tuple[Action, ...] = (*GENERAL, *PRESETS, *SWEEP, *INSPECT, *LIBRARY, *HISTORY)
"""Those of everywhere, then those that one screen adds."""

BY_ID = {action.id: action for action in ACTIONS}


HERE: Mapping[str, Mapping[str, str]] = {
    "sweep": SWEEP_HERE,
    "library": LIBRARY_HERE,
    "inspect": INSPECT_HERE,
    "history": HISTORY_HERE,
}
"""By screen, what actions of everywhere do there, where that is not what their help says."""


@dataclass(frozen=True, slots=True)
class Hint:
    """One entry of the footer: an action, or two that belong together."""

    ids: tuple[str, ...]
    label: str = ""
    """Empty takes the first action's own."""


def _hints(*entries: str) -> tuple[Hint, ...]:
    made = []
    for entry in entries:
        ids, _, words = entry.partition("|")
        made.append(Hint(tuple(ids.split("/")), words or BY_ID[ids.split("/")[0]].label))
    return tuple(made)


_STRENGTH, _LAYERS = "weaker/stronger|strength", "layers_down/layers_up|layers"
_ALWAYS = ("show_keys|keys",)

FOOTERS: dict[str, tuple[Hint, ...]] = {
    "concepts": _hints(
        "run", "toggle", _STRENGTH, _LAYERS, "write_prompt", "baseline", "filter", "choose_model",
        "layer_analysis", "strength_explorer", *_ALWAYS,
    ),
    "recipe": _hints("run", _STRENGTH, _LAYERS, "next_operation", "next_scope", "edit_recipe", "undo",
                     "layer_analysis", "strength_explorer", "mixer", *_ALWAYS),
    "steered": _hints("run", _STRENGTH, "zoom", "copy", "repeat", "run_new_seed", "baseline", *_ALWAYS),
    "baseline": _hints("run", "zoom", "copy", "baseline|hide", "repeat", *_ALWAYS),
    "activations": _hints("run", _STRENGTH, _LAYERS, "zoom", *_ALWAYS),
    "prompt": _hints("open|run", "stop|leave", "quit"),
    "running": _hints("stop", _STRENGTH, _LAYERS, "toggle", "baseline", *_ALWAYS),
    **{f"inspect {name}": _hints(*entries) for name, entries in INSPECT_FOOTERS.items()},
    **{name: _hints(*entries) for name, entries in LIBRARY_FOOTERS.items()},
    **{f"sweep {name}": _hints(*entries) for name, entries in SWEEP_FOOTERS.items()},
    **{f"history {name}": _hints(*entries) for name, entries in HISTORY_FOOTERS.items()},
    "filter": _hints("open|take", "stop|clear", "quit"),
    "dialog": _hints("stop|leave", "quit"),
    "elsewhere": _hints("show_steer", "choose_model", "choose_theme", "palette", "show_keys|keys", "quit"),
}  # fmt: skip
"""The next useful keys of each place, most useful first."""

_NAMES = {
    "escape": "esc", "space": "space", "pagedown": "pgdn", "pageup": "pgup", "shift+tab": "shift+tab", "left": "←",
    "right": "→", "up": "↑", "down": "↓",
}  # fmt: skip


def key_label(key: str) -> str:
    """Return a key as people write it."""
    return _NAMES.get(key, key)


def key_table() -> str:
    """Return the table of keys for README, in Markdown."""
    rows = ["| key | does |", "|---|---|"]
    for action in ACTIONS:
        if action.keys:
            shown = " ".join(f"`{key_label(key)}`" for key in action.keys)
            where = f"on {action.place.capitalize()}: " if action.place else ""
            rows.append(f"| {shown} | {where}{action.help} |")
    return "\n".join(rows)
