"""What actions do that belong to no screen: one function each, found by the action's id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from steer_tui.tui.new_concept import new_concept
from steer_tui.tui.widgets.header import SCREENS

if TYPE_CHECKING:
    from steer_tui.engine.types import Sampling
    from steer_tui.tui.app import SteerApp


def show_screen(app: SteerApp, argument: str, name: str) -> None:
    """Go to a screen."""
    if app.current_mode != name:
        app.switch_mode(name)


def choose_model(app: SteerApp, argument: str) -> None:
    """Load the model that is named, else show what there is."""
    from steer_tui.tui.screens.model_picker import ModelPicker

    if argument:
        return app.load_model(argument)
    app.push_screen(ModelPicker(app.status.info.ref if app.status.info else ""), app.load_model)


def choose_theme(app: SteerApp, argument: str) -> None:
    """Wear the theme that is named, else show them, each worn while it is under the cursor."""
    from steer_tui.tui.screens.theme_picker import ThemePicker

    if argument:
        return app.set_theme(argument)
    app.push_screen(ThemePicker(app.wardrobe, app.theme), app.set_theme)


def show_keys(app: SteerApp, argument: str) -> None:
    """Show all keys, those of this place first."""
    from steer_tui.tui.screens.keys import KeysDialog

    app.push_screen(KeysDialog(app.situation(), app.keymap))


def palette(app: SteerApp, argument: str) -> None:
    """Show every action by name."""
    from steer_tui.tui.screens.palette import Palette

    def chosen(choice: tuple[str, str] | None) -> None:
        if choice:
            app.act(*choice)

    app.push_screen(Palette(app.situation(), app.keymap), chosen)


def interrupt(app: SteerApp, argument: str) -> None:
    """Copy what the mouse has marked, else stop what runs, else say how to leave."""
    marked = app.screen.get_selected_text() or getattr(app.focused, "selected_text", "")
    if marked:
        app.screen.clear_selection()
        return app.copy_text(marked, "selection")
    if not app.stop_work():
        app.say("ctrl+q quits")


def leave(app: SteerApp, argument: str) -> None:
    """Quit at once."""
    app.leave()


def suspend(app: SteerApp, argument: str) -> None:
    """Go to the shell."""
    app.action_suspend_process()


def stop(app: SteerApp, argument: str) -> None:
    """Leave a screen that is not home, or stop what runs."""
    if not app.stop_work():
        show_screen(app, "", "steer")


def toggle_raw(app: SteerApp, argument: str) -> None:
    """Bypass the chat template, or not."""
    app.change(app.bench.set_raw(not app.bench.raw))
    app.say(
        "the prompt goes in as it is" if app.bench.raw else "the prompt goes through the chat template, if there is one"
    )


def set_sampling(
    app: SteerApp, argument: str, field: str, convert: Callable[[str], float], low: float, high: float
) -> None:
    """Change one sampling setting, or say what it is."""
    sampling = app.bench.sampling
    if not argument.strip():
        return app.say(f"{field} is {getattr(sampling, field):g}; `:{field} VALUE` sets it")
    try:
        value = convert(argument)
    except ValueError:
        return app.say(f"{argument!r} is no number", "warning")
    if not low <= value <= high:
        return app.say(f"{field} must lie between {low:g} and {high:g}", "warning")
    changed: Sampling = replace(sampling, **{field: value})  # type: ignore[arg-type]
    app.change(app.bench.set_sampling(changed))


AppAction = Callable[["SteerApp", str], None]

APP_ACTIONS: dict[str, AppAction] = {
    **{f"show_{name.lower()}": partial(show_screen, name=name.lower()) for name in SCREENS},
    "choose_model": choose_model,
    "choose_theme": choose_theme,
    "show_keys": show_keys,
    "palette": palette,
    "interrupt": interrupt,
    "quit": leave,
    "suspend": suspend,
    "stop": stop,
    "new_concept": new_concept,
    "raw": toggle_raw,
    "temperature": partial(set_sampling, field="temperature", convert=float, low=0.0, high=5.0),
    "top_p": partial(set_sampling, field="top_p", convert=float, low=0.01, high=1.0),
    "top_k": partial(set_sampling, field="top_k", convert=int, low=0, high=1_000_000),
    "max_tokens": partial(set_sampling, field="max_tokens", convert=int, low=1, high=1_000_000),
    "seed": partial(set_sampling, field="seed", convert=int, low=0, high=2**63 - 1),
}
"""By action id."""
