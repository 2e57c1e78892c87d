"""What can be put on a point: the ready-made controllers and detectors, and the hooks of the file that is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from steer_tui.engine.hookkinds import KINDS, WHEN, Kind
from steer_tui.engine.hookvalues import FILE, PointInfo
from steer_tui.session.hook_edits import WATCH, head_count
from steer_tui.session.hook_messages import OwnHookInfo
from steer_tui.session.messages import VectorSummary
from steer_tui.tui.point_rows import short_name
from steer_tui.tui.safe import label
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.widgets.picker import Choice, Picker


class HookPicker(Dialog[str]):
    """Answers with a kind's name, or with `file:` and the name of an own hook."""

    WIDTH = 78

    def __init__(self, point: PointInfo, own: Sequence[OwnHookInfo], *, has_vectors: bool) -> None:
        self.picker = Picker(f"Hook {short_name(label(point.name))}", "a controller changes, a detector only reads")
        super().__init__(self.picker)
        ready = [_ready(kind, point, has_vectors) for kind in KINDS if kind.name != WATCH]
        self.picker.show([*map(_own, own), *ready])
        self.picker.say("enter puts it on")

    def natural_height(self) -> int:
        """Keep one height while it is narrowed."""
        return self.picker.natural_height

    def on_picker_chosen(self, event: Picker.Chosen) -> None:
        """Answer, unless the point cannot have it."""
        if event.choice is None:
            return
        if event.choice.refused:
            self.app.notify(event.choice.refused, markup=False)
            return
        self.dismiss(event.choice.id)


class VectorPicker(Dialog[str]):
    """Answers with the name of a vector."""

    def __init__(self, vectors: Iterable[VectorSummary], current: str) -> None:
        self.picker = Picker("Vector", "filter by name or group")
        super().__init__(self.picker)
        self.picker.empty_note = "no vectors: 1 goes to Steer"
        self.picker.show([_vector(item, current) for item in vectors], current)
        self.picker.say("enter takes it")

    def natural_height(self) -> int:
        """Keep one height while it is narrowed."""
        return self.picker.natural_height

    def on_picker_chosen(self, event: Picker.Chosen) -> None:
        """Answer, unless it cannot be used."""
        if event.choice is not None and not event.choice.refused:
            self.dismiss(event.choice.id)


def _ready(kind: Kind, point: PointInfo, has_vectors: bool) -> Choice:
    refused = ""
    if kind.needs == "heads" and not head_count(point):
        refused = "no heads here: attn.hook_z, q, k, v or pattern"
    elif not has_vectors and any(parameter.form == "vector" for parameter in kind.parameters):
        refused = "there are no vectors yet"
    names = ", ".join(parameter.name for parameter in kind.parameters)
    what = names if kind.changes else "reads only"
    conditions = " ".join(parameter.name for parameter in WHEN) if kind.changes else "detector"
    return Choice(kind.name, kind.name, kind.summary, "" if refused else what, f"{names} {conditions}", refused)


def _own(own: OwnHookInfo) -> Choice:
    where = f"line {own.line}" if own.line else ""
    return Choice(f"{FILE}:{own.name}", own.name, own.summary or own.kind, where, f"file own {own.kind}")


def _vector(item: VectorSummary, current: str) -> Choice:
    refused = item.problem or ("" if item.has_vector else "its vector is not made yet: switch it on on Steer once")
    return Choice(item.name, item.name, item.description, item.group, item.group, refused, item.name == current)
