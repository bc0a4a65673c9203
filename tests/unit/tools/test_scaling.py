"""The curves of docs/scaling.md: what is called linear, where a limit is passed, and the pictures."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.bench.scale import report
from tests.bench.scale.curves import SUPERLINEAR, passes, upper_exponent
from tests.bench.scale.model import Cost, Curve, Measured
from tests.bench.scale.results import AXES, axis_named

SIZES = (10, 32, 100, 316, 1000, 3162, 10_000)


@pytest.mark.parametrize(("power", "fixed"), [(1.0, 0.0), (1.0, 5.0), (2.0, 0.0), (1.5, 1.0)])
def test_the_exponent_is_that_of_what_grows(power: float, fixed: float) -> None:
    found = upper_exponent([(size, fixed + 0.001 * size**power) for size in SIZES])
    assert found is not None
    assert found == pytest.approx(power, abs=0.06)
    assert (found > SUPERLINEAR) == (power > 1)


def test_what_is_nearly_the_same_at_every_size_does_not_grow() -> None:
    assert upper_exponent([(10, 329_203), (100, 329_204), (1000, 329_209), (10_000, 337_402)]) == 0
    assert upper_exponent([(10, 5), (100, 5), (1000, 4), (10_000, 3)]) == 0


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


@pytest.mark.parametrize("name", AXES)
def test_each_operation_of_an_axis_has_a_line_in_its_picture(name: str) -> None:
    axis = axis_named(name)
    measured = _measured(name, {operation.name: axis.sizes for operation in axis.operations})
    assert axis.name == name
    assert report.picture(axis, measured).count("<polyline") == len(axis.operations)


def test_the_page_names_the_sizes_at_which_an_operation_was_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        report, "kept", lambda: {"logs": _measured("logs", {"screen": (1, 10, 2000), "stats": (1, 1000)})}
    )
    assert "Not measured above 1 kB: `lilfox logs stats`.\n" in report.page()
    assert report.page().count("Not measured") == 1


def _measured(axis: str, sizes: dict[str, tuple[int, ...]]) -> Measured:
    curves = [
        Curve(
            operation=name,
            costs=tuple(Cost(size=each, cpu_s=each, wall_s=each, memory_bytes=each, peak_bytes=each) for each in found),
        )
        for name, found in sizes.items()
    ]
    return Measured(axis=axis, day="2026-12-03", machine="2 cores", curves=tuple(curves))
