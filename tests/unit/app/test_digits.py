"""Few digits change less, and never say what is not so."""

from __future__ import annotations

import pytest

from lilfox_tui.app.digits import EXACT, Digits

FEW = Digits(few=True)


@pytest.mark.parametrize(
    ("value", "exact", "few"),
    [
        (None, "   -", "   -"),
        (0.0, "  0%", "  0%"),
        (3.0, "  3%", "  3%"),
        (23.0, " 23%", " 25%"),
        (22.0, " 22%", " 20%"),
        (89.9, " 90%", " 90%"),
        (93.4, " 93%", " 93%"),
        (99.6, "100%", "100%"),
        (1e9, "100…", "100…"),
    ],
)
def test_percentages_go_by_fives_but_near_none_and_near_all(value: float | None, exact: str, few: str) -> None:
    assert (EXACT.percent(value), FEW.percent(value)) == (exact, few)


def test_rates_and_times_keep_their_first_digit() -> None:
    assert (EXACT.bytes(348160), FEW.bytes(348160)) == ("340K", "300K")
    assert (EXACT.count(220), FEW.count(220)) == ("220", "200")
    assert (EXACT.duration(0.012), FEW.duration(0.012)) == ("12 ms", "10 ms")
    assert (EXACT.load(1.15), FEW.load(1.15)) == ("1.15", "1.1")
    assert [FEW.bytes(None), FEW.count(None), FEW.duration(None)] == ["-", "-", "-"]


def test_what_moves_a_little_changes_nothing() -> None:
    assert {FEW.percent(value / 10) for value in range(378, 422)} == {" 40%"}
