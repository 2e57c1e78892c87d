"""What Sweep adds to the actions of everywhere, and the presets of a sweep on Steer."""

from __future__ import annotations

from steer_tui.tui.action import Action, Situation

GROUP, PLACE = "Sweep", "sweep"


def _preset(situation: Situation) -> str:
    if not situation.model:
        return "the model is still loading" if situation.loading else "no model yet: m chooses one"
    if situation.sweeping:
        return "a sweep is running: 2 shows it"
    return "" if situation.terms else "the recipe is empty: space adds a concept"


def _mixer(situation: Situation) -> str:
    return _preset(situation) or ("" if situation.names > 1 else "a mix takes two or three concepts: space adds one")


SWEEP: tuple[Action, ...] = (
    Action("next_measure", ("c",), "measure", "colour the grid by the next measure", GROUP, place=PLACE),
    Action("previous_measure", ("C",), "measure back", "colour the grid by the measure before", GROUP, place=PLACE),
    Action("view", ("v",), "front", "concept against KL, the front marked; and back to the grid", GROUP, place=PLACE),
    Action("go_to_best", ("w",), "best", "to the best cell within the KL budget", GROUP, place=PLACE),
    Action("budget_down", ("<",), "less KL", "a smaller KL budget", GROUP, place=PLACE),
    Action("budget_up", (">",), "more KL", "a larger KL budget", GROUP, place=PLACE),
    Action("refine", ("f",), "refine", "closer strengths and layers around the best cell", GROUP, place=PLACE),
    Action("auto", ("a",), "auto", "find layers and strength for the KL budget in few steps", GROUP, place=PLACE),
    Action("plan_anew", ("d",), "default", "set the sweep up anew from the recipe on Steer", GROUP, place=PLACE),
    Action("next_page", ("p",), "next grid", "the next concept's grid, or weight of a mix", GROUP, place=PLACE),
    Action("export_sweep", ("x",), "export", "write the sweep to a file: CSV, JSON or Markdown", GROUP,
           place=PLACE),
)  # fmt: skip

PRESETS: tuple[Action, ...] = (
    Action("layer_analysis", ("L",), "all layers", "sweep this strength over all layers", GROUP, _preset,
           place="steer"),
    Action("strength_explorer", ("S",), "all strengths", "sweep these layers over all strengths", GROUP, _preset,
           place="steer"),
    Action("mixer", ("M",), "mix", "sweep the weights of two or three concepts", GROUP, _mixer, place="steer"),
)  # fmt: skip

HERE = {
    "run": "run the sweep; one of the same set-up that was stopped goes on",
    "run_new_seed": "run the sweep with new seeds",
    "repeat": "run the sweep that is shown once more",
    "stop": "leave one level: a field, the running sweep, the zoom, the screen",
    "write_prompt": "write the first prompt",
    "next_operation": "sweep with the next operation: add keepnorm ablate set cap rotate",
    "next_scope": "sweep with the next scope: which tokens are steered",
    "open": "put the cell into the recipe on Steer; in Setup, write the field",
    "copy": "copy the cell, a text, or the command that repeats the sweep",
}
"""What keys of everywhere do on this screen."""

_BUDGET = "budget_down/budget_up|KL budget"
_KEYS = "show_keys|keys"

FOOTERS: dict[str, tuple[str, ...]] = {
    "setup": (
        "run|sweep",
        "open|edit",
        "auto",
        "next_operation",
        "next_scope",
        "write_prompt",
        "next_pane|grid",
        _KEYS,
    ),
    "field": ("open|take in", "stop|leave", "next_pane|next field", "quit"),
    "grid": (
        "open|apply",
        "run|sweep",
        "next_measure",
        "view",
        "refine",
        _BUDGET,
        "export_sweep",
        "copy",
        "zoom",
        _KEYS,
    ),
    "front": ("open|apply", "move_left/move_right|walk", "view|grid", _BUDGET, "refine", "export_sweep", "zoom", _KEYS),
    "cell": ("open|apply", "copy", "zoom", "view", "next_pane", _KEYS),
    "baseline": ("copy", "zoom", "next_pane", _KEYS),
    "sweeping": ("stop", "open|apply", "next_measure", "view", _BUDGET, "zoom", _KEYS),
}
"""The bottom line of each pane."""
