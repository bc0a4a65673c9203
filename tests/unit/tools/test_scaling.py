"""The curves of docs/scaling.md: what is called linear, where a limit is passed, and the pictures."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.bench.scale import report
from tests.bench.scale.curves import SUPERLINEAR, passes, upper_exponent

SIZES = (10, 32, 100, 316, 1000, 3162, 10_000)


@pytest.mark.parametrize(("power", "fixed"), [(1.0, 0.0), (1.0, 5.0), (2.0, 0.0), (1.5, 1.0)])
def test_the_exponent_is_that_of_what_grows(power: float, fixed: float) -> None:
    found = upper_exponent([(size, fixed + 0.001 * size**power) for size in SIZES])
    assert found is not None
    assert found == pytest.approx(power, abs=0.06)
    assert (found > SUPERLINEAR) == (power > 1)


def test_a_limit_is_passed_between_two_sizes_or_never() -> None:
    points = [(size, size / 1000) for size in SIZES]
    at = passes(points, 0.5)
    assert at is not None
    assert 316 < at < 1000
    assert passes(points, 11.0) is None


def test_each_axis_that_was_measured_has_a_picture() -> None:
    found = report.pictures()
    assert len(found) >= 2
    for path, text in found.items():
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert f"images/{path.name}" in report.page()
