"""The palette: every action by name, those that are possible now first; `:q` quits, `:temperature 0.9` sets."""

from __future__ import annotations

from steer_tui.tui.actions import ACTIONS, BY_ID, HERE, Action, Situation, key_label
from steer_tui.tui.keymap import Keymap
from steer_tui.tui.quick import QuickApp
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.widgets.picker import Choice, Picker

NOT_OFFERED = frozenset(("palette", "interrupt", "move_down", "move_up", "move_left", "move_right"))


class Palette(Dialog[tuple[str, str]]):
    """Answers with an action's id and what was typed after its name."""

    def __init__(self, situation: Situation, keymap: Keymap) -> None:
        self.picker = Picker("Palette", "an action; a setting and its value, such as temperature 0.9")
        super().__init__(self.picker)
        choices = [_choice(action, situation, keymap) for action in ACTIONS if action.id not in NOT_OFFERED]
        self.picker.show(sorted(choices, key=lambda choice: bool(choice.refused)))

    def natural_height(self) -> int:
        """Keep one height while it is narrowed."""
        return self.picker.natural_height

    def on_picker_chosen(self, event: Picker.Chosen) -> None:
        """Answer with the action, unless it is not possible now."""
        choice = event.choice
        if choice is None:
            return
        if choice.refused:
            assert isinstance(self.app, QuickApp)
            return self.app.say(choice.refused)
        _, _, argument = event.words.strip().partition(" ")
        takes = BY_ID[choice.id].argument
        self.dismiss((choice.id, argument.strip() if takes else ""))


def _choice(action: Action, situation: Situation, keymap: Keymap) -> Choice:
    name = f"{action.label} {action.argument}" if action.argument else action.label
    keys = " ".join(key_label(key) for key in keymap.keys(action.id))
    also = " ".join((*action.also, action.id, action.label))
    refused = action.reason(situation)
    help = HERE.get(situation.screen, {}).get(action.id, action.help)
    return Choice(action.id, name, help, keys, also, "" if action.id == "stop" else refused)
