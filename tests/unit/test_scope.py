"""Scopes: sets of a row's own positions, the same whether asked one by one or as a mask."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.engine.scope import KINDS, Scope, parse_scope
from tests.unit.reference import members

LENGTHS = st.integers(1, 12)
counts = st.integers(0, 16)
scopes = st.one_of(
    st.sampled_from(["all", "prompt", "generated", "last"]).map(Scope),
    st.builds(Scope, st.sampled_from(["first", "after"]), counts),
    st.tuples(counts, counts).map(lambda pair: Scope("pos", min(pair), max(pair))),
)


@given(scopes, LENGTHS)
def test_a_mask_holds_what_contains_says_and_what_the_contract_says(scope: Scope, length: int) -> None:
    mask = scope.mask(torch.arange(24), length)
    assert mask.dtype == torch.bool
    assert set(mask.nonzero().flatten().tolist()) == members(scope, length)
    assert {place for place in range(24) if scope.contains(place, length)} == members(scope, length)


@given(scopes, LENGTHS, st.integers(1, 6))
def test_padding_is_never_in_a_scope(scope: Scope, length: int, padding: int) -> None:
    grid = torch.cat([torch.full((padding,), -1), torch.arange(length)])
    assert not scope.mask(grid, length)[:padding].any()
    assert not scope.mask(torch.full((2, 3), -1), length).any()


@given(counts, LENGTHS)
def test_first_and_after_are_complements(count: int, length: int) -> None:
    positions = torch.arange(24)
    first, after = Scope("first", count).mask(positions, length), Scope("after", count).mask(positions, length)
    assert torch.equal(first, ~after)


@given(LENGTHS)
def test_prompt_and_generated_are_complements_and_last_ends_the_prompt(length: int) -> None:
    positions = torch.arange(24)
    prompt, generated = Scope("prompt").mask(positions, length), Scope("generated").mask(positions, length)
    assert torch.equal(prompt, ~generated)
    assert Scope("last").mask(positions, length).nonzero().flatten().tolist() == [length - 1]
    assert prompt[length - 1] and not prompt[length]


@given(scopes, LENGTHS, st.integers(0, 20), st.integers(0, 20))
def test_a_range_is_touched_where_it_holds_a_member(scope: Scope, length: int, low: int, high: int) -> None:
    held = any(scope.contains(place, length) for place in range(low, high))
    assert scope.touches(low, high, length) == held


@given(scopes)
def test_a_scope_reads_back_as_it_was_written(scope: Scope) -> None:
    assert parse_scope(str(scope)) == scope


def test_every_kind_can_be_walked_through() -> None:
    assert {
        parse_scope(text).kind for text in ("all", "prompt", "generated", "last", "first=1", "after=2", "pos=1..2")
    } == set(KINDS)
