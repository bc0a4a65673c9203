"""Label sets: equal by what they hold, whatever object they are, and nothing that a collection of garbage walks."""

from __future__ import annotations

import gc
from operator import eq, ne

import pytest

from lilfox_tui.scrape.labels import LabelSet


def test_equal_sets_are_equal_in_each_way_of_asking() -> None:
    one, same = LabelSet.of({"b": "2", "a": "1"}), LabelSet.of([("a", "1"), ("b", "2"), ("c", "")])
    other = LabelSet.of({"a": "1"})
    assert one == same
    assert ne(one, same) is False
    assert one != other
    assert eq(one, other) is False
    assert one != "a text"
    assert len({one, same, other}) == 2
    assert one.without({"b"}) == other


def test_no_collection_of_garbage_walks_them() -> None:
    assert not gc.is_tracked(LabelSet.of({"a": "1"}))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({"__name__": "up", "job": "n"}, 'up{job="n"}'),
        ({"__name__": "up"}, "up"),
        ({}, "{}"),
        ({"a": 'x"\\\n'}, '{a="x\\"\\\\\\n"}'),
    ],
)
def test_is_written_as_promql_has_it(labels: dict[str, str], text: str) -> None:
    assert str(LabelSet.of(labels)) == text
