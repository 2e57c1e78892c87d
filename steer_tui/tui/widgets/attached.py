"""The Attached pane: how hooks and their parameters are drawn, and what the line under the cursor means."""

from __future__ import annotations

from rich.cells import cell_len

from steer_tui.engine.hookkinds import Parameter, format_value
from steer_tui.engine.hookvalues import FILE
from steer_tui.session.hook_edits import parameters_of, value_of
from steer_tui.tui.hook_words import kind_name, report_text, short_report, values_text
from steer_tui.tui.point_rows import short_name
from steer_tui.tui.safe import fit, label
from steer_tui.tui.widgets.hook_list import HookList, Place
from steer_tui.tui.widgets.pane import Part
from steer_tui.tui.wrap import Wrapper

NAME = 11
"""Cells of a parameter's name."""
TALL = 8
"""From this many lines on, three tell about the line under the cursor."""


class Attached(HookList):
    """The list as it is seen."""

    TITLE = "Attached"

    @property
    def foot_count(self) -> int:  # type: ignore[override]
        """Lines that tell what the line under the cursor means."""
        if not self.hooks:
            return 0
        return 3 if self.view.height >= TALL else 1 if self.view.height >= 3 else 0

    def line(self, index: int, width: int) -> list[Part]:
        """Return a hook's or a parameter's line."""
        rows = self.rows()
        if not rows:
            return [(fit(self.empty_note, width, self.glyphs.ellipsis), "muted")]
        place = rows[index]
        return self._hook_line(place.hook, width) if place.parameter < 0 else self._parameter_line(place, width)

    def _hook_line(self, index: int, width: int) -> list[Part]:
        spec = self.hooks[index]
        cursor = self.glyphs.cursor if self.place == Place(index) else " "
        wrong = spec in self.problems and spec.enabled
        sign = self.glyphs.broken if wrong else self.glyphs.on if spec.enabled else self.glyphs.off
        sign_paint = "error" if wrong else "on" if spec.enabled else "faint"
        name = label(spec.point) if width >= 60 else short_name(label(spec.point))
        what, values = kind_name(spec), values_text(spec)
        room = width - 3
        name_size = min(cell_len(name), max(10, room - cell_len(what) - min(cell_len(values), 12) - 2))
        what_size = min(cell_len(what), max(0, room - name_size - 1))
        did = short_report(self.reports[spec]) if spec in self.reports else ""
        left = room - name_size - what_size - 2
        if left - cell_len(values) < cell_len(did) + 2:
            did = ""
        left -= cell_len(did)
        return [
            (cursor, "accent"),
            (f"{sign} ", sign_paint),
            (fit(name, name_size, self.glyphs.ellipsis), "" if spec.enabled else "faint"),
            (f" {fit(what, what_size, self.glyphs.ellipsis)}", "strong" if spec.enabled else "faint"),
            (f" {fit(values, left, self.glyphs.ellipsis)}" if left > 0 else "", "number" if spec.enabled else "faint"),
            (did, "muted"),
        ]

    def _parameter_line(self, place: Place, width: int) -> list[Part]:
        spec = self.hooks[place.hook]
        parameter = parameters_of(spec)[place.parameter]
        here = place == self.place
        value = value_of(spec, parameter)
        lead: list[Part] = [
            (f"{self.glyphs.cursor if here else ' '}   ", "accent"),
            (fit(parameter.name, NAME), "muted"),
        ]
        room = width - 4 - NAME
        if here and self.editing is not None:
            return [*lead, *self._written(room)]
        text = label(format_value(value)) or _nothing(parameter)
        is_set = value != parameter.default
        shown = min(max(8, cell_len(text)), room if room < 30 else room * 2 // 3)
        parts: list[Part] = [(fit(text, shown, self.glyphs.ellipsis), "number" if is_set else "faint")]
        rest = room - shown - 2
        note = parameter.help if not parameter.choices else "enter: next of " + ", ".join(parameter.choices)
        return [*lead, *parts, (f"  {fit(note, rest, self.glyphs.ellipsis)}" if rest >= 12 else "", "faint")]

    def _written(self, room: int) -> list[Part]:
        _, wrong = self.verdict()
        text = label(self.editing or "")
        if cell_len(text) > room - 2:
            text = self.glyphs.ellipsis + text[-(room - 3) :]
        paint = "error" if wrong else "strong"
        parts: list[Part] = [(text, "mark" if self.fresh else paint), ("_", "key")]
        rest = room - cell_len(text) - 3
        return [*parts, (f"  {fit(wrong, rest, self.glyphs.ellipsis)}" if wrong and rest >= 12 else "", "error")]

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return what the line under the cursor means, what is wrong with it, what it did."""
        if self.foot_count == 3:
            if index == 0:
                return [(self.glyphs.rail * width, "rail")]
            index -= 1
        text, paint = self._meaning()
        wrapper = Wrapper(width)
        wrapper.append(text, "")
        line = "".join(run.text for run in wrapper.line(index))
        is_cut = index == self.foot_count // 2 and wrapper.count > index + 1
        return [(fit(line + self.glyphs.ellipsis, width, self.glyphs.ellipsis) if is_cut else line, paint)]

    def _meaning(self) -> tuple[str, str]:
        spec, parameter = self.current, self.parameter
        if spec is None:
            return "", ""
        if self.editing is not None and (wrong := self.verdict()[1]):
            return label(wrong), "error"
        if parameter is not None:
            return _about(parameter), "muted"
        if not spec.enabled:
            asks = spec.kind == FILE and spec in self.problems
            return ("off: space runs its file and switches it on" if asks else "off: space switches it on"), "muted"
        if spec in self.problems:
            return label(self.problems[spec]), "error"
        if spec in self.reports:
            return report_text(self.reports[spec]), "muted"
        if self.reports:
            return "changed since the last run: r runs again", "muted"
        return ("from your file: saved changes are loaded" if spec.kind == FILE else "no run yet: r runs"), "muted"


def _nothing(parameter: Parameter) -> str:
    return "none" if parameter.form in ("bound", "vector", "text") else "all"


def _about(parameter: Parameter) -> str:
    """Return the meaning of a parameter, how it is written and its default."""
    written = {"indices": ", as 0,3,5-7", "bound": ", or nothing", "count": "", "number": ""}.get(parameter.form, "")
    default = label(format_value(parameter.default)) or _nothing(parameter)
    return f"{parameter.help}{written}; default {default}"
