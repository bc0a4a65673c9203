"""A filter narrowed to one source matches the same records of it, and tells when it matches none or all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.logs.filter.model import EVERYTHING, NOTHING, And, FieldMatch, Filter, Not, Or, TextMatch, of_source
from lilfox_tui.logs.filter.syntax import parse_filter
from tests.unit.logs.memory_source import record

leaves = st.one_of(
    st.builds(FieldMatch, st.just("source"), st.sampled_from(("=", "!=", "~", "!~")), st.sampled_from(("a", "b"))),
    st.sampled_from((TextMatch("x"), TextMatch("y"))),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
)


@given(where=trees, message=st.sampled_from(("x", "y", "x y", "z")), name=st.sampled_from(("a", "b", "ab")))
def test_it_matches_the_same(where: Filter, message: str, name: str) -> None:
    one = record(name, 1, 0, message)
    assert of_source(where, name).matches(one) == where.matches(one)


@pytest.mark.parametrize(
    ("text", "for_a", "for_b"),
    [
        ("source=a", EVERYTHING, NOTHING),
        ("source!=a", NOTHING, EVERYTHING),
        ("source~^a", EVERYTHING, NOTHING),
        ("source=a x", TextMatch("x"), NOTHING),
        ("source=a or x", EVERYTHING, TextMatch("x")),
        ("not (source=b x)", EVERYTHING, Not(TextMatch("x"))),
        ("", EVERYTHING, EVERYTHING),
    ],
)
def test_what_is_asked_of_the_source_is_answered(text: str, for_a: Filter, for_b: Filter) -> None:
    where = parse_filter(text, now=datetime.now(UTC), zone=UTC)
    assert of_source(where, "a") == for_a
    assert of_source(where, "b") == for_b
