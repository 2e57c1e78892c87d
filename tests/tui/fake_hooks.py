"""What the fake engine says of points and hooks: a plausible model, statistics that move when a hook is on."""

from __future__ import annotations

from steer_tui.engine.hookvalues import (
    HookReport,
    HookSpec,
    LogitDifference,
    PointInfo,
    TokenShift,
    TokenStatistics,
    Watched,
)

REASON = "positions are rotary or alibi: nothing is added to the embedding"
PROMPT_TOKENS = 4
STREAM: tuple[str | int, ...] = ("batch", "pos", 256)
INSIDE: tuple[tuple[str, tuple[str | int, ...]], ...] = (
    ("hook_resid_pre", STREAM),
    ("attn.hook_q", ("batch", "pos", 4, 64)),
    ("attn.hook_pattern", ("batch", 4, "pos", "key")),
    ("attn.hook_z", ("batch", "pos", 4, 64)),
    ("hook_attn_out", STREAM),
    ("hook_resid_mid", STREAM),
    ("mlp.hook_post", ("batch", "pos", 640)),
    ("hook_mlp_out", STREAM),
    ("hook_resid_post", STREAM),
)


def point_infos(layers: int = 6) -> tuple[PointInfo, ...]:
    """Return the points of a model of so many blocks, module paths last."""
    made = [
        PointInfo("hook_embed", "model.embed_tokens", STREAM, True, None, "", None),
        PointInfo("hook_pos_embed", "", STREAM, False, REASON, "", None),
    ]
    for layer in range(layers):
        path = f"model.layers.{layer}"
        made += [PointInfo(f"blocks.{layer}.{name}", path, shape, True, None, "", layer) for name, shape in INSIDE]
    made.append(PointInfo("hook_logits", "", ("batch", "pos", 3072), True, None, "", None))
    for path in ("model", "model.embed_tokens", "model.layers"):
        made.append(PointInfo(path, path, (), path != "model.layers", "it is a list of modules", "", None))
    for layer in range(layers):
        path = f"model.layers.{layer}"
        made += [PointInfo(path, path, STREAM, True, None, "", layer)]
        made += [PointInfo(f"{path}.mlp", f"{path}.mlp", STREAM, True, None, "", layer)]
    return tuple(made)


def watched(hooks: tuple[HookSpec, ...], step: int, baseline: bool) -> tuple[Watched, ...]:
    """Return what watches saw of a step; every controller that is on adds 1 to the hooked norm."""
    on = [spec for spec in hooks if spec.enabled]
    strength = sum(spec.kind != "watch" for spec in on)
    made = []
    for spec in on:
        if spec.kind != "watch":
            continue
        for row in spec.rows or (0,):
            if row == 1 and not baseline:
                continue
            norm = 10.0 + step % 5 + (strength if row == 0 else 0)
            token = TokenStatistics(0.01, 1.5, norm, -3.25, 4.5)
            made.append(Watched(spec.point, row, (2, 1, 256), (token,) * (PROMPT_TOKENS if step == 0 else 1)))
    return tuple(made)


def reports(hooks: tuple[HookSpec, ...], steps: int) -> tuple[HookReport, ...]:
    """Return what hooks did in a run of so many steps."""
    count = steps + PROMPT_TOKENS - 1
    return tuple(HookReport(spec, 0, steps, count, steps, count, 0.5, 0.5) for spec in hooks if spec.enabled)


def difference() -> LogitDifference:
    """Return logits that moved."""
    return LogitDifference(7.5, 1.25, (TokenShift(1, " joy", 5.5, -2.0),), (TokenShift(2, "\nThe", 1.0, 4.0),))
