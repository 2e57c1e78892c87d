"""What Inspect adds to the actions of everywhere. Why one is not possible now, the screen says itself."""

from __future__ import annotations

from steer_tui.tui.action import Action

GROUP, PLACE = "Inspect", "inspect"

INSPECT: tuple[Action, ...] = (
    Action("watch", ("space",), "watch", "watch the point; in a list, switch the hook on or off", GROUP, place=PLACE),
    Action("put_hook", ("c",), "hook", "put a controller or detector on the point", GROUP, place=PLACE),
    Action("hook_file", ("f",), "file", "load hooks of your own from a Python file", GROUP, place=PLACE),
    Action("remove_hook", ("x", "delete"), "remove", "take the hook off", GROUP, place=PLACE),
    Action("hook_earlier", ("K",), "earlier", "let the hook act before the one above it", GROUP, place=PLACE),
    Action("hook_later", ("J",), "later", "let the hook act after the one below it", GROUP, place=PLACE),
)  # fmt: skip

HERE = {
    "run": "run the prompt with recipe and hooks",
    "run_new_seed": "run with a new seed",
    "repeat": "repeat the last run exactly: recipe, hooks and live changes",
    "stop": "leave one level: a value, the filter, a run, the zoom, the screen",
    "baseline": "the text without recipe and hooks beside it on/off",
    "write_prompt": "write the prompt",
    "open": "unfold a block; on a point, put a hook on it; in a list, show and edit its values",
    "weaker": "the number of the hook one step down",
    "stronger": "the number of the hook one step up",
    "weaker_fine": "the number of the hook a little down",
    "stronger_fine": "the number of the hook a little up",
    "zero": "the number of the hook to zero",
    "layers_down": "the hook to the same point one block down",
    "layers_up": "the hook to the same point one block up",
    "move_left": "fold the block, or to the pane on the left",
    "move_right": "unfold the block, or to the pane on the right",
    "filter": "filter the points: resid_post, 3 attn",
    "copy": "copy a text, a point's name, a hook as the line that --hook takes",
}
"""What keys of everywhere do on this screen."""

_NUMBER, _BLOCK, _ORDER = "weaker/stronger|number", "layers_down/layers_up|block", "hook_later/hook_earlier|order"
_KEYS = "show_keys|keys"

FOOTERS: dict[str, tuple[str, ...]] = {
    "points": ("watch", "put_hook", "hook_file", "run", "filter", "open", "zoom", "undo", _KEYS),
    "watch": ("run", "watch|on/off", "remove_hook", _BLOCK, "put_hook", "zoom", "undo", _KEYS),
    "attached": ("open|edit", "watch|on/off", _NUMBER, _BLOCK, "run", "remove_hook", _ORDER, "undo", _KEYS),
    "value": ("open|apply", "stop|leave", "quit"),
    "text": ("run", "zoom", "copy", "repeat", "write_prompt", "baseline", _KEYS),
    "streaming": ("stop", "watch", _NUMBER, _BLOCK, "put_hook", "remove_hook", _KEYS),
}
"""The bottom line of each pane."""
