"""Few digits change less, and never say what is not so."""

from __future__ import annotations

import pytest

from lilfox_tui.app.rendering.columns import EXACT, Digits
from lilfox_tui.metrics.traffic import Quantile

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


@pytest.mark.parametrize(
    ("percent", "exact", "few"),
    [
        (None, "", ""),
        (0.0, "0.0%", "0.0%"),
        (0.004, "<0.1%", "<0.1%"),
        (0.42, "0.4%", "0.4%"),
        (31.04, "31.0%", "30%"),
        (99.96, "100%", "100%"),
    ],
)
def test_a_small_share_is_not_none_and_an_unknown_one_is_nothing(percent: float | None, exact: str, few: str) -> None:
    assert (EXACT.share(percent), FEW.share(percent)) == (exact, few)


@pytest.mark.parametrize(
    ("found", "exact", "few"),
    [
        (None, "", ""),
        (Quantile(0.00042), "0.4ms", "0.4ms"),
        (Quantile(0.0123), "12ms", "10ms"),
        (Quantile(0.9997), "1.0s", "1s"),
        (Quantile(2.34, "<="), "≤2.3s", "≤2s"),
        (Quantile(60.0, ">"), ">60s", ">60s"),
    ],
)
def test_a_quantile_has_its_bound(found: Quantile | None, exact: str, few: str) -> None:
    assert (EXACT.quantile(found), FEW.quantile(found)) == (exact, few)
