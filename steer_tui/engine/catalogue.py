"""Makes hooks from what a person wrote down: ready-made ones by kind and parameters, own ones by name in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from steer_tui.engine.conditional import (
    BatchConditionalController,
    ConditionalController,
    TokenConditionalController,
)
from steer_tui.engine.controllers import (
    AddController,
    ClampController,
    NormaliseController,
    ProjectOutController,
    ReadyController,
    ScalingController,
)
from steer_tui.engine.coordinated import PatchController
from steer_tui.engine.detectors import LayerActivationDetector, LoggingDetector
from steer_tui.engine.hookkinds import WHEN, checked_value, find_kind
from steer_tui.engine.hooks import Hook
from steer_tui.engine.hookstatistics import RunningStatsDetector
from steer_tui.engine.hookvalues import FILE, HookSpec, PointInfo
from steer_tui.engine.loglines import LEVEL, hook_logger
from steer_tui.engine.points import HookPoint
from steer_tui.engine.selective import HeadController, SelectiveController
from steer_tui.engine.tokentrace import TokenTraceDetector
from steer_tui.engine.toptexts import TopKTextsDetector
from steer_tui.engine.user_hooks import HookFile
from steer_tui.errors import UsageError


def point_infos(lm: Any, *, modules: bool = True, quick: bool = False) -> tuple[PointInfo, ...]:
    """Return every point as a list shows it; with `modules`, every module path after the named ones.

    `quick` makes no pass through the model: where none was made before, `hook_resid_mid` and many shapes are missing.
    """
    table = lm.layers.quick_points if quick else lm.hook_points
    points = [*table.named.values(), *(table.modules.values() if modules else ())]
    return tuple(_info(point) for point in points)


def build_hook(lm: Any, spec: HookSpec, vectors: Mapping[str, Any] | None = None, file: HookFile | None = None) -> Hook:
    """Return the hook that a spec describes; it is not put on yet.

    Args:
        lm: The model; for the kind `patch` it runs the other prompt.
        spec: Point, kind and parameters; parameters left out have their defaults.
        vectors: Name -> SteeringVector, for kinds that take one.
        file: For specs of the kind `file`.

    Raises:
        UsageError: A name, a value or the point is wrong.
    """
    point = lm.layers.find(spec.point)
    hook = _own(spec, file) if spec.kind == FILE else _ready(lm, point, spec, vectors or {})
    lm.layers.find(spec.point, hook.hook_type)  # refuses a side that the point does not have
    hook.label = None if spec.kind == FILE else spec.kind
    hook.layer_signature = point.name
    hook.enabled = spec.enabled
    if spec.rows is not None:
        hook.rows = spec.rows
    return hook


def placed_specs(lm: Any, file: HookFile) -> tuple[HookSpec, ...]:
    """Return a spec for every point where a file of own hooks itself puts one, in its order.

    Raises:
        UsageError: It names a point that there is not, or that cannot be had in this model.
    """
    specs: list[HookSpec] = []
    for own in file.placed_hooks:
        try:
            points = lm.layers.matching(own.point, own.make().hook_type)
        except UsageError as error:
            where = f" (line {own.line} of {file.path.name})" if own.line else f" of {file.path.name}"
            raise UsageError(f"hook {own.name}{where}: {error.message}", hint=error.hint) from error
        specs += [HookSpec(point.name, FILE, (("name", own.name),)) for point in points]
    return tuple(specs)


def _info(point: HookPoint) -> PointInfo:
    return PointInfo(point.name, point.module, point.shape, point.available, point.reason, point.note, point.index)


def _own(spec: HookSpec, file: HookFile | None) -> Hook:
    name = str(dict(spec.values).get("name", ""))
    if file is None or name not in file:
        known = ", ".join(file) if file is not None else "no file is loaded"
        raise UsageError(f"no own hook is called {name!r}", hint=known)
    return file[name].make()


def _ready(lm: Any, point: HookPoint, spec: HookSpec, vectors: Mapping[str, Any]) -> Hook:
    kind = find_kind(spec.kind)
    known = {parameter.name: parameter for parameter in (*kind.parameters, *(WHEN if kind.changes else ()))}
    given = dict(spec.values)
    wrong = set(given) - set(known)
    if wrong:
        raise UsageError(f"{spec.kind} has no parameter {min(wrong)!r}", hint=f"it has {', '.join(known)}")
    values = {name: checked_value(one, given.get(name, one.default)) for name, one in known.items()}
    if not kind.changes:
        return _detector(lm, kind.name, values)
    return _conditioned(_controller(lm, point, kind.name, values, vectors), values)


def _detector(lm: Any, kind: str, values: Mapping[str, Any]) -> Hook:
    if kind == "watch":
        return TokenTraceDetector()
    if kind == "running":
        return RunningStatsDetector()
    if kind == "log":
        return LoggingDetector(None, hook_logger(), LEVEL)
    if kind == "top-texts":
        return TopKTextsDetector(None, int(values["top_k"]), tokenizer=lm.tokenizer)
    return LayerActivationDetector()


def _controller(
    lm: Any, point: HookPoint, kind: str, values: Mapping[str, Any], vectors: Mapping[str, Any]
) -> ReadyController:
    if kind == "scale":
        return ScalingController(None, values["factor"])
    if kind == "neurons":
        number = values["value"]
        return SelectiveController(None, values["neurons"], number, action=values["action"], value=number)
    if kind == "heads":
        if not {"head", "kv_head"} & set(point.axes):
            raise UsageError(
                f"{point.name} has no heads", hint="use attn.hook_z, hook_q, hook_k, hook_v or hook_pattern"
            )
        return HeadController(None, values["heads"], values["action"], values["value"])
    if kind == "clamp":
        return ClampController(None, values["low"], values["high"])
    if kind == "normalise":
        return NormaliseController(None, values["to"], values["length"])
    if kind == "patch":
        return _patch(lm, point, values)
    vector = _vector(point, str(values["vector"]), vectors)
    if kind == "add":
        return AddController(None, vector, values["strength"])
    return ProjectOutController(None, vector, values["strength"])


def _patch(lm: Any, point: HookPoint, values: Mapping[str, Any]) -> PatchController:
    if not str(values["prompt"]).strip():
        raise UsageError("there is no prompt to patch from", hint="give the parameter `prompt`")
    with lm.layers.alone():
        _, cache = lm.run_with_cache(str(values["prompt"]), point.name, None)
    return PatchController(None, cache, values["at"] or None)


def _vector(point: HookPoint, name: str, vectors: Mapping[str, Any]) -> Tensor:
    """Return a steering vector at the point's block."""
    if not name:
        raise UsageError("no vector is named", hint="give the parameter `vector`")
    if name not in vectors:
        raise UsageError(f"no vector is called {name!r}", hint=f"there are {', '.join(sorted(vectors)) or 'none'}")
    layers: Mapping[int, Tensor] = vectors[name].layers
    if point.index is None or point.index not in layers:
        raise UsageError(f"{name} has no vector for {point.name}", hint="choose a point inside a block it covers")
    return layers[point.index]


def _conditioned(controller: ReadyController, values: Mapping[str, Any]) -> ReadyController:
    """Return the controller with the conditions that were given around it."""
    if values["positions"] or values["token_ids"]:
        controller = TokenConditionalController(None, values["positions"], controller, token_ids=values["token_ids"])
    if values["above"] is not None:
        controller = ConditionalController(None, None, controller, threshold=values["above"])
    return BatchConditionalController(None, int(values["every"]), controller) if values["every"] > 1 else controller
