"""What keys do to the list of hooks: undone exactly, kept in the session, checked as far as it can be told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.engine.hookkinds import KINDS, Parameter, find_kind
from steer_tui.engine.hookvalues import FILE, HookReport, HookSpec
from steer_tui.session import hook_edits as edit
from steer_tui.session.session_file import from_json, to_json
from steer_tui.session.state import Workbench
from steer_tui.tui.hook_words import describe_hooks, hook_text, report_text, short_report
from steer_tui.tui.inspect_layout import PANES, InspectFacts, arrange, panes
from steer_tui.tui.point_rows import PointTree
from steer_tui.tui.watch_history import WatchHistory
from tests.tui.fake_hooks import point_infos, watched

POINTS = {point.name: point for point in point_infos()}
POST = "blocks.3.hook_resid_post"


def parameter(kind: str, name: str) -> Parameter:
    return next(one for one in edit.parameters_of(HookSpec(POST, kind)) if one.name == name)


def problem(kind: str, point: str = POST, **values: Any) -> str:
    return edit.problem_of(HookSpec(point, kind, tuple(values.items())), POINTS, {"happy"}, {"mine"})


# Lists


def test_watching_twice_is_watching_no_more() -> None:
    once = edit.toggle_watch((), POST, (0, 1))
    assert once == (HookSpec(POST, "watch", rows=(0, 1)),)
    assert edit.toggle_watch(once, POST) == ()


def test_what_is_put_on_comes_before_what_watches() -> None:
    scale, clamp, other = (HookSpec(POST, kind) for kind in ("scale", "clamp", "normalise"))
    watching = edit.toggle_watch(edit.toggle_watch((), POST), "layer_2")
    assert edit.add(watching, scale) == (scale, *watching)
    assert edit.add(edit.add(watching, scale), clamp, other) == (scale, clamp, other, *watching)
    assert edit.add((*watching, scale), clamp) == (*watching, scale, clamp)
    assert edit.add((), scale) == (scale,)


@given(count=st.integers(1, 6), index=st.integers(0, 5), other=st.integers(0, 5))
def test_lists_lose_and_invent_nothing(count: int, index: int, other: int) -> None:
    hooks = tuple(HookSpec(f"blocks.{number}.hook_z", "scale") for number in range(count))
    index, other = index % count, other % count
    assert sorted(edit.swap(hooks, index, other), key=str) == sorted(hooks, key=str)
    assert edit.swap(edit.swap(hooks, index, other), index, other) == hooks
    assert edit.switch(edit.switch(hooks, index), index) == hooks
    assert len(edit.remove(hooks, index)) == count - 1


def test_a_value_at_its_default_is_left_out_and_the_rest_keep_their_order() -> None:
    spec = HookSpec(POST, "neurons")
    spec = edit.with_value(spec, parameter("neurons", "every"), 3)
    spec = edit.with_value(spec, parameter("neurons", "neurons"), (2, 4))
    assert spec.values == (("neurons", (2, 4)), ("every", 3))
    assert edit.with_value(spec, parameter("neurons", "every"), 1).values == (("neurons", (2, 4)),)


def test_numbers_never_drift_and_counts_stay_counts() -> None:
    spec, factor = HookSpec(POST, "scale"), parameter("scale", "factor")
    for _ in range(30):
        spec = edit.nudged(spec, factor, -0.1)
    assert edit.value_of(spec, factor) == -1.5
    every = parameter("scale", "every")
    assert edit.value_of(edit.nudged(spec, every, -5), every) == 1
    assert edit.value_of(edit.at_number(spec, factor, 1e30), factor) == edit.MAX_NUMBER


@pytest.mark.parametrize(
    ("point", "delta", "expected"),
    [
        (POST, 1, "blocks.4.hook_resid_post"),
        (POST, -4, POST),
        (POST, 9, POST),
        ("model.layers.2.mlp", 1, "model.layers.3.mlp"),
        ("hook_embed", 1, "hook_embed"),
    ],
)
def test_a_hook_moves_to_the_same_point_of_another_block(point: str, delta: int, expected: str) -> None:
    assert edit.at_block(point, delta, POINTS) == expected


# What is wrong


@pytest.mark.parametrize(
    ("words", "kind", "point", "values"),
    [
        ("", "scale", POST, {}),
        ("has no blocks.9", "scale", "blocks.9.hook_z", {}),
        ("rotary or alibi", "scale", "hook_pos_embed", {}),
        ("no heads here", "heads", POST, {}),
        ("", "heads", "blocks.3.attn.hook_z", {"heads": (3,)}),
        ("heads go from 0 to 3", "heads", "blocks.3.attn.hook_pattern", {"heads": (4,)}),
        ("neurons go from 0 to 255", "neurons", POST, {"neurons": (256,)}),
        ("no vector 'sad'", "add", POST, {"vector": "sad"}),
        ("it needs a vector", "add", POST, {}),
        ("low lies above high", "clamp", POST, {"low": 3.0}),
        ("", "clamp", POST, {"low": None}),
        ("needs the prompt", "patch", POST, {}),
        ("mine is", FILE, "blocks.77.hook_z", {"name": "mine"}),
        ("", FILE, POST, {"name": "mine"}),
        ("other is not loaded", FILE, POST, {"name": "other"}),
        ("no hook is called", "bogus", POST, {}),
    ],
)
def test_what_can_be_told_without_the_model_is_told(words: str, kind: str, point: str, values: dict[str, Any]) -> None:
    found = problem(kind, point, **values)
    if words == "mine is":
        assert "this model has no" in found
    else:
        assert (words in found) if words else not found


def test_every_kind_can_be_made_at_its_defaults_and_said_in_words() -> None:
    for kind in KINDS:
        spec = edit.new_hook(POST, kind, "happy")
        assert hook_text(spec).startswith(f"3.resid_post {kind.name}")
        assert edit.changes_text(spec) == kind.changes
    assert hook_text(edit.new_hook(POST, find_kind("clamp"))) == "3.resid_post clamp -2 to 2"
    assert hook_text(HookSpec(POST, "scale", (("every", 3),))) == "3.resid_post scale 1.5 every 3th"


def test_a_live_change_is_told_by_what_differs() -> None:
    scale, more = HookSpec(POST, "scale"), HookSpec(POST, "scale", (("factor", 2.0),))
    clamp, watch = HookSpec(POST, "clamp"), HookSpec(POST, "watch")
    assert describe_hooks((scale,), (more,)) == "3.resid_post scale 2"
    assert describe_hooks((scale,), (scale, clamp)) == "+3.resid_post clamp -2 to 2"
    assert describe_hooks((scale, clamp), (clamp,)) == "-3.resid_post scale"
    assert describe_hooks((scale, clamp), (clamp, scale)) == "other order"
    assert describe_hooks((scale,), (scale, watch)) == ""


def test_reports_say_how_much_was_changed_or_what_was_seen() -> None:
    spec = HookSpec(POST, "scale")
    changed = HookReport(spec, 0, 9, 12, 9, 12, 0.5, 0.75)
    assert report_text(changed) == "changed 12 of 12 tokens, by 50%, at most 75%"
    assert short_report(changed) == "12/12 tokens by 50%"
    assert report_text(HookReport(spec, 0, 9, 12, 0, 0, 0.0, 0.0)) == "changed nothing in 12 tokens"
    seen = (("shape", (1, 2, 3)), ("mean", 0.5), ("7", ((2.5, "a text", " joy"),)))
    assert "shape 1x2x3, mean +0.50" in report_text(HookReport(spec, 0, 9, 12, 0, 0, 0.0, 0.0, seen))
    assert report_text(HookReport(spec, 5, 0, 0, 0, 0, 0.0, 0.0)) == "was not called"


# The session


def test_hooks_are_undone_redone_asked_for_and_kept() -> None:
    hooks = (HookSpec(POST, "neurons", (("neurons", (1, 2)),)), HookSpec(POST, "watch", rows=(0, 1)))
    bench = Workbench().set_hooks(hooks)
    assert bench.set_hooks(hooks) is bench
    assert bench.request().hooks == hooks and bench.request().hook_file is None
    assert bench.undo().hooks == () and bench.undo().redo().hooks == hooks
    own = bench.set_hooks((*hooks, HookSpec(POST, FILE, (("name", "mine"),))), "/x/my.py")
    assert own.request().hook_file == "/x/my.py"
    assert own.undo().hook_file is None
    back = from_json(json.loads(json.dumps(to_json(own))))
    assert back.hooks[:2] == hooks and back.hook_file == "/x/my.py"
    assert not back.hooks[2].enabled and back.request().hook_file is None


SPOILT: list[object] = [
    3,
    None,
    {},
    {"point": 1},
    {"point": "a", "kind": "b", "values": [1]},
    {"point": "a", "kind": "b", "rows": "x"},
    {"point": "a", "kind": "b", "values": {"v": {"deep": 1}}},
]


@pytest.mark.parametrize("entry", SPOILT)
def test_a_spoilt_hook_costs_itself_only(entry: object) -> None:
    good = {"point": POST, "kind": "scale"}
    assert from_json({"hooks": [good, entry]}).hooks[:1] == (HookSpec(POST, "scale"),)
    assert from_json({"hooks": entry}).hooks == ()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("scale", {"factor": "much"}),
        ("scale", {"factor": True, "every": 0, "positions": ["x"], "above": 1e300, "bogus": 1}),
        ("neurons", {"neurons": 3, "action": "melt"}),
        ("patch", {"prompt": 3, "at": [-1]}),
        (FILE, {"name": 3, "more": "x"}),
    ],
)
def test_values_that_are_none_of_a_kind_are_left_out(kind: str, values: dict[str, Any]) -> None:
    entry = {"point": POST, "kind": kind, "values": values}
    assert from_json({"hooks": [entry]}).hooks[0].values == ()


# Pure parts of the screen


@given(
    width=st.integers(60, 260),
    height=st.integers(14, 90),
    facts=st.builds(
        InspectFacts,
        baseline=st.booleans(),
        zoomed=st.sampled_from((None, *PANES)),
        recent=st.permutations(PANES).map(tuple),
        watched=st.integers(0, 40),
        attached=st.integers(0, 40),
    ),
)
def test_panes_cover_the_desk_and_the_one_looked_at_is_visible(width: int, height: int, facts: InspectFacts) -> None:
    boxes = arrange(width, height, facts)
    cells = sum(box.width * box.height for box in boxes.values())
    assert cells == width * height
    for name, box in boxes.items():
        assert box.width >= 20 and box.height >= 3, name
        assert box.x >= 0 and box.x + box.width <= width and box.y >= 0 and box.y + box.height <= height
        assert not any(_overlap(box, other) for key, other in boxes.items() if key != name)
    wanted = facts.zoomed or next(name for name in facts.recent if name in panes(facts))
    assert wanted in boxes


def _overlap(one: Any, two: Any) -> bool:
    return (
        one.x < two.x + two.width
        and two.x < one.x + one.width
        and one.y < two.y + two.height
        and two.y < one.y + one.height
    )


def test_the_tree_of_no_points_can_be_shown() -> None:
    assert PointTree(()).rows(()) == [] and PointTree(()).blocks == 0


def test_numbers_of_the_whole_text_take_the_place_of_the_newest() -> None:
    spec = HookSpec(POST, "watch", rows=(0, 1))
    history = WatchHistory()
    for step in range(10):
        history.push(watched((spec, HookSpec(POST, "scale")), step, baseline=True))
    known = history.of(POST)
    assert (known.count, known.prompt, known.means[0].count) == (13, 4, 10)
    assert known.value("norm") == 15.0 and known.shift("norm") == 1.0
    history.finish()
    assert known.value("norm") == pytest.approx(13.0) and known.value("min") == -3.25
    assert len(known.series("norm", 5)) == 5 and known.bounds("norm", 50) == (10.0, 15.0)
