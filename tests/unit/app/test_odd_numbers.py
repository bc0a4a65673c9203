"""Whatever number a target tells, it is drawn and written, and never an error."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement

import pytest

from lilfox_tui.app.rendering.chart import chart, spark
from lilfox_tui.app.rendering.columns import Digits
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.core.text import human_bytes, human_count, human_duration
from lilfox_tui.metrics.traffic import Quantile

NUMBERS = (None, math.nan, math.inf, -math.inf, 1e308, 1.7e308, -1e308, 5e-324, -5e-324, 0.0, -0.0, 2.5, -3.0, 1e-9)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize("binary", [False, True])
def test_any_numbers_make_a_chart(binary: bool) -> None:
    for values in combinations_with_replacement(NUMBERS, 3):
        assert len(spark(values, 5, UNICODE, top=values[0])) == 5
        for top, limit in ((None, None), (values[0], values[1])):
            rows = chart(
                "", values, width=40, height=5, unit=human_count, start=NOW - timedelta(minutes=5), end=NOW,
                glyphs=UNICODE, top=top, binary=binary, limit=limit,
            )  # fmt: skip
            assert len(rows) == 7


def test_an_endless_number_leaves_the_others_their_height() -> None:
    assert spark((1.0, math.inf, math.nan, 2.0), 4, UNICODE) == spark((1.0, 2.0, None, 2.0), 4, UNICODE)


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("value", NUMBERS)
def test_any_number_is_written(value: float | None, few: bool) -> None:
    digits = Digits(few=few)
    written = [digits.count(value), digits.duration(value), digits.share(value), digits.bytes(value)]
    if value is not None:
        written += [digits.short_time(value), digits.quantile(Quantile(value, ">"))]
    assert all(isinstance(each, str) for each in written)
    if value is None or math.isnan(value):
        assert [human_bytes(value), human_count(value), human_duration(value)] == ["-", "-", "-"]
