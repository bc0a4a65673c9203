"""Which columns a selector picks, among the columns of then and of now."""

from __future__ import annotations

from lilfox_tui.scrape.labels import LabelSet, Matcher
from lilfox_tui.scrape.store import Columns

ANY = (Matcher("__name__", "=~", ".+"),)


def sets(*names: str) -> list[LabelSet]:
    return [LabelSet.of({"__name__": name}) for name in names]


def chosen(columns: Columns) -> tuple[LabelSet, ...]:
    choice = columns.choose(ANY)
    assert choice is not None
    return choice.labels.sets


def test_columns_from_before_know_nothing_of_those_behind_them() -> None:
    before = Columns.of(sets("a"))
    after = before.widened(sets("b"))
    assert chosen(after) == tuple(sets("a", "b"))
    assert chosen(before) == tuple(sets("a"))
    assert chosen(after) == tuple(sets("a", "b"))


def test_what_is_picked_stays_the_same_object_where_other_columns_went() -> None:
    named_a = (Matcher("__name__", "=", "a"),)
    before = Columns.of(sets("gone", "a"))
    old, new = before.choose(named_a), Columns.of(sets("a"), before).choose(named_a)
    assert old is not None
    assert new is not None
    assert new.labels is old.labels
    assert (old.places, new.places) == (slice(1, 2), slice(0, 1))


def test_selectors_of_somebody_who_types_do_not_pile_up() -> None:
    columns = Columns.of(sets("a"))
    for number in range(3000):
        columns.choose((Matcher("typed", "=", str(number)),))
    assert len(columns._known.chosen) <= 512
