"""A hook as one line of text: `POINT=KIND[,name=value...]`, on the command line and wherever a hook is copied.

`layer_3=scale,factor=0.5,positions=0,2-4` and `blocks.2.attn.hook_z=heads,heads=0,3,action=mean` are such lines;
`rows=0,1` says which texts it acts on. parse(format(spec)) == spec. No torch import.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from steer_tui.engine.hookkinds import KINDS, WHEN, Parameter, find_kind, format_value, parse_value
from steer_tui.engine.hookvalues import FILE, HookSpec
from steer_tui.errors import UsageError

FORM = "POINT=KIND[,name=value...]"
_ROWS = Parameter("rows", "indices", (), "which texts: 0 the steered one, 1 the baseline")
_OWN = (Parameter("name", "text", "", "name of the hook in the file"),)
_QUOTED = ("text", "vector")
_NAME = re.compile(r"\s*([A-Za-z_]+)\s*=")


def parse_hook(text: str, *, has_file: bool = False) -> HookSpec:
    """Return the hook that a line says.

    Args:
        text: The line. A text with `,` or `"` in it stands in double quotes, as in JSON.
        has_file: Whether a file of own hooks is named; a kind that is not ready-made is then the name of an own hook.

    Raises:
        UsageError: naming the line and what is wrong with it.
    """
    point, equals, rest = text.strip().partition("=")
    kind, _, values = rest.partition(",")
    point, kind = point.strip(), kind.strip()
    if not (point and equals and kind):
        raise UsageError(f"hook {text!r} is not of the form {FORM}", hint="such as layer_3=scale,factor=0.5")
    try:
        if has_file and kind != FILE and kind not in {known.name for known in KINDS}:
            values, kind = f"name={json.dumps(kind)}" + (f",{values}" if values else ""), FILE
        known = {parameter.name: parameter for parameter in (*_parameters(kind), _ROWS)}
        given = dict(_pairs(values, known))
    except UsageError as error:
        raise UsageError(f"hook {text.strip()!r}: {error.message}", hint=error.hint) from error
    rows = given.pop("rows", None)
    return HookSpec(point, kind, tuple(given.items()), tuple(rows) if rows else None)


def format_hook(spec: HookSpec) -> str:
    """Return the line of a hook; that it is switched off is not in it."""
    known = {parameter.name: parameter for parameter in _parameters(spec.kind)}
    parts = [f"{name}={_written(known.get(name), value)}" for name, value in spec.values]
    parts += [f"rows={format_value(spec.rows)}"] if spec.rows else []
    return ",".join([f"{spec.point}={spec.kind}", *parts])


def _parameters(kind: str) -> tuple[Parameter, ...]:
    if kind == FILE:
        return _OWN
    found = find_kind(kind)
    return (*found.parameters, *(WHEN if found.changes else ()))


def _pairs(text: str, known: dict[str, Parameter]) -> Iterator[tuple[str, Any]]:
    """Split `name=value,...`; a list's commas belong to its value, and so does all between double quotes."""
    while text.strip():
        match = _NAME.match(text)
        if match is None:
            raise UsageError(f"{text.strip()!r} is not of the form name=value", hint=f"it has {', '.join(known)}")
        name, text = match[1], text[match.end() :].lstrip()
        if name not in known:
            raise UsageError(f"there is no parameter {name!r}", hint=f"it has {', '.join(known)}")
        is_quoted = text.startswith('"')
        value, text = _quoted(name, text) if is_quoted else _bare(text)
        yield name, value if is_quoted and known[name].form in _QUOTED else parse_value(known[name], value)


def _quoted(name: str, text: str) -> tuple[str, str]:
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError as error:
        raise UsageError(f"{name}: the quotes do not end", hint='write "..." with \\" for a quote inside') from error
    rest = text[end:].lstrip()
    if rest and not rest.startswith(","):
        raise UsageError(f"{name}: {rest!r} stands after the quotes", hint="put a comma before the next parameter")
    return str(value), rest[1:]


def _bare(text: str) -> tuple[str, str]:
    """Return the value before the next `,name=`, and what follows."""
    following = re.search(r",(?=\s*[A-Za-z_]+\s*=)", text)
    return (text, "") if following is None else (text[: following.start()], text[following.end() :])


def _written(parameter: Parameter | None, value: Any) -> str:
    plain = format_value(value)
    is_text = parameter is None or parameter.form in _QUOTED
    return json.dumps(plain, ensure_ascii=False) if is_text and re.search(r'[,="]|^\s|\s$', plain) else plain
