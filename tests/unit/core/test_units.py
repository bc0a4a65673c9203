"""Values with their units: as text beside a label, and in the cells of an axis."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis.strategies import floats, sampled_from

from lilfox_tui.app.rendering.chart import AXIS_WIDTH
from lilfox_tui.core.text import cell_width
from lilfox_tui.core.units import LABEL_CELLS, ValueUnit, axis_label, exact_text, number_text, value_text

UNITS: tuple[ValueUnit, ...] = get_args(ValueUnit)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (0, "0"),
        (60, "60"),
        (0.12345, "0.1235"),
        (999.96, "1000"),
        (12345, "12,345"),
        (-1234.4, "-1,234"),
        (2.5e9, "2.5G"),
        (-1e300, "-1e+300"),
    ],
)
def test_a_number_is_told_in_a_few_digits(value: float | None, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ratio", "-"),
        (math.nan, "seconds", "NaN"),
        (math.inf, "percent", "+Inf"),
        (4.0, "", "4"),
        (0.31, "ratio", "31%"),
        (0.0005, "ratio", "0.05%"),
        (0.943, "ratio", "94.3%"),
        (0.9995, "ratio", "99.95%"),
        (25, "ratio", "2,500%"),
        (91.2, "percent", "91.2%"),
        (0.0000123, "seconds", "12.3 us"),
        (0.00657, "seconds", "6.57 ms"),
        (0.008, "seconds", "8 ms"),
        (0.85, "seconds", "850 ms"),
        (90, "seconds", "1 min 30 s"),
        (-90, "seconds", "-1 min 30 s"),
        (120, "seconds", "2 min"),
        (86400, "seconds", "1 d"),
        (1e300, "seconds", "1e+300 s"),
        (0, "seconds", "0 ms"),
        (10, "bytes", "10 B"),
        (1536 * 1024, "bytes", "1.5 MB"),
        (2.5e9, "bytes", "2.3 GB"),
        (-5e300, "bytes", "-5e+300 B"),
        (0.3, "bytes per second", "0.3 B/s"),
        (2000, "bytes per second", "2.0 kB/s"),
        (1.3e6, "bytes per second", "1.2 MB/s"),
        (20, "per second", "20/s"),
        (0, "time", "1970-01-01 00:00:00"),
    ],
)
def test_a_value_is_told_with_its_unit(value: float | None, unit: ValueUnit, text: str) -> None:
    assert value_text(value, unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "label"),
    [
        (0, "ratio", "0%"),
        (0.31, "ratio", "31%"),
        (0.125, "ratio", "12.5%"),
        (25, "ratio", "2.5k%"),
        (50, "percent", "50%"),
        (0, "seconds", "0s"),
        (0.0005, "seconds", "500us"),
        (0.9996, "seconds", "1s"),
        (0.25, "seconds", "250ms"),
        (-0.0125, "seconds", "-12ms"),
        (3600, "seconds", "60m"),
        (7200, "seconds", "2h"),
        (86400, "seconds", "24h"),
        (864000, "seconds", "10d"),
        (12.5 * 1024**2, "bytes", "12.5M"),
        (512, "bytes per second", "512B"),
        (0.001, "", "0.001"),
        (12500, "", "12.5k"),
        (-99.96, "per second", "-100"),
        (-1e300, "", "<-999T"),
        (1e300, "ratio", ">999T"),
        (math.nan, "ratio", "NaN"),
        (1774753964, "time", "2026"),
    ],
)
def test_the_label_of_an_axis_is_short(value: float, unit: ValueUnit, label: str) -> None:
    assert axis_label(value, unit) == label


@given(floats(), sampled_from(UNITS))
@example(-99.96, "percent")
@example(-1e-300, "seconds")
@example(5e-324, "ratio")
def test_no_label_of_an_axis_is_wider_than_its_cells(value: float, unit: ValueUnit) -> None:
    assert 0 < cell_width(axis_label(value, unit)) <= LABEL_CELLS == AXIS_WIDTH


@example(0.0015, "percent")
@given(floats(0.001, 1e5), sampled_from(["", "percent"]))
def test_a_label_is_near_its_value(value: float, unit: ValueUnit) -> None:
    text = axis_label(value, unit).removesuffix("%")
    assert float(text.removesuffix("k")) * (1000 if "k" in text else 1) == pytest.approx(value, rel=0.06)


@given(floats(), sampled_from(UNITS))
def test_every_value_has_a_text(value: float, unit: ValueUnit) -> None:
    text = value_text(value, unit)
    assert text
    assert len(text) <= 25
    assert text.isascii()


def test_two_values_that_would_look_the_same_are_told_in_all_their_digits() -> None:
    assert exact_text(0.0500001, "ratio") == "5.00001%"
    assert exact_text(1e9 + 1, "bytes") == "1000000001 B"
    assert exact_text(90.25, "seconds") == "90.25 s"
