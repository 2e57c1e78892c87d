"""What an action is, and what decides whether it is possible. Knows no action by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides whether an action is possible."""

    model: str = ""
    """The ref of the model in use; empty before the first is loaded."""
    loading: str = ""
    """The ref of a model that is being loaded."""
    running: bool = False
    extracting: bool = False
    sweeping: bool = False
    concepts: int = 0
    terms: int = 0
    """Terms of the recipe."""
    names: int = 0
    """Different concepts of the recipe."""
    has_run: bool = False
    """Whether something was generated since the start."""
    can_undo: bool = False
    screen: str = "steer"
    inside: bool = False
    """Whether there is a level to leave: a text field, a filter, a zoomed pane."""
    here: Mapping[str, str] = field(default_factory=dict)
    """Action id -> why not, as the screen in front says; empty where it can; of others the registry knows."""

    @property
    def is_waiting(self) -> bool:
        """Whether a run asked for now can begin as soon as the model or its vectors are there."""
        return self.screen == "steer" and (bool(self.loading and not self.model) or self.extracting)


WhyNot = Callable[[Situation], str]

PLACE_KEYS = {"steer": "1", "sweep": "2", "library": "3", "inspect": "4", "history": "5", "learn": "6"}
"""The key of each screen."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do."""

    id: str
    keys: tuple[str, ...]
    label: str
    """A word or three, for the footer and the palette."""
    help: str
    """What it does, for `?` and README."""
    group: str
    why_not: WhyNot = lambda situation: ""
    """Returns why it is not possible now, in a few words; empty where it is."""
    argument: str = ""
    """What may follow its name in the palette, such as `0..2`; empty where nothing may."""
    also: tuple[str, ...] = ()
    """Other names in the palette, such as `q`."""
    priority: bool = False
    """Whether its keys work also while a text field or a dialog has the keyboard."""
    place: str = ""
    """The screen on which it acts, such as `library`; empty everywhere. There its keys are taken from other actions."""

    def reason(self, situation: Situation) -> str:
        """Return why it is not possible now, in a few words; empty where it is."""
        if self.place and self.place != situation.screen:
            return f"works on {self.place.capitalize()}: press {PLACE_KEYS[self.place]}"
        if self.id in situation.here:
            return situation.here[self.id]
        return self.why_not(situation)
